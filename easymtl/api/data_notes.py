"""What the first rows of the training data say of the features: remarks of `check`, nothing that is wrong by itself."""

import re
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from easymtl.config import view
from easymtl.config.rules.feature_faults import table_sources
from easymtl.config.vocabulary import read_vocabulary
from easymtl.errors import quoted
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline

_FEWEST_ROWS = 20
_LARGE = 100_000
_UNSCALED = 100.0
_SKEWED = 1000.0
_LONG_TAIL = 10.0
_FEWEST_IDS = 10
_LIKE_AN_ID = re.compile(r"(^|_)(u|g)?u?id$|[a-z0-9](Id|ID)$", re.ASCII)


def feature_notes(batch: pa.RecordBatch, pipeline: Pipeline) -> list[str]:
    """Returns a sentence for each feature that its first rows make look wrong.

    Args:
        batch: the first rows, with all fields that something reads; of few rows nothing is said.
        pipeline: declares features, groups and labels.
    """
    if batch.num_rows < _FEWEST_ROWS:
        return []
    columns = {name: _Column(batch.column(name)) for name in batch.schema.names}
    labels = _labels(pipeline)
    return [
        f'the feature "{view.feature_name(feature)}" {text}'
        for feature in view.features_in_groups(pipeline)
        for text in _of_feature(feature, columns, labels)
    ]


def label_notes(batch: pa.RecordBatch, pipeline: Pipeline) -> list[str]:
    """Returns a sentence for each label of which the first rows hold not one text that `label_values` names.

    An entry without texts takes every text, also where all are written otherwise than it was thought.
    """
    notes = []
    for label in _labels(pipeline):
        named = [text for text in view.label_texts(pipeline.data_config, label) if text is not None]
        values = _Column(batch.column(label)).known if named else []
        if len(values) >= _FEWEST_ROWS and set(named).isdisjoint(values):
            notes.append(
                f'the label "{label}" holds not one of the texts that label_values names ({quoted(named, 4)}) in the '
                f'first {batch.num_rows:,} rows, which hold "{values[0]}".'
            )
    return notes


def scale_notes(batch: pa.RecordBatch, pipeline: Pipeline) -> list[str]:
    """Returns a sentence for each number that goes into the network as it is, and is too large for that.

    Layers begin as if numbers were about as large as 1: one of thousands drowns all others, and makes steps too long.

    Args:
        batch: the first rows, with all fields that something reads; of few rows nothing is said.
        pipeline: declares the features.
    """
    if batch.num_rows < _FEWEST_ROWS:
        return []
    return [
        f'the feature "{view.feature_name(feature)}" {text}'
        for feature in view.features_in_groups(pipeline)
        if _is_unscaled(feature)
        for text in _scale(feature, _Column(batch.column(feature.input_names[0])))
    ]


def _is_unscaled(feature: FeatureConfig) -> bool:
    """Returns whether a feature is a number that reaches the network as it is in the data."""
    is_scaled = feature.boundaries or feature.max_val > feature.min_val or feature.normalizer_fn
    is_scaled = is_scaled or feature.WhichOneof("number_embedding")
    return feature.feature_type == FeatureConfig.RawFeature and feature.raw_input_dim <= 1 and not is_scaled


def _scale(feature: FeatureConfig, column: "_Column") -> Iterator[str]:
    numbers = column.numbers()
    if numbers is None or any(_ids_as_numbers(feature, column)):
        return
    numbers = numbers[np.isfinite(numbers)]
    sizes = np.abs(numbers)
    if not len(sizes):
        return
    large, largest = float(np.quantile(sizes, 0.99)), float(sizes.max())
    typical = float(np.median(sizes[sizes > 0])) if sizes.any() else 0.0
    if large <= _UNSCALED and not (largest > _UNSCALED and largest > _SKEWED * typical):
        return
    is_skewed = numbers.min() >= 0 and largest > _LONG_TAIL * typical
    low, high = (float(np.quantile(numbers, share)) for share in (0.01, 0.99))
    range_text = f"min_val: {low:.4g} max_val: {high:.4g}"
    advice = 'normalizer_fn: "log1p", or boundaries' if is_skewed else f"{range_text}, or boundaries"
    yield (
        f"is a number of up to {largest:,.4g} in the first {len(column.values):,} rows (typically {typical:,.4g}), and "
        f"the network reads it as it is. Give it {advice}: layers begin as if numbers were about as large as 1."
    )


class _Column:
    """A column of the first rows.

    Attributes:
        values: `[n]` Python values, None where missing.
        known: those that are not missing.
        distinct: how many there are of them.
    """

    def __init__(self, column: pa.Array):
        plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        values = plain.to_pylist()
        self.values = [None if value is None or value == "" or value != value else value for value in values]
        self.known = [value for value in self.values if value is not None]
        self.distinct = len({str(value) for value in self.known})

    def numbers(self) -> np.ndarray | None:
        """Returns the known values as float64, None when one of them is no number."""
        try:
            return np.asarray([float(value) for value in self.known], np.float64)
        except (TypeError, ValueError):
            return None

    def equals(self, other: "_Column") -> bool:
        """Returns whether two columns hold the same in every row, as numbers or as text."""
        mine, others = self.numbers(), other.numbers()
        if [value is None for value in self.values] != [value is None for value in other.values]:
            return False
        if mine is not None and others is not None:
            return bool(np.array_equal(mine, others))
        return [str(value) for value in self.known] == [str(value) for value in other.known]


def _labels(pipeline: Pipeline) -> dict[str, str]:
    """Returns the tower that learns each label."""
    towers = view.task_towers(pipeline)
    return {view.label_name(pipeline, index): tower.tower_name for index, tower in reversed([*enumerate(towers)])}


def _of_feature(feature: FeatureConfig, columns: Mapping[str, _Column], labels: Mapping[str, str]) -> Iterator[str]:
    first = columns[feature.input_names[0]]
    if all(columns[name].distinct <= 1 and _is_all_or_nothing(columns[name]) for name in feature.input_names):
        shown = f'"{first.known[0]}"' if first.known else "missing"
        yield f"is constant: {shown} in all of the first {len(first.values):,} rows. It says nothing if it stays so."
        return
    for name in feature.input_names:
        yield from _leak(name, columns, labels)
    if feature.feature_type == FeatureConfig.RawFeature:
        yield from _ids_as_numbers(feature, first)
    elif feature.feature_type in (FeatureConfig.IdFeature, FeatureConfig.TagFeature):
        yield from _unknown_values(feature, first)
        yield from _decimals_as_ids(feature, first)


def _is_all_or_nothing(column: _Column) -> bool:
    return len(column.known) in (0, len(column.values))


def _leak(name: str, columns: Mapping[str, _Column], labels: Mapping[str, str]) -> Iterator[str]:
    for label, tower in labels.items():
        has_two = label in columns and columns[label].distinct > 1
        if name not in labels and has_two and columns[name].equals(columns[label]):
            yield (
                f'reads "{name}", which equals "{label}", the label of the tower "{tower}", in all of the first '
                f"{len(columns[name].values):,} rows: the model will know the answer, and a server will not have it."
            )


def _ids_as_numbers(feature: FeatureConfig, column: _Column) -> Iterator[str]:
    numbers = column.numbers()
    if numbers is None or not len(numbers) or feature.boundaries or feature.raw_input_dim > 1:
        return
    is_whole = np.isfinite(numbers).all() and (numbers == np.floor(numbers)).all() and numbers.min() >= 0
    is_scaled = feature.max_val > feature.min_val or feature.normalizer_fn
    is_large = not is_scaled and np.median(numbers) >= _LARGE and column.distinct > len(numbers) / 2
    is_named_so = column.distinct > _FEWEST_IDS and _LIKE_AN_ID.search(feature.input_names[0])
    if is_whole and (is_large or is_named_so):
        yield (
            f"is a RawFeature, and the first rows hold {column.distinct:,} different whole numbers up to "
            f"{numbers.max():.0f}, as ids do: an IdFeature with hash_bucket_size looks them up. If they are amounts, "
            "give it min_val and max_val, or a normalizer_fn such as log1p."
        )


def _decimals_as_ids(feature: FeatureConfig, column: _Column) -> Iterator[str]:
    numbers = column.numbers() if feature.feature_type == FeatureConfig.IdFeature else None
    if numbers is None or not len(numbers):
        return
    num_broken = np.count_nonzero(np.isfinite(numbers) & (numbers != np.floor(numbers)))
    if num_broken > len(numbers) / 2 and column.distinct > len(numbers) / 2:
        yield (
            f"is an IdFeature, and the first rows hold {column.distinct:,} different decimals, such as "
            f"{column.known[0]}: a number that hardly repeats learns little as an id. A RawFeature reads numbers."
        )


def _unknown_values(feature: FeatureConfig, column: _Column) -> Iterator[str]:
    if table_sources(feature)[:1] not in (["vocab_list"], ["vocab_file"]):
        return
    words = set(feature.vocab_list) or set(read_vocabulary(feature.vocab_file).words)
    values = [word for value in column.known for word in _words(feature, value)]
    if values and words.isdisjoint(values):
        yield (
            f'has a vocabulary in which not one of the values of the first rows is, such as "{values[0]}" where the '
            f'vocabulary begins with "{next(iter(feature.vocab_list or read_vocabulary(feature.vocab_file).words))}".'
        )


def _words(feature: FeatureConfig, value: object) -> list[str]:
    """Returns the texts that are looked up for a value."""
    if isinstance(value, bool):
        return [str(value).lower()]
    text = f"{value:.{max(feature.precision, 0)}f}" if isinstance(value, float) else str(value)
    if feature.feature_type != FeatureConfig.TagFeature:
        return [text]
    tags = re.split(f"[{re.escape(feature.separator)}]", text)
    return [tag.partition(feature.kv_separator)[0] if feature.kv_separator else tag for tag in tags if tag]
