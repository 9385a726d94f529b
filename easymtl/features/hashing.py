"""All single-valued features that hash a text, hashed by one kernel: a request of one row is ruled by their number."""

from collections.abc import Mapping

import tensorflow as tf

from easymtl.features.id_feature import IdFeature
from easymtl.features.lookups import HashLookup
from easymtl.features.pieces import Ids
from easymtl.features.text import as_text
from easymtl.features.transform import Transform


def hashed_features(transforms: Mapping[str, Transform]) -> dict[str, IdFeature]:
    """Returns the features that `hash_together` does, by name."""
    return {
        name: transform
        for name, transform in transforms.items()
        if isinstance(transform, IdFeature) and isinstance(transform.lookup, HashLookup)
    }


def hash_together(features: Mapping[str, IdFeature], columns: Mapping[str, tf.Tensor]) -> dict[str, Ids]:
    """Returns what the features make of raw columns `[n]`, as each would alone, without the counts of odd values."""
    if not features:
        return {}
    texts = tf.concat([as_text(columns[one.inputs[0]], one.feature.precision) for one in features.values()], axis=0)
    # A fingerprint of one text is its Fingerprint64, of which `to_hash_bucket_fast` takes the unsigned remainder.
    fingerprints = tf.bitcast(tf.fingerprint(texts[:, tf.newaxis]), tf.uint64)
    num_rows = tf.constant([[one.num_rows] for one in features.values()], tf.uint64)
    hashes = tf.cast(tf.math.floormod(tf.reshape(fingerprints, [len(features), -1]), num_rows), tf.int64)
    is_missing = tf.reshape(tf.equal(texts, ""), [len(features), -1])
    ids = tf.where(is_missing, tf.constant(-1, tf.int64), hashes)
    return {name: Ids(row, {}) for name, row in zip(features, tf.unstack(ids))}
