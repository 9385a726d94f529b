"""Activations by name; `prelu` and `dice` have weights of their own."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from easymtl.config.names import activation_name
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
    "softmax": lambda x: tf.cast(tf.nn.softmax(tf.cast(x, tf.float32)), x.dtype),
    "silu": tf.nn.silu,
    "softplus": tf.nn.softplus,
    "softsign": tf.nn.softsign,
    "relu6": tf.nn.relu6,
    "exponential": tf.math.exp,
    "mish": lambda x: x * tf.math.tanh(tf.nn.softplus(x)),
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

    def __init__(self, build: Build, slopes: Sequence[str], width: int):
        super().__init__()
        self.slope = build.variable(slopes, tf.fill([width], 0.25))

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, width]` to `[batch, width]`."""
        return tf.nn.relu(x) - tf.cast(self.slope, x.dtype) * tf.nn.relu(-x)


class Dice(tf.Module):
    """p(x) x + (1 - p(x)) a x with p = sigmoid of the normalized x (Zhou et al. 2018, DIN, equation 3)."""

    def __init__(
        self, build: Build, slopes: Sequence[str], norms: Sequence[str], width: int, may_be_empty: bool = False
    ):
        super().__init__()
        self.norm = BatchNorm(build, norms, width, affine=False, may_be_empty=may_be_empty)
        self.slope = build.variable(slopes, tf.zeros([width]))

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, width]` to `[batch, width]`."""
        gate = tf.nn.sigmoid(self.norm(x, call))
        return x * (gate + (1 - gate) * tf.cast(self.slope, x.dtype))


_WITH_WEIGHTS = ("prelu", "dice")


def normalize_and_activate(
    norm: BatchNorm, activation: Activation | PReLU | Dice, x: tf.Tensor, call: Call, bias: tf.Tensor | None
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
    plain = activation_name(text)
    scopes = [f"{name}/{plain}" for name in names]
    if plain == "prelu":
        return PReLU(build, [f"{scope}/slope" for scope in scopes], width)
    if plain == "dice":
        return Dice(build, [f"{scope}/slope" for scope in scopes], [f"{scope}/bn" for scope in scopes], width)
    return Activation(_PLAIN[plain])


def make_block_activation(
    build: Build, name: str, text: str, width: int, may_be_empty: bool = False
) -> Activation | PReLU | Dice:
    """Makes the activation of a layer of a block graph; its weights bear the names that Keras gives them.

    Args:
        build: seed and norms of the layers.
        name: of the activation, such as `backbone/deep/layer_0/act`.
        text: one of `config.names.BLOCK_ACTIVATIONS`, with or without the prefix `tf.nn.`.
        width: number of columns.
        may_be_empty: whether there can be batches of no rows at all, as of the steps of histories.

    Raises:
        KeyError: the name is not in the list.
    """
    plain = activation_name(text)
    if plain == "prelu":
        return PReLU(build, [f"{name}/alpha"], width)
    if plain == "dice":
        norm = f"{name}/{build.numbered('batch_normalization')}"
        return Dice(build, [f"{name}/dice_alpha"], [norm], width, may_be_empty)
    return Activation(_PLAIN[plain])
