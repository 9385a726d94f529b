"""Histories that are read side by side: step t of one belongs to step t of the other, so they have equal lengths."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.config import view
from easymtl.config.input_groups import input_groups
from easymtl.data.bad_values import BadValues
from easymtl.features import pieces
from easymtl.features.encoded import Encoded
from easymtl.features.pieces import Piece, expect
from easymtl.features.transform import Transform
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline


def parallel_histories(pipeline: Pipeline) -> list[tuple[str, ...]]:
    """Returns the features that have to have equal lengths: of a block of sequence_features, or a group read so."""
    groups = input_groups(pipeline)
    names = [
        tuple(dict.fromkeys(name for one in block.seq_att_map for name in [*one.hist_seq, *one.aux_hist_seq]))
        for group in groups
        for block in group.config.sequence_features
    ]
    declared = {view.feature_name(feature): feature for feature in view.features_in_groups(pipeline)}
    for group in (group for group in groups if group.joins_steps):
        features = view.group_feature_names(group.config)
        is_history = {name: declared[name].feature_type == FeatureConfig.SequenceFeature for name in features}
        names.append(tuple(name for name in features if is_history[name]))
    return list(dict.fromkeys(one for one in names if len(one) > 1))


def require_parallel(made: Mapping[str, Piece], parallel: Sequence[tuple[str, ...]]) -> list[tf.Operation]:
    """Returns what makes a graph refuse rows whose histories have different lengths, and names the features.

    What is computed of the histories has to wait for it: their unequal lengths would fail that, too, without a name.
    """
    checks = []
    for first, *others in parallel:
        lengths = expect(made[first], pieces.Sequence).lengths
        for other in others:
            message = f'the histories "{first}" and "{other}" of a row have different numbers of steps'
            found = expect(made[other], pieces.Sequence).lengths
            checks.append(tf.debugging.assert_equal(lengths, found, message))
    # There are no operations to wait for where they run one by one.
    return [check for check in checks if check is not None]


def require_parallel_rows(
    batch: pa.RecordBatch,
    features: Mapping[str, Encoded],
    transforms: Mapping[str, Transform],
    parallel: Sequence[tuple[str, ...]],
) -> None:
    """Checks the same of encoded rows.

    Raises:
        BadValues: lengths differ; it names the features, their lengths and, once it is located, file and row.
    """
    for first, *others in parallel:
        lengths = _lengths(features[first])
        for other in others:
            found = _lengths(features[other])
            rows = lengths != found
            if not rows.any():
                continue
            row = int(np.argmax(rows))
            # The longer text is the one that tells the row among others.
            fields = [transforms[name].inputs[0] for name in (first, other)]
            field, value = max(((field, _text(batch, field, row)) for field in fields), key=lambda one: len(one[1]))
            problem = (
                f'the history "{first}" has {lengths[row]} steps and "{other}" has {found[row]}. They are read side by '
                "side, so that each step of one needs its step of the other."
            )
            raise BadValues(field, value, (), problem, rows)


def _lengths(encoded: Encoded) -> np.ndarray:
    lengths = expect(encoded.piece, pieces.Sequence).lengths.numpy()
    return lengths if encoded.indices is None else lengths[encoded.indices]


def _text(batch: pa.RecordBatch, field: str, row: int) -> str:
    return batch.column(field)[row].as_py() or ""
