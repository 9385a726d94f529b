"""Columns of keys beside the features: what tells sessions or users apart, as one int64 for each row.

A whole number is its own key, a text is its 64-bit fingerprint (FarmHash), so that keys are the same in every batch,
block and run; two of a billion different texts share a key with a probability of 3 %. Rows that have no key form one
session together, which is no other's: as in session_auc and gauc, a missing key is a key like any other.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import tensorflow as tf

MISSING = np.iinfo(np.int64).min
"""The key of rows that have none: an empty or missing text, a missing number, NaN."""


def read_keys(batch: pa.RecordBatch, fields: Sequence[str]) -> np.ndarray:
    """Returns the keys of a batch, `[n, number of fields]` int64."""
    keys = np.empty((batch.num_rows, len(fields)), np.int64)
    for place, name in enumerate(fields):
        keys[:, place] = _keys(batch.column(name))
    return keys


def _keys(array: pa.Array) -> np.ndarray:
    if pa.types.is_dictionary(array.type):
        by_value = np.append(_keys(array.dictionary), MISSING)
        return by_value[array.indices.fill_null(len(array.dictionary)).to_numpy().astype(np.intp)]
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return _of_texts(array)
    if pa.types.is_floating(array.type):
        return _of_floats(array.cast(pa.float64()).to_numpy(zero_copy_only=False))
    return array.cast(pa.int64()).fill_null(MISSING).to_numpy(zero_copy_only=False)


def _of_texts(array: pa.Array) -> np.ndarray:
    texts = array.fill_null("").to_numpy(zero_copy_only=False)
    with tf.device("/CPU:0"):
        prints = tf.bitcast(tf.fingerprint(tf.constant(texts, tf.string)[:, tf.newaxis]), tf.int64)
    return np.where(texts == "", MISSING, prints.numpy())


def _of_floats(values: np.ndarray) -> np.ndarray:
    # + 0.0 turns -0.0 into 0.0, which equals it.
    return np.where(np.isnan(values), MISSING, (values + 0.0).view(np.int64))
