"""The steps of the texts of histories, for a check of the data; no TensorFlow."""

import re
from collections.abc import Mapping

import numpy as np

from easymtl.config import view
from easymtl.data.bad_values import BadValues
from easymtl.protos.feature_pb2 import FeatureConfig


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
