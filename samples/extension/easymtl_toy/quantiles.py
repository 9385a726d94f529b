"""A loss whose prediction is a quantile of the label, and a metric that tells whether it is."""

import numpy as np
import tensorflow as tf

from easymtl.extend import LossInputs, MetricInputs


def pinball(inputs: LossInputs) -> tf.Tensor:
    """Returns max(q d, (q - 1) d) of each row, d = label - prediction, `[batch]` (Koenker and Bassett, 1978)."""
    quantile = inputs.parameters.quantile
    difference = inputs.labels - inputs.logits
    return tf.maximum(quantile * difference, (quantile - 1.0) * difference)


def coverage(inputs: MetricInputs) -> float:
    """Returns the share of rows whose label is below its prediction."""
    compare = np.less_equal if inputs.parameters.or_equal else np.less
    return inputs.mean(compare(inputs.labels, inputs.predictions))
