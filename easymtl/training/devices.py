"""What computes the steps of a training."""

import tensorflow as tf

from easymtl.tasks.ranker import Ranker


def has_gpu() -> bool:
    """Returns whether steps are made by a GPU, beside whose work the host goes on."""
    return bool(tf.config.list_physical_devices("GPU"))


def runs_ahead(ranker: Ranker) -> bool:
    """Returns whether steps of a model are begun before the host knows what the one before has come to.

    On a processor there is nothing to gain: a step has ended when the host has the next one to begin.
    """
    return has_gpu() and not ranker.feature_set.growing
