"""From a value to its row in the feature's table: hash, vocabulary or number, in this order of precedence.

Of a growing table it is the key by which the row is found, where the value is used.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from easymtl.config.view import growing_of, num_growing_rows
from easymtl.config.vocabulary import read_vocabulary
from easymtl.features.growing.id_keys import keys_of_numbers, keys_of_texts
from easymtl.features.growing.key_map import MISSING
from easymtl.features.pieces import Counts, count
from easymtl.features.text import Items, as_numbers, as_text
from easymtl.protos.feature_pb2 import FeatureConfig


class Found(NamedTuple):
    """Rows of values and what was odd about them.

    Attributes:
        ids: `[n]` int64; -1 for a missing value. Of a growing table keys.
        counts: "missing" and what else the lookup reports, each `[n]` int64; "known" values have rows of their own.
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

    def __init__(self, words: Sequence[str], precision: int, path: str = ""):
        """Makes the table.

        Args:
            words: the values; the row of each is its place.
            precision: digits of a number behind the point.
            path: the file that they come from, if they do.
        """
        super().__init__()
        self.num_rows = len(words)
        self.precision = precision
        self._folder = tempfile.TemporaryDirectory(prefix="easymtl-") if path else None
        initializer = _file_of(words, Path(self._folder.name) / Path(path).name) if self._folder else _constant(words)
        self.table = tf.lookup.StaticHashTable(initializer, default_value=-1)

    def __call__(self, column: tf.Tensor) -> Found:
        """Returns the rows of values `[n]`; '' is missing."""
        rows = self.table.lookup(as_text(column, self.precision))
        missing = is_missing(column)
        unknown = count(tf.less(rows, 0) & ~missing)
        counts = {"unknown": unknown, "known": count(tf.greater_equal(rows, 0) & ~missing)}
        return _unless_missing(tf.maximum(rows, 0), missing, counts)


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
        counts = {"out_of_range": count(outside & ~missing), "known": count(~outside & ~missing)}
        return _unless_missing(ids, missing, counts)


class GrowingLookup(tf.Module):
    """The key of the value in a growing table, see `growing.id_keys`; that of a missing one is MISSING."""

    def __init__(self, num_rows: int, precision: int):
        super().__init__()
        self.num_rows = num_rows
        self.precision = precision

    def __call__(self, column: tf.Tensor) -> Found:
        """Returns the keys of values `[n]`; '' is missing, an integer never is."""
        is_whole = column.dtype.is_integer
        keys = keys_of_numbers(column) if is_whole else keys_of_texts(as_text(column, self.precision))
        return Found(keys, {"missing": count(tf.equal(keys, MISSING))})


Lookup = GrowingLookup | HashLookup | VocabularyLookup | BucketLookup


def make_lookup(feature: FeatureConfig, minus_one_is_missing: bool) -> Lookup:
    """Returns the lookup that a feature declares; nothing is wrong with the declaration.

    Args:
        feature: the declaration.
        minus_one_is_missing: whether -1 is "no value" for `num_buckets` (single ids) or out of range (tags).
    """
    growing = growing_of(feature)
    if growing is not None:
        return GrowingLookup(num_growing_rows(growing), feature.precision)
    if feature.hash_bucket_size:
        return HashLookup(int(feature.hash_bucket_size), feature.precision)
    if feature.vocab_list:
        return VocabularyLookup(feature.vocab_list, feature.precision)
    if feature.vocab_file:
        words = read_vocabulary(feature.vocab_file).words
        return VocabularyLookup(words, feature.precision, feature.vocab_file)
    return BucketLookup(int(feature.num_buckets), minus_one_is_missing)


def is_missing(column: tf.Tensor | Items) -> tf.Tensor:
    """Returns which values are missing, bool `[n]`: '', the list of one '', and NaN; an integer never is."""
    if isinstance(column, Items):
        firsts = tf.gather(column.places, tf.cumsum(column.lengths, exclusive=True))
        return tf.equal(column.lengths, 1) & tf.equal(tf.gather(column.distinct, firsts), "")
    if column.dtype == tf.string:
        return tf.equal(column, "")
    if column.dtype.is_floating:
        return tf.math.is_nan(column)
    return tf.zeros_like(column, tf.bool)


def fill_missing(column: tf.Tensor, default: str | float | None) -> tf.Tensor:
    """Returns values `[n]` with a default in place of the missing ones, as they are where there is none."""
    return column if default is None else tf.where(is_missing(column), tf.constant(default, column.dtype), column)


def _unless_missing(ids: tf.Tensor, missing: tf.Tensor, counts: Counts) -> Found:
    return Found(tf.where(missing, tf.constant(-1, ids.dtype), ids), {"missing": count(missing), **counts})


def _constant(words: Sequence[str]) -> tf.lookup.KeyValueTensorInitializer:
    return tf.lookup.KeyValueTensorInitializer(tf.constant(list(words)), tf.range(len(words), dtype=tf.int64))


def _file_of(words: Sequence[str], path: Path) -> tf.lookup.TextFileInitializer:
    """Returns words by way of a file of our own, which becomes an asset of the SavedModel: a graph may not pass 2 GB.

    The user's file may hold a byte order mark or Windows line ends, and may be another one by the time of the export.
    """
    path.write_bytes("".join(f"{word}\n" for word in words).encode())
    return tf.lookup.TextFileInitializer(
        str(path), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
    )
