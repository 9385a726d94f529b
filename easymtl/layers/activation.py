"""Activations by name; `prelu` and `dice` have weights of their own."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.norm import BatchNorm

_PLAIN: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "relu": tf.nn.relu,
    "gelu": lambda x: tf.nn.gelu(x, approximate=True),
    "leaky_relu": tf.nn.leaky_relu,
    "elu": tf.nn.elu,
    "selu": tf.nn.selu,
    "tanh": tf.nn.tanh,
    "swish": tf.nn.silu,
    "sigmoid": tf.nn.sigmoid,
    "linear": lambda x: x,
}


class Activation(tf.Module):
    """An activation without weights."""

    def __init__(self, function: Callable[[tf.Tensor], tf.Tensor]):
        super().__init__()
        self.function = function

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, width]` to `[batch, width]`."""
        return self.function(x)


class PReLU(tf.Module):
    """max(0, x) + a min(0, x), a slope per column (He et al. 2015, equation 1)."""

    def __init__(self, build: Build, names: Sequence[str], width: int):
        super().__init__()
        self.slope = build.variable([f"{name}/slope" for name in names], tf.fill([width], 0.25))

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, width]` to `[batch, width]`."""
        return tf.nn.relu(x) - tf.cast(self.slope, x.dtype) * tf.nn.relu(-x)


class Dice(tf.Module):
    """p(x) x + (1 - p(x)) a x with p = sigmoid of the normalized x (Zhou et al. 2018, DIN, equation 3)."""

    def __init__(self, build: Build, names: Sequence[str], width: int):
        super().__init__()
        self.norm = BatchNorm(build, [f"{name}/bn" for name in names], width, affine=False)
        self.slope = build.variable([f"{name}/slope" for name in names], tf.zeros([width]))

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, width]` to `[batch, width]`."""
        gate = tf.nn.sigmoid(self.norm(x, call))
        return x * (gate + (1 - gate) * tf.cast(self.slope, x.dtype))


_WITH_WEIGHTS: dict[str, type[PReLU] | type[Dice]] = {"prelu": PReLU, "dice": Dice}


def normalize_and_activate(
    norm: BatchNorm, activation: Activation | PReLU | Dice, x: tf.Tensor, call: Call, bias: tf.Tensor
) -> tf.Tensor:
    """Returns the activation of the norm of x + bias: `[batch, width]` to `[batch, width]`."""
    if isinstance(activation, Activation):
        return norm(x, call, bias, activation.function)
    return activation(norm(x, call, bias), call)


def make_activation(build: Build, names: Sequence[str], text: str, width: int) -> Activation | PReLU | Dice:
    """Makes the activation that a config names, with or without the prefix `tf.nn.`.

    `names` are the layers that share its `width` columns evenly: one, or those of a stack.

    Raises:
        KeyError: the name is not in the list; the config's validator has refused it before.
    """
    plain = text.rsplit(".", 1)[-1].lower() or "linear"
    if plain in _WITH_WEIGHTS:
        return _WITH_WEIGHTS[plain](build, [f"{name}/{plain}" for name in names], width)
    return Activation(_PLAIN[plain])
