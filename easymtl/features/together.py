"""Features of one kind, made together of the columns of a request: a request of one row is ruled by their number."""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from easymtl.config.view import has_parts
from easymtl.features.combiners import fold
from easymtl.features.id_feature import IdFeature
from easymtl.features.kinds.bags import bag_rectangles
from easymtl.features.lookups import BucketLookup, HashLookup, VocabularyLookup, is_missing
from easymtl.features.pieces import Bags, Dense, Ids
from easymtl.features.raw_feature import RawFeature, number_type
from easymtl.features.tag_feature import TagFeature
from easymtl.features.text import as_numbers, as_text, split
from easymtl.features.transform import Transform
from easymtl.features.words import WordsTogether

_NONE = -1


class Together(NamedTuple):
    """Features side by side.

    Attributes:
        features: their names.
        values: their parts of the tensors of a packed request, by name, in this order.
    """

    features: tuple[str, ...]
    values: dict[str, tf.Tensor]


class Inputs(NamedTuple):
    """Raw columns `[n]`.

    Attributes:
        columns: by field.
        defaults: of fields that have one, what stands in place of '' and NaN.
        words: returns the vocabularies of features, made once.
    """

    columns: Mapping[str, tf.Tensor]
    defaults: Mapping[str, str | float]
    words: Callable[[Sequence[Transform]], WordsTogether]

    def side_by_side(self, features: Sequence[Transform], axis: int = 1) -> tf.Tensor:
        """Returns the columns that features of one input read, all of one type, with their defaults, as one tensor."""
        fields = [one.inputs[0] for one in features]
        joined = tf.stack([self.columns[field] for field in fields], axis=axis)
        if not any(field in self.defaults for field in fields):
            return joined
        missing = "" if joined.dtype == tf.string else float("nan")
        filled = [self.defaults.get(field, missing) for field in fields]
        return tf.where(is_missing(joined), _along(axis, filled, joined.dtype), joined)


Make = Callable[[Sequence[Any], Inputs], dict[str, tf.Tensor]]


def kinds_together(
    transforms: Mapping[str, Transform], types: Mapping[str, tf.DType], apart: Collection[str] = ()
) -> list[tuple[Make, tuple[str, ...]]]:
    """Returns which features are made together, and by what; others are in none of the tuples.

    Args:
        transforms: by feature.
        types: of fields.
        apart: fields that are not to be put together with the others.
    """
    groups: dict[Hashable, tuple[Make, list[str]]] = {}
    for name, transform in transforms.items():
        dtype = types[transform.inputs[0]]
        kind = _kind(transform, dtype)
        if kind:
            groups.setdefault((kind, dtype, transform.inputs[0] in apart), (kind[0], []))[1].append(name)
    return [(make, tuple(names)) for make, names in groups.values()]


def _kind(transform: Transform, dtype: tf.DType) -> tuple[Make, Hashable] | None:
    """Returns what makes a feature, and what has to be the same of features that it makes at once."""
    if type(transform) is IdFeature:
        lookup, precision = transform.lookup, transform.feature.precision if dtype.is_floating else 0
        if isinstance(lookup, HashLookup):
            return _hashed, precision
        if isinstance(lookup, VocabularyLookup) and transform.feature.vocab_list:
            return _found, precision
        if isinstance(lookup, BucketLookup) and (dtype.is_integer or dtype == tf.bool):
            return _numbered, None
    if type(transform) is RawFeature and transform.dimension == 1 and not has_parts(transform.feature):
        if transform.kind is Ids:
            return _in_buckets, (transform.feature.normalizer_fn, transform.has_range)
        if transform.kind is Dense:
            return _numbers, (transform.feature.normalizer_fn, transform.has_range)
    if type(transform) is TagFeature and isinstance(transform.lookup, HashLookup):
        feature = transform.feature
        if len(transform.inputs) == 1 and not feature.kv_separator:
            return _tags, (feature.separator, feature.combiner, feature.precision if dtype.is_floating else 0)
    return None


def _hashed(features: Sequence[IdFeature], inputs: Inputs) -> dict[str, tf.Tensor]:
    """Returns what `HashLookup` makes of each."""
    column = inputs.side_by_side(features)
    texts = as_text(column, features[0].feature.precision)
    hashes = _hashes(texts, [one.num_rows for one in features])
    return {"ids": hashes if _is_whole(column) else tf.where(tf.equal(texts, ""), _rows(_NONE, features), hashes)}


def _found(features: Sequence[IdFeature], inputs: Inputs) -> dict[str, tf.Tensor]:
    """Returns what `VocabularyLookup` makes of each."""
    texts = as_text(inputs.side_by_side(features), features[0].feature.precision)
    return {"ids": inputs.words(features)(texts)}


def _numbered(features: Sequence[IdFeature], inputs: Inputs) -> dict[str, tf.Tensor]:
    """Returns what `BucketLookup` makes of each, of whole numbers: -1 is missing, what is out of range takes row 0."""
    numbers = tf.cast(inputs.side_by_side(features), tf.int64)
    # Those from -1 on are from 0 on when 1 is added; without a sign, all others are large.
    ends = tf.constant([one.num_rows + 1 for one in features], tf.uint64)
    return {"ids": tf.where(tf.less(tf.bitcast(numbers + 1, tf.uint64), ends), numbers, _rows(0, features))}


def _in_buckets(features: Sequence[RawFeature], inputs: Inputs) -> dict[str, tf.Tensor]:
    """Returns the buckets of numbers, -1 for one that is not finite."""
    numbers = _read(features, inputs, axis=0)
    longest = max(len(one.boundaries) for one in features)
    # No finite number reaches the further ones.
    padded = [[*one.boundaries, *[float("inf")] * (longest - len(one.boundaries))] for one in features]
    boundaries = tf.constant(padded, numbers.dtype)
    buckets = tf.raw_ops.UpperBound(sorted_inputs=boundaries, values=numbers, out_type=tf.int64)
    if not _stays_finite(features, inputs):
        buckets = tf.where(tf.math.is_finite(numbers), buckets, tf.reshape(_rows(_NONE, features), [-1, 1]))
    # No transpose: of int64 oneDNN has none, and says so in every process.
    return {"ids": tf.stack(tf.unstack(buckets, len(features)), axis=1)}


def _numbers(features: Sequence[RawFeature], inputs: Inputs) -> dict[str, tf.Tensor]:
    """Returns numbers, 0 for one that is not finite as float32 has it."""
    numbers = tf.cast(_read(features, inputs, axis=1), tf.float32)
    if not _stays_finite(features, inputs):
        numbers = tf.where(tf.math.is_finite(numbers), numbers, tf.zeros([1, len(features)]))
    return {"dense": numbers}


def _tags(features: Sequence[TagFeature], inputs: Inputs) -> dict[str, tf.Tensor]:
    """Returns the bags of tags without weights of their own, those of one feature behind those of another."""
    first = features[0].feature
    texts = as_text(inputs.side_by_side(features, axis=0), first.precision)
    parts = split(tf.reshape(texts, [-1]), first.separator)
    sizes = [one.num_rows for one in features]
    # The feature of each tag. No tag is empty, so that none is missing.
    of_tags = parts.rows // tf.shape(texts, out_type=tf.int64)[1] if len(set(sizes)) > 1 else None
    bags = Bags(_hashes(parts.pieces.texts(), sizes, of_tags), parts.lengths, None, {})
    bags = fold(bags, parts.rows, first.combiner)
    return bag_rectangles([bags], len(features), ("bag_ids", "bag_weights"))


def _hashes(texts: tf.Tensor, sizes: Sequence[int], features: tf.Tensor | None = None) -> tf.Tensor:
    """Returns the rows of texts in tables of these sizes.

    Args:
        texts: `[n, features]`, or `[m]`.
        sizes: of the table of each feature.
        features: the place of the feature of each of `[m]` texts; of no meaning where all tables have one size.
    """
    if len(set(sizes)) == 1:
        return tf.strings.to_hash_bucket_fast(texts, sizes[0])
    # A fingerprint of one text is its Fingerprint64, of which `to_hash_bucket_fast` takes the unsigned remainder.
    fingerprints = tf.bitcast(tf.fingerprint(tf.reshape(texts, [-1, 1])), tf.uint64)
    ends = tf.constant(sizes, tf.uint64)
    if features is None:
        fingerprints = tf.reshape(fingerprints, [-1, len(sizes)])
    else:
        ends = tf.gather(ends, features)
    return tf.cast(tf.math.floormod(fingerprints, ends), tf.int64)


def _read(features: Sequence[RawFeature], inputs: Inputs, axis: int) -> tf.Tensor:
    """Returns the numbers of all features as they are scaled and normalized, side by side along an axis."""
    column = inputs.side_by_side(features, axis)
    if column.dtype == tf.string:
        numbers = as_numbers(column, tf.float64)
    else:
        numbers = tf.cast(column, number_type(column.dtype))
    if features[0].has_range:
        lows, highs = zip(*((one.feature.min_val, one.feature.max_val) for one in features))
        ranges = [high - low for low, high in zip(lows, highs)]
        numbers = (numbers - _along(axis, lows, numbers.dtype)) / _along(axis, ranges, numbers.dtype)
    return features[0].normalize(numbers)


def _stays_finite(features: Sequence[RawFeature], inputs: Inputs) -> bool:
    """Returns whether whole numbers are taken as they are."""
    is_changed = features[0].has_range or features[0].feature.normalizer_fn
    return not is_changed and _is_whole(inputs.columns[features[0].inputs[0]])


def _is_whole(column: tf.Tensor) -> bool:
    return column.dtype.is_integer or column.dtype == tf.bool


def _along(axis: int, values: Sequence[str | float], dtype: tf.DType) -> tf.Tensor:
    """Returns a value for each feature, which goes with tensors in which these stand along an axis."""
    return tf.constant([list(values)] if axis else [[value] for value in values], dtype)


def _rows(row: int, features: Sequence[Transform]) -> tf.Tensor:
    """Returns one row for all features, `[1, features]`.

    `tf.where` takes ten times as long where shapes differ: those of a request of one row do not.
    """
    return tf.fill([1, len(features)], tf.constant(row, tf.int64))
