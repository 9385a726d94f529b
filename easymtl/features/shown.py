"""What features have read, as text: the values before anything is looked up, so that a log can be held against data."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from easymtl.config.feature_outputs import feature_outputs
from easymtl.features.expr_feature import ExprFeature
from easymtl.features.feature_set import FeatureSet
from easymtl.features.padded import shortest_decimals
from easymtl.features.pieces import Dense, Plain, expect
from easymtl.features.plain_feature import PlainFeature, without_table
from easymtl.features.raw_feature import RawFeature
from easymtl.features.text import Split, as_text, joined, split, split_whole
from easymtl.features.transform import Transform
from easymtl.protos.feature_pb2 import FeatureConfig

_COMMA = ","


def shown_features(features: FeatureSet, columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns a text for each row and output, `[rows]`, under the names of `feature_outputs`.

    Several values have commas between them. Ids are the values and not their rows; numbers are those after scaling and
    normalizing and before buckets or vectors; steps of a history keep their `seq_multi_sep`.

    Args:
        features: the features of a model.
        columns: raw columns `[rows]`, as `FeatureSet.packed` takes them.
    """
    columns = features.with_constants(columns)
    shown: dict[str, tf.Tensor] = {}
    for name, transform in _by_declared_name(features).items():
        inputs = [features.filled(field, columns[field]) for field in transform.inputs]
        if isinstance(transform, PlainFeature) and transform.feature.feature_type == FeatureConfig.PassThroughFeature:
            texts = [_of_values(expect(transform(inputs), Plain).values)]
        else:
            texts = _SHOWN[transform.feature.feature_type](transform.feature, inputs)
        shown |= dict(zip(feature_outputs(transform.feature, name), texts, strict=True))
    return shown


def _by_declared_name(features: FeatureSet) -> dict[str, Transform]:
    """Returns a transform of each feature by the name in the config: groups that are read in two ways have two."""
    changed = [group for group in features.input_groups.values() if group.is_changed]
    found: dict[str, Transform] = {}
    for name, transform in features.transforms.items():
        group = next((one for one in changed if name.startswith(f"{one.name}/")), None)
        found.setdefault(group.plain_name(name) if group else name, transform)
    return found


def _ids(feature: FeatureConfig, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    return [as_text(inputs[0], feature.precision)]


def _numbers(feature: FeatureConfig, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    kind = ExprFeature if feature.feature_type == FeatureConfig.ExprFeature else RawFeature
    return [_of_values(expect(kind(without_table(feature))(inputs), Dense).values)]


def _tags(feature: FeatureConfig, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    parts = split(as_text(inputs[0], feature.precision), feature.separator)
    if len(inputs) > 1:
        is_text = inputs[1].dtype == tf.string
        weights = inputs[1] if is_text else _of_values(tf.cast(inputs[1], tf.float32))
        return [_joined(parts), _joined(split(weights, feature.separator))]
    if not feature.kv_separator:
        return [_joined(parts)]
    names, weights = _halves(parts.pieces.texts(), feature.kv_separator)
    return [_joined(parts, names), _joined(parts, tf.where(tf.equal(weights, ""), "1", weights))]


def _steps(feature: FeatureConfig, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    return [_joined(split_whole(as_text(inputs[0], feature.precision), feature.separator))]


def _combined(feature: FeatureConfig, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    texts = [as_text(column, feature.precision) for column in inputs]
    if feature.combo_join_sep:
        return [tf.strings.join(texts, feature.combo_join_sep)]
    separators = feature.combo_input_seps or [""] * len(texts)
    return [
        _joined(split(text, separator)) if separator else text
        for text, separator in zip(texts, separators, strict=True)
    ]


def _looked_up(feature: FeatureConfig, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Returns the values of the map that belong to the key, the first `lookup_max_sel_elem_num` of them."""
    key = as_text(inputs[0], feature.precision)
    parts = split(as_text(inputs[1], feature.precision), feature.separator)
    names, values = _halves(parts.pieces.texts(), feature.kv_separator)
    is_match = tf.equal(names, tf.gather(key, parts.rows)) & tf.not_equal(values, "")
    matches = tf.cast(is_match, tf.int64)
    of_rows = tf.math.unsorted_segment_sum(matches, parts.rows, tf.size(key, tf.int64))
    before = tf.gather(tf.cumsum(of_rows, exclusive=True), parts.rows)
    is_taken = is_match & tf.less(tf.cumsum(matches, exclusive=True) - before, feature.lookup_max_sel_elem_num)
    return [joined(values[is_taken], parts.rows[is_taken], tf.size(key), _COMMA)]


_SHOWN = {
    FeatureConfig.IdFeature: _ids,
    FeatureConfig.RawFeature: _numbers,
    FeatureConfig.ExprFeature: _numbers,
    FeatureConfig.TagFeature: _tags,
    FeatureConfig.SequenceFeature: _steps,
    FeatureConfig.ComboFeature: _combined,
    FeatureConfig.LookupFeature: _looked_up,
}


def _of_values(values: tf.Tensor) -> tf.Tensor:
    """Returns the text of values `[rows]` or `[rows, width]`."""
    if values.dtype == tf.float32:
        values = tf.where(tf.math.is_finite(values), shortest_decimals(values), "nan")
    elif values.dtype != tf.string:
        values = tf.strings.as_string(values)
    return values if values.shape.rank == 1 else tf.strings.reduce_join(values, axis=-1, separator=_COMMA)


def _joined(parts: Split, pieces: tf.Tensor | None = None) -> tf.Tensor:
    texts = parts.pieces.texts() if pieces is None else pieces
    return joined(texts, parts.rows, tf.size(parts.lengths), _COMMA)


def _halves(pieces: tf.Tensor, separator: str) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns what stands before and behind the first separator of each piece."""
    halves = tf.strings.split(pieces, separator, maxsplit=1).to_tensor("", shape=[None, 2])
    return halves[:, 0], halves[:, 1]
