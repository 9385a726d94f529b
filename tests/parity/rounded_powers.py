"""The other thing that parity imitates: how EasyRec rounds the bias correction of Adam.

TensorFlow 1 multiplies float32 powers of the betas step by step and subtracts them from 1, which leaves few digits of
the first ones: with beta2 0.999 the rate of the third step is off by 7e-6. Here it is exact, and five steps of
EasyRec with the exact rate end up to 1e-5 away.
"""

import numpy as np
import tensorflow as tf

from easymtl.training.optimizers import Optimizers
from easymtl.training.update_rules import Adam, Moment

_MOST_STEPS = 100


def round_powers_as_easyrec(optimizers: Optimizers) -> None:
    """Makes every later update of Adam take the rate that EasyRec takes."""
    for rule in (optimizers.embedding.rule, optimizers.dense.rule):
        if isinstance(rule, Adam):
            rule.corrected_rate = _RoundedRate(rule)


class _RoundedRate:
    def __init__(self, rule: Adam):
        self._powers = [tf.constant(running_powers(beta)) for beta in (rule.config.beta1, rule.config.beta2)]

    def __call__(self, moment: Moment) -> tf.Tensor:
        first, second = (powers[tf.cast(moment.step, tf.int32)] for powers in self._powers)
        return moment.learning_rate * tf.sqrt(1.0 - second) / (1.0 - first)


def running_powers(beta: float) -> np.ndarray:
    """Returns float32 beta^0, beta^1, ... as running products."""
    powers = np.full(_MOST_STEPS, beta, np.float32)
    powers[0] = 1.0
    return np.multiply.accumulate(powers)
