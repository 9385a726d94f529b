"""Inputs of a SavedModel that hold several values for each row: `export_config.multi_value_fields`, `auto_multi_value`.

Their text in the data is what stands between separators; a request holds the values themselves, padded.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from easymtl.config import view
from easymtl.config.rules.feature_faults import table_sources
from easymtl.errors import quoted
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.export_pb2 import ExportConfig
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline

STRING, INT64, FLOAT = "STRING", "INT64", "FLOAT"

_PATH = "export_config.multi_value_fields.input_name"
_AUTO = "export_config.auto_multi_value"


@dataclass(frozen=True)
class MultiValue:
    """A field whose input is `[rows, values]`.

    Attributes:
        kind: the type of the input: STRING, padded with ''; INT64, padded with -1; FLOAT, padded with NaN.
        separators: the characters at which features split the text of the field, the first of which joins it.
        tags: the fields whose tags it weighs, and nothing else.
        most: how many values are read; 0 for all.
        is_history: whether an empty value at the end of a text counts, as a step of a history does.
    """

    kind: str
    separators: str
    tags: tuple[str, ...] = ()
    most: int = 0
    is_history: bool = False


class Fault(NamedTuple):
    """A field that can be no such input.

    Attributes:
        path: where the config asks for it.
        text: what is wrong.
    """

    path: str
    text: str


class _Reader(NamedTuple):
    kind: str
    separators: str
    tags: str = ""
    is_found: bool = True
    most: int = 0
    is_history: bool = False


def multi_values(pipeline: Pipeline) -> dict[str, MultiValue]:
    """Returns the inputs that hold several values, by field; none where the input of all is one line."""
    features = [one for declared in view.features(pipeline) for one in view.written_out(declared)]
    types = {
        name: DatasetConfig.FieldType.Name(field.input_type)
        for field in pipeline.data_config.input_fields
        for name in view.input_field_names(pipeline.data_config, field)
    }
    asked = _asked_for(pipeline.export_config, features, types)
    return {name: found for name, _, found in asked if isinstance(found, MultiValue)}


def multi_value_faults(
    config: ExportConfig, features: Iterable[FeatureConfig], types: Mapping[str, str]
) -> list[Fault]:
    """Returns the fields that are asked for and cannot hold several values.

    Args:
        config: asks for them.
        features: all features, `shared_names` written out.
        types: the declared type of each input field, such as `STRING`.
    """
    return [Fault(path, found) for _, path, found in _asked_for(config, features, types) if isinstance(found, str)]


def value_separators(feature: FeatureConfig) -> set[str]:
    """Returns the characters that stand between the parts of the texts which a feature reads."""
    readers = (_reader(feature, position) for position in range(len(feature.input_names)))
    found = {character for reader in readers if reader is not None for character in reader.separators}
    if feature.feature_type in (FeatureConfig.TagFeature, FeatureConfig.LookupFeature):
        found.update(feature.kv_separator)
    if feature.feature_type == FeatureConfig.SequenceFeature:
        found.update(feature.seq_multi_sep)
    return found


def _asked_for(
    config: ExportConfig, features: Iterable[FeatureConfig], types: Mapping[str, str]
) -> Iterator[tuple[str, str, MultiValue | str]]:
    """Yields field, path, and the input that it becomes or why it cannot."""
    if not config.multi_placeholder:
        return
    readers: dict[str, list[_Reader]] = {}
    for feature in features:
        for position, name in enumerate(feature.input_names):
            reader = _reader(feature, position)
            if reader is not None:
                readers.setdefault(name, []).append(reader)
    names = config.multi_value_fields.input_name
    wanted = {name: f"{_PATH}[{index}]" for index, name in enumerate(names) if name in types}
    if config.auto_multi_value:
        for name, found in readers.items():
            if types.get(name) == STRING and any(reader.is_found for reader in found):
                wanted.setdefault(name, _AUTO)
    for name, path in wanted.items():
        yield name, path, _input(name, types[name], readers.get(name, []))


def _input(name: str, type_name: str, readers: list[_Reader]) -> MultiValue | str:
    if not readers:
        return (
            f'names "{name}", of which no feature reads several values: leave it out, and send one value for each row.'
        )
    if type_name != STRING:
        return (
            f'names "{name}", a field of type {type_name}, which holds one value in the data: declare it as STRING, or '
            "leave it out and send one value for each row."
        )
    separators = list(dict.fromkeys(reader.separators for reader in readers))
    if len(separators) > 1:
        return (
            f'would make one list of the values of "{name}", and features split its text in different ways '
            f"({quoted(separators)}): give them one separator, or send the text."
        )
    kinds = {reader.kind for reader in readers}
    tags = tuple(dict.fromkeys(reader.tags for reader in readers))
    histories = [reader for reader in readers if reader.is_history]
    most = 0 if any(not one.most for one in histories) else max((one.most for one in histories), default=0)
    kind = kinds.pop() if len(kinds) == 1 else STRING
    return MultiValue(kind, separators[0], tags if all(tags) else (), most, bool(histories))


def _reader(feature: FeatureConfig, position: int) -> _Reader | None:
    """Returns how a feature reads several values of an input; None where it reads one."""
    kind = feature.feature_type
    if kind == FeatureConfig.TagFeature:
        if position == 1:
            return _Reader(FLOAT, feature.separator, feature.input_names[0])
        return _Reader(_kind_of_ids(feature, feature.kv_separator), feature.separator)
    if kind == FeatureConfig.SequenceFeature:
        is_number = feature.sub_feature_type == FeatureConfig.RawFeature
        number = STRING if feature.seq_multi_sep else FLOAT
        kind_of_steps = number if is_number else _kind_of_ids(feature, feature.seq_multi_sep)
        # The last steps of two levels are none if they have no items.
        is_history = not feature.seq_multi_sep
        return _Reader(kind_of_steps, feature.separator, most=int(feature.max_seq_len), is_history=is_history)
    if kind == FeatureConfig.RawFeature:
        if view.has_parts(feature):
            return _Reader(FLOAT, feature.seq_multi_sep, is_found=False)
        return _Reader(FLOAT, feature.separator) if feature.raw_input_dim > 1 else None
    if kind == FeatureConfig.LookupFeature and position == 1:
        return _Reader(STRING, feature.separator, is_found=False)
    seps = feature.combo_input_seps
    if kind == FeatureConfig.ComboFeature and position < len(seps) and seps[position]:
        return _Reader(STRING, seps[position], is_found=False)
    return None


def _kind_of_ids(feature: FeatureConfig, inner_separator: str) -> str:
    """Returns the type of ids: those that are their own numbers, unless a value holds more than one of them."""
    is_number = table_sources(feature)[:1] == ["num_buckets"] and not inner_separator
    return INT64 if is_number else STRING
