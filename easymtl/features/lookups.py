"""From a value to its row in the feature's table: hash, vocabulary or number, in this order of precedence."""

from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from easymtl.features.pieces import Counts, count
from easymtl.features.text import as_numbers, as_text
from easymtl.features.transform import Transform


class Found(NamedTuple):
    """Rows of values and what was odd about them.

    Attributes:
        ids: `[n]` int64; -1 for a missing value.
        counts: "missing" and what else the lookup reports, each `[n]` int64.
    """

    ids: tf.Tensor
    counts: Counts


class HashLookup(tf.Module):
    """Fingerprint64 (FarmHash) of the text modulo the number of rows."""

    def __init__(self, num_rows: int, precision: int):
        super().__init__()
        self.num_rows = num_rows
        self.precision = precision

    def __call__(self, column: tf.Tensor) -> Found:
        """Returns the rows of values `[n]`; '' is missing."""
        text = as_text(column, self.precision)
        return _unless_missing(tf.strings.to_hash_bucket_fast(text, self.num_rows), is_missing(column), {})


class VocabularyLookup(tf.Module):
    """Place of the text in a vocabulary; an unknown text takes row 0, as there."""

    def __init__(self, initializer: tf.lookup.TextFileInitializer, num_rows: int, precision: int):
        super().__init__()
        self.num_rows = num_rows
        self.precision = precision
        self.table = tf.lookup.StaticHashTable(initializer, default_value=-1)

    def __call__(self, column: tf.Tensor) -> Found:
        """Returns the rows of values `[n]`; '' is missing."""
        rows = self.table.lookup(as_text(column, self.precision))
        missing = is_missing(column)
        unknown = count(tf.less(rows, 0) & ~missing)
        return _unless_missing(tf.maximum(rows, 0), missing, {"unknown": unknown})


class BucketLookup(tf.Module):
    """The number itself; one that is out of range takes row 0, as there."""

    def __init__(self, num_rows: int, minus_one_is_missing: bool):
        super().__init__()
        self.num_rows = num_rows
        self.minus_one_is_missing = minus_one_is_missing

    def __call__(self, column: tf.Tensor) -> Found:
        """Returns the rows of values `[n]`: numbers or texts of numbers; '' and NaN are missing."""
        missing = is_missing(column)
        if column.dtype == tf.string:
            numbers = as_numbers(column, tf.int64)
        else:
            numbers = tf.cast(tf.where(missing, tf.zeros_like(column), column), tf.int64)
        if self.minus_one_is_missing:
            missing |= tf.equal(numbers, -1)
        outside = tf.less(numbers, 0) | tf.greater_equal(numbers, self.num_rows)
        ids = tf.where(outside, tf.zeros_like(numbers), numbers)
        return _unless_missing(ids, missing, {"out_of_range": count(outside & ~missing)})


Lookup = HashLookup | VocabularyLookup | BucketLookup


def make_lookup(transform: Transform, minus_one_is_missing: bool) -> Lookup:
    """Returns the lookup that a feature declares.

    Args:
        transform: the transform of the feature.
        minus_one_is_missing: whether -1 is "no value" for `num_buckets` (single ids) or out of range (tags).

    Raises:
        UserError: no way to find a row is declared, or the vocabulary cannot be used.
    """
    feature = transform.feature
    if feature.hash_bucket_size:
        return HashLookup(int(feature.hash_bucket_size), feature.precision)
    if feature.vocab_list:
        words = list(feature.vocab_list)
        _check_distinct(transform, words, "vocab_list")
        places = tf.range(len(words), dtype=tf.int64)
        initializer = tf.lookup.KeyValueTensorInitializer(tf.constant(words), places)
        return VocabularyLookup(initializer, len(words), feature.precision)
    if feature.vocab_file:
        return _vocabulary_of_file(transform, feature.vocab_file)
    if feature.num_buckets:
        return BucketLookup(int(feature.num_buckets), minus_one_is_missing)
    raise transform.refuse(
        "has no hash_bucket_size, vocab_list, vocab_file or num_buckets; set one of them, "
        "for example hash_bucket_size: 100000."
    )


def is_missing(column: tf.Tensor) -> tf.Tensor:
    """Returns which values are missing, bool `[n]`: '' and NaN; an integer never is."""
    if column.dtype == tf.string:
        return tf.equal(column, "")
    if column.dtype.is_floating:
        return tf.math.is_nan(column)
    return tf.zeros_like(column, tf.bool)


def _unless_missing(ids: tf.Tensor, missing: tf.Tensor, counts: Counts) -> Found:
    return Found(tf.where(missing, tf.constant(-1, ids.dtype), ids), {"missing": count(missing), **counts})


def _vocabulary_of_file(transform: Transform, path: str) -> VocabularyLookup:
    try:
        words = Path(path).read_bytes().split(b"\n")
    except OSError as error:
        raise transform.refuse(f'vocab_file "{path}" cannot be read: {error.strerror}.') from error
    if words[-1] == b"":
        words.pop()
    if not words:
        raise transform.refuse(f'vocab_file "{path}" is empty; it needs one value per line.')
    if any(word.endswith(b"\r") for word in words):
        raise transform.refuse(f'vocab_file "{path}" has Windows line ends; convert it to plain newlines.')
    _check_distinct(transform, words, f'vocab_file "{path}"')
    # A file and not a constant: it becomes an asset of the SavedModel, whose graph may not pass 2 GB.
    initializer = tf.lookup.TextFileInitializer(
        path, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
    )
    return VocabularyLookup(initializer, len(words), transform.feature.precision)


def _check_distinct(transform: Transform, words: list, where: str) -> None:
    seen = set()
    for word in words:
        if word in seen:
            text = word.decode("utf-8", "replace") if isinstance(word, bytes) else word
            raise transform.refuse(f'{where} holds "{text}" twice; every value has one row, remove one of them.')
        seen.add(word)
