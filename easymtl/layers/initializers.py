"""Initial values of weights: pure functions of a shape and a seed."""

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import tensorflow as tf

from easymtl.config.names import initializer_name

Initializer: TypeAlias = "Callable[[Sequence[int], tf.Tensor], tf.Tensor]"
"""Maps a shape and a seed, int64 `[2]`, to float32 values of that shape."""

_SPREAD = 0.05
"""Of `random_normal`, `truncated_normal` and `random_uniform` where a config gives only their names."""
_TRUNCATED = 0.87962566103423978
"""Standard deviation of a standard normal distribution that is cut off at -2 and 2."""


def uniform(limit: float) -> Initializer:
    """Returns an initializer with values between -limit and limit."""
    return lambda shape, seed: tf.random.stateless_uniform(shape, seed, -limit, limit)


def normal(deviation: float) -> Initializer:
    """Returns an initializer with normal values."""
    return lambda shape, seed: tf.random.stateless_normal(shape, seed, stddev=deviation)


def truncated_normal(deviation: float) -> Initializer:
    """Returns an initializer with normal values, none beyond twice the deviation that is given for the uncut ones."""
    return lambda shape, seed: tf.random.stateless_truncated_normal(shape, seed, stddev=deviation)


def constant(value: float) -> Initializer:
    """Returns an initializer with one value everywhere."""
    return lambda shape, seed: tf.fill(shape, float(value))


def zeros(shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
    """Returns zeros."""
    return tf.zeros(shape)


def ones(shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
    """Returns ones."""
    return tf.ones(shape)


def glorot_uniform(shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
    """Returns uniform values whose variance is 2 / (inputs + outputs) (Glorot and Bengio 2010, equation 16)."""
    return uniform(math.sqrt(6.0 / sum(fans(shape))))(shape, seed)


def glorot_normal(shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
    """Returns truncated normal values of variance 2 / (inputs + outputs) (Glorot and Bengio 2010)."""
    return _normal_of_variance(2.0 / sum(fans(shape)))(shape, seed)


def he_uniform(shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
    """Returns uniform values of variance 2 / inputs (He et al. 2015, equation 10)."""
    return uniform(math.sqrt(6.0 / fans(shape)[0]))(shape, seed)


def he_normal(shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
    """Returns truncated normal values of variance 2 / inputs (He et al. 2015, equation 10)."""
    return _normal_of_variance(2.0 / fans(shape)[0])(shape, seed)


def lecun_uniform(shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
    """Returns uniform values of variance 1 / inputs (LeCun et al. 1998, section 4.6)."""
    return uniform(math.sqrt(3.0 / fans(shape)[0]))(shape, seed)


def lecun_normal(shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
    """Returns truncated normal values of variance 1 / inputs (LeCun et al. 1998, section 4.6)."""
    return _normal_of_variance(1.0 / fans(shape)[0])(shape, seed)


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """Returns how many inputs an output of a kernel has, and how many outputs an input.

    The last two axes are inputs and outputs; axes before them multiply both, as those of a convolution do.
    """
    if len(shape) < 2:
        size = math.prod(shape)
        return size, size
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


def _normal_of_variance(variance: float) -> Initializer:
    return truncated_normal(math.sqrt(variance) / _TRUNCATED)


_BY_NAME: dict[str, Initializer] = {
    "glorot_uniform": glorot_uniform,
    "glorot_normal": glorot_normal,
    "he_uniform": he_uniform,
    "he_normal": he_normal,
    "lecun_uniform": lecun_uniform,
    "lecun_normal": lecun_normal,
    "random_uniform": uniform(_SPREAD),
    "random_normal": normal(_SPREAD),
    "truncated_normal": truncated_normal(_SPREAD),
    "zeros": zeros,
    "ones": ones,
}


def named_initializer(text: str) -> Initializer:
    """Returns the initializer that a config names, `he_uniform` or `HeUniform`.

    Raises:
        KeyError: there is none of this name (see `config.names.INITIALIZERS`).
    """
    return _BY_NAME[initializer_name(text)]
