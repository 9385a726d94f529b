"""How numbers and lists of a file are written as the text of a STRING field: for whoever reads the field."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from google.protobuf.message import Message

from easymtl.config import view
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline

# Fields of messages of the model that name an input field -> what that is, and whether it is read as a number.
_NAMES = {
    "session_name": ("session", False),
    "session_id_field": ("session", False),
    "uid_field": ("session", False),
    "task_space_indicator_label": ("task space", True),
    "label": ("label", True),
    "soft_label_name": ("label", True),
    "column": ("sample weight", True),
}
_ONE_VALUE = "write one value to a row"


@dataclass(frozen=True)
class TextForm:
    """What the readers of a field need its text to be.

    Attributes:
        is_read: whether anything reads it; a column that is only handed on may be anything.
        is_number: whether all readers read the text as a number, so that any text of the same number does.
        precisions: digits behind the point of numbers, each once: `precision` of the features that say it.
        separators: what stands between the items of a list, each once.
        inner: what stands between the items of a list in a list, each once.
        keeps_empty: whether an empty item counts, as a step of a history does.
        single: who reads one value and no list, and what to do about it: a sentence; empty where all read lists.
        tags: the fields whose tags this one weighs.
        only_weighs: whether nothing but such tags reads it.
    """

    is_read: bool = True
    is_number: bool = False
    precisions: tuple[int, ...] = ()
    separators: tuple[str, ...] = ()
    inner: tuple[str, ...] = ()
    keeps_empty: bool = False
    single: str = ""
    tags: tuple[str, ...] = ()
    only_weighs: bool = False

    @property
    def precision(self) -> int | None:
        """Returns the digits behind the point, or None where no feature says them."""
        return self.precisions[0] if self.precisions else None

    @property
    def separator(self) -> str:
        """Returns what is written between two items: the first of the characters at which features split."""
        return self.separators[0][0] if self.separators else ""


OF_IDS = TextForm()
"""The form for readers that make ids of texts."""

UNREAD = TextForm(is_read=False)
"""The form of columns that nothing reads."""


@dataclass(frozen=True)
class _Reader:
    is_number: bool = False
    precision: int | None = None
    separator: str = ""
    inner: str = ""
    keeps_empty: bool = False
    single: str = ""
    tags: str = ""


@dataclass
class _Readers:
    by_field: dict[str, list[_Reader]] = field(default_factory=dict)

    def add(self, name: str, reader: _Reader) -> None:
        self.by_field.setdefault(name, []).append(reader)


def text_forms(pipeline: Pipeline) -> dict[str, TextForm]:
    """Returns the form of each field that something reads."""
    readers = _Readers()
    for feature in view.features(pipeline):
        for position, name, shared in _inputs(feature):
            readers.add(name, _of_feature(feature, position, name if shared else view.feature_name(feature)))
    for name, what, is_number in _others(pipeline):
        readers.add(name, _Reader(is_number, single=f"a {what} is one value: {_ONE_VALUE}."))
    return {name: _form(found) for name, found in readers.by_field.items()}


def _form(readers: list[_Reader]) -> TextForm:
    form = TextForm(
        is_number=all(reader.is_number for reader in readers),
        precisions=_each_once(reader.precision for reader in readers if reader.precision is not None),
        separators=_each_once(reader.separator for reader in readers if reader.separator),
        inner=_each_once(reader.inner for reader in readers if reader.inner),
        keeps_empty=any(reader.keeps_empty for reader in readers),
        single=next((reader.single for reader in readers if reader.single), ""),
        tags=_each_once(reader.tags for reader in readers if reader.tags),
    )
    return replace(form, only_weighs=all(reader.tags for reader in readers))


def _each_once(values) -> tuple:
    return tuple(dict.fromkeys(values))


def _inputs(feature: FeatureConfig) -> Iterator[tuple[int, str, bool]]:
    """Yields position and field of each input, and whether it is of a feature of its own, named by `shared_names`."""
    yield from ((position, name, False) for position, name in enumerate(feature.input_names))
    shared = [name for pattern in feature.shared_names for name in view.expand_range(pattern)]
    yield from ((0, name, True) for name in shared if name not in feature.input_names)


def _of_feature(feature: FeatureConfig, position: int, name: str) -> _Reader:
    precision = feature.precision if feature.precision >= 0 else None
    kind = FeatureConfig.FeatureType.Name(feature.feature_type)
    reader = f'feature "{name}", a {kind}, reads one value of each row'
    if feature.feature_type == FeatureConfig.TagFeature:
        if position == 0:
            return _Reader(precision=precision, separator=feature.separator)
        return _Reader(is_number=True, separator=feature.separator, tags=feature.input_names[0])
    if feature.feature_type == FeatureConfig.LookupFeature and position == 1:
        return _Reader(precision=precision, separator=feature.separator)
    if feature.feature_type == FeatureConfig.RawFeature:
        if feature.raw_input_dim > 1:
            return _Reader(is_number=True, separator=feature.separator)
        if view.has_parts(feature):
            return _Reader(is_number=True, separator=feature.seq_multi_sep)
        advice = "set its raw_input_dim to the number of items, or write the number itself"
        return _Reader(is_number=True, single=f"{reader}: {advice}.")
    if feature.feature_type == FeatureConfig.ExprFeature:
        return _Reader(is_number=True, single=f"{reader.replace('a Expr', 'an Expr')}: write the number itself.")
    if feature.feature_type == FeatureConfig.SequenceFeature:
        is_number = feature.sub_feature_type == FeatureConfig.RawFeature
        digits = None if is_number else precision
        return _Reader(is_number, digits, feature.separator, feature.seq_multi_sep, keeps_empty=True)
    if feature.feature_type == FeatureConfig.ComboFeature:
        separators = feature.combo_input_seps
        if position < len(separators) and separators[position]:
            return _Reader(precision=precision, separator=separators[position])
        advice = 'give it combo_input_seps, one for each input, such as "|" for this one'
        return _Reader(precision=precision, single=f"{reader}: {advice}.")
    advice = 'make it a TagFeature with a separator, such as "|"'
    return _Reader(precision=precision, single=f"{reader.replace('a Id', 'an Id')}: {advice}, or {_ONE_VALUE}.")


def _others(pipeline: Pipeline) -> Iterator[tuple[str, str, bool]]:
    """Yields the fields that tasks, losses and metrics name, what they are, and whether they are read as numbers."""
    for index in range(len(view.task_towers(pipeline))):
        label = view.label_name(pipeline, index)
        yield label, "label", not view.label_texts(pipeline.data_config, label)
    if pipeline.data_config.sample_weight:
        yield pipeline.data_config.sample_weight, "sample weight", True
    inputs = {view.feature_name(feature): feature.input_names[0] for feature in view.features(pipeline)}
    for name, value in _texts(pipeline.model_config):
        if name == "task_space_indicator_name":
            yield inputs.get(value, value), "task space", False
        elif name in _NAMES:
            yield value, *_NAMES[name]


def _texts(message: Message) -> Iterator[tuple[str, str]]:
    """Yields name and value of each text in a message and those inside of it."""
    for descriptor, value in message.ListFields():
        values = value if descriptor.is_repeated else [value]
        if descriptor.message_type is not None:
            for inner in values:
                yield from _texts(inner) if isinstance(inner, Message) else ()
        elif descriptor.cpp_type == descriptor.CPPTYPE_STRING:
            yield from ((descriptor.name, one) for one in values)
