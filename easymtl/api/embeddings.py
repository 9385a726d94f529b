"""The vectors that features have learnt, by value."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import tensorflow as tf

from easymtl.config.vocabulary import read_vocabulary
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.features.feature_set import Slot
from easymtl.features.kinds.base import Table
from easymtl.features.lookups import BucketLookup, GrowingLookup, HashLookup, VocabularyLookup
from easymtl.features.transform import Transform
from easymtl.tasks.ranker import Ranker

Lookup = BucketLookup | GrowingLookup | HashLookup | VocabularyLookup


def embedding_frame(
    ranker: Ranker, feature: str, values: Sequence[Any] | None = None, group: str | None = None
) -> pd.DataFrame:
    """Returns the vectors of values, see `Model.embeddings`: zeros for one that is missing.

    Raises:
        UserError: there is no such feature or group, it has no table, or its values are not known.
    """
    slot = _slot(ranker, feature, group)
    transform = ranker.feature_set.transforms[feature]
    lookup = getattr(transform, "lookup", None)
    if slot.table is None or not isinstance(lookup, Lookup):
        raise UserError(
            f'feature "{feature}" looks no single value up in a table: it is a '
            f"{transform.feature.FeatureType.Name(transform.feature.feature_type)}. Name a feature of ids."
        )
    values = _known_values(transform, lookup) if values is None else list(values)
    rows = _rows(lookup, values)
    if isinstance(lookup, GrowingLookup):
        rows = tf.constant(ranker.feature_set.growing.rows_of(feature, rows.numpy()), tf.int64)
    table = ranker.embeddings.variable(slot.table.width)
    vectors = tf.gather(table, tf.maximum(rows, 0) + slot.table.offset).numpy()
    vectors[rows.numpy() < 0] = 0
    return pd.DataFrame(vectors, index=pd.Index(values, name=feature))


def _slot(ranker: Ranker, feature: str, group: str | None) -> Slot:
    transforms = ranker.feature_set.transforms
    if feature not in transforms:
        raise UserError(
            f'"{feature}" is no feature of the model ({quoted(transforms)}).{did_you_mean(feature, transforms)}'
        )
    slots = [slot for slot in ranker.feature_set.slots if slot.feature == feature]
    groups = list(dict.fromkeys(slot.group for slot in slots))
    if group is not None:
        slots = [slot for slot in slots if slot.group == group]
        if not slots:
            raise UserError(f'feature "{feature}" is not in the group "{group}"; it is in {quoted(groups)}.')
    tables: dict[Table | None, Slot] = {slot.table: slot for slot in reversed(slots)}
    if len(tables) > 1:
        raise UserError(
            f'feature "{feature}" has tables of its own in the groups {quoted(groups)}. Say which: group="...".'
        )
    return slots[0]


def _known_values(transform: Transform, lookup: Lookup) -> list[Any]:
    feature = transform.feature
    if isinstance(lookup, BucketLookup):
        return list(range(lookup.num_rows))
    if isinstance(lookup, VocabularyLookup):
        return list(feature.vocab_list or read_vocabulary(feature.vocab_file).words)
    kind = "growing" if isinstance(lookup, GrowingLookup) else "hash"
    raise UserError(
        f'feature "{transform.feature_name}" has a {kind} table of {lookup.num_rows:,} rows, which does not tell whose '
        'they are. Name some: embeddings("...", values=[...]).'
    )


def _rows(lookup: Lookup, values: Sequence[Any]) -> tf.Tensor:
    """Returns the rows of values, `[n]` int64; -1 for one that is missing."""
    if all(isinstance(value, (int, np.integer)) and not isinstance(value, bool) for value in values):
        column = tf.constant(np.asarray(values, np.int64))
    else:
        texts = pa.array(["" if value is None or value != value else str(value) for value in values], pa.string())
        column = tf.constant(texts.to_pylist(), tf.string, shape=[len(values)])
    with tf.device("/CPU:0"):
        return tf.cast(lookup(column).ids, tf.int64)
