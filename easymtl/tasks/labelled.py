"""What the losses of a batch look at beside its logits."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import tensorflow as tf


@dataclass(frozen=True)
class Labelled:
    """The labels of a batch and what goes with them; only losses need it, predictions never do.

    Attributes:
        numbers: labels, sample weights and indicators by column name, float32 `[batch]` each, NaN where missing.
        keys: the fields that tell sessions apart by name, int64 `[batch]` each, equal for rows of one session (see
            `easymtl.features.keys`); empty when no loss asks for one.
    """

    numbers: Mapping[str, tf.Tensor]
    keys: Mapping[str, tf.Tensor] = field(default_factory=dict)
