"""Dropout of whole features: a row is scored without some of what is known of it, and others have to make up for it."""

from collections.abc import Iterable, Sequence

import tensorflow as tf

from easymtl.layers.context import Call
from easymtl.layers.dense import Dropout
from easymtl.layers.steps import Steps


class FeatureDropout(tf.Module):
    """The factors of features in a training step: 1 / (1 - rate), or 0 with a probability of `rate`, for each row.

    A feature's factors are a pure function of the step's seed, the group's name and its own: another feature beside it
    changes nothing, and a feature in two groups is dropped in each on its own.
    """

    def __init__(self, group: str, features: Iterable[str], rate: float):
        """Takes the names.

        Args:
            group: name of the group.
            features: names of what is dropped, each on its own.
            rate: the share of the rows in which a feature is dropped, in [0, 1).
        """
        super().__init__()
        self._dropouts = {feature: Dropout(f"{group}/feature_dropout/{feature}", rate) for feature in features}

    def __call__(self, num_rows: tf.Tensor, call: Call) -> dict[str, tf.Tensor]:
        """Returns the factors of each feature, float32 `[num_rows]`: all of them 1 where the model does not train."""
        ones = tf.ones(tf.reshape(num_rows, [1]))
        return {feature: dropout(ones, call) for feature, dropout in self._dropouts.items()}


def scaled(joined: tf.Tensor, widths: Sequence[int], factors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns features side by side, `[batch, Σ width]`, each multiplied by its factors `[batch]`."""
    places = [index for index, width in enumerate(widths) for _ in range(width)]
    return joined * tf.cast(tf.gather(tf.stack(factors, axis=1), places, axis=1), joined.dtype)


def scaled_steps(steps: Steps, factors: tf.Tensor) -> Steps:
    """Returns a history with all steps of a row multiplied by the row's factor, of `[batch]`."""
    return steps.replaced(steps.flat * tf.cast(steps.spread(factors[:, tf.newaxis]), steps.flat.dtype))
