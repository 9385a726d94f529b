"""Dropout whose rates are learnt, one for each feature: what a model can do without is dropped more and more."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from easymtl.layers.context import Build, Call, name_seed, salted

TEMPERATURE = 0.1
_LEAST = 1e-7
"""Keeps the noise away from 0 and 1, whose logits are infinite."""


class VariationalDropout(tf.Module):
    """x (1 - z) with z = sigmoid((logit p + logit u) / 0.1) and u uniform for each row (Ma et al. 2021, FSCD).

    p = sigmoid of the weight `logit_p` is the rate at which a feature, or each number of its vector, is dropped. The
    loss Σ (1 - p) pulls all rates to 1 against what the tasks lose by it. Evaluation takes x (1 - p).
    """

    def __init__(self, build: Build, name: str, widths: Mapping[str, int], is_elementwise: bool):
        """Makes the weight, `[features]` or `[Σ width]`.

        Args:
            build: takes the weight.
            name: of the weight.
            widths: of the features, in the order in which they are joined.
            is_elementwise: whether each number has a rate of its own.
        """
        super().__init__()
        self.widths = dict(widths)
        self.is_elementwise = is_elementwise
        self.salt = name_seed(0, name)
        self.logits = build.weight(name, [sum(widths.values()) if is_elementwise else len(widths)])

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps the joined features `[batch, Σ width]` to the same shape."""
        if not call.training:
            return x * self._spread(1.0 - tf.nn.sigmoid(self.logits))
        shape = tf.stack([tf.shape(x)[0], self.logits.shape[0]])
        uniform = tf.random.stateless_uniform(shape, salted(call.seed, self.salt), _LEAST, 1.0 - _LEAST)
        noise = tf.math.log(uniform) - tf.math.log1p(-uniform)
        return x * self._spread(1.0 - tf.nn.sigmoid((self.logits + noise) / TEMPERATURE))

    def penalty(self) -> tf.Tensor:
        """Returns Σ (1 - p), a scalar."""
        return tf.reduce_sum(1.0 - tf.nn.sigmoid(self.logits))

    def rates(self) -> dict[str, np.ndarray]:
        """Returns the rates p of each feature, `[width]` or `[1]`: the lower, the more it is needed."""
        sizes = [*self.widths.values()] if self.is_elementwise else [1] * len(self.widths)
        parts = np.split(tf.nn.sigmoid(self.logits).numpy(), np.cumsum(sizes)[:-1])
        return dict(zip(self.widths, parts))

    def _spread(self, factors: tf.Tensor) -> tf.Tensor:
        """Returns factors `[.., features]` as those of the numbers of each feature, `[.., Σ width]`."""
        if self.is_elementwise:
            return factors
        widths = [*self.widths.values()]
        # Where it knows that there are no rows, `tf.repeat` loses the width.
        if factors.shape[0] == 0:
            return tf.gather(factors, np.repeat(np.arange(len(widths)), widths), axis=-1)
        return tf.repeat(factors, widths, axis=-1)
