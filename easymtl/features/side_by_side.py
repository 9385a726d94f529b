"""Histories that are read side by side, and the steps of their texts, for a check of the data; no TensorFlow."""

import re
from collections.abc import Mapping

import numpy as np

from easymtl.config import view
from easymtl.config.input_groups import input_groups
from easymtl.data.bad_values import BadValues
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


def most_steps(feature: FeatureConfig) -> int:
    """Returns how many steps of a history are kept, 0 for all."""
    limits = [int(feature.max_seq_len)]
    is_number = feature.sub_feature_type == FeatureConfig.RawFeature
    if is_number and feature.HasField("sequence_length") and not view.number_boundaries(feature):
        limits.append(int(feature.sequence_length))
    return min((limit for limit in limits if limit), default=0)


def num_steps(feature: FeatureConfig, text: str) -> int:
    """Returns the number of steps of a text of a history, of which an empty piece is one."""
    found = len(re.split(f"[{re.escape(feature.separator)}]", text))
    return min(found, most_steps(feature) or found)


def uneven(lengths: Mapping[str, int], texts: Mapping[str, str], rows: np.ndarray | None = None) -> BadValues:
    """Returns the error of a row in which two histories differ.

    Args:
        lengths: the number of steps of each.
        texts: the text of each of their fields.
        rows: which rows of the batch are such ones, `[n]`.
    """
    # The longer text is the one that tells the row among others.
    field = max(texts, key=lambda name: len(texts[name]))
    (first, length), (other, found) = lengths.items()
    problem = (
        f'the history "{first}" has {length} steps and "{other}" has {found}. They are read side by side, so that '
        "each step of one needs its step of the other."
    )
    return BadValues(field, texts[field], (), problem, rows)
