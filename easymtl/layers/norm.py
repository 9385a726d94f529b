"""Batch norm as one fused kernel, with statistics that are honest from the first step on."""

import math
from collections.abc import Callable, Sequence

import tensorflow as tf

from easymtl.layers.context import Build, Call

MOMENTUM = 0.99
EPSILON = 1e-3
CONVERGED = 1e9
_COLUMNS_IN_BFLOAT16 = 16
"""The processor's bfloat16 kernel takes this many columns at once; other widths cost it 35 times as much."""


class BatchNorm(tf.Module):
    """Batch norm over the columns of `[batch, width]` (Ioffe and Szegedy 2015, algorithm 1).

    The moving statistics are accumulators that start at zero beside a count t of updates, and are read as
    m / (1 - momentum^t), the bias correction of Adam (Kingma and Ba 2015, section 3): after few steps they are the
    average of what was seen, not the start value. Mean 0 and variance 1 are used at t = 0. With
    `bn_debias: false` they start at 0 and 1 and lag, as in EasyRec.

    Training runs `FusedBatchNormV3` on `[batch, 1, 1, width]`: one pass forward and one backward. Scale, offset and
    statistics are float32 whatever the input is. Several `names` share the columns evenly: the norms of a stack.

    The activation is handed in, to be put right behind the kernel: TensorFlow makes one kernel of a norm and a ReLU if
    nothing stands between them, no reshape either.
    """

    def __init__(self, build: Build, names: Sequence[str], width: int, affine: bool = True):
        super().__init__()
        self.debias = build.bn_debias
        ones, zeros = tf.ones([width]), tf.zeros([width])
        self.scale = build.variable([f"{name}/gamma" for name in names], ones, trainable=affine)
        self.offset = build.variable([f"{name}/beta" for name in names], zeros, trainable=affine)
        self.mean = build.variable([f"{name}/moving_mean" for name in names], zeros, trainable=False)
        variance = zeros if self.debias else ones
        self.variance = build.variable([f"{name}/moving_variance" for name in names], variance, trainable=False)
        self.count = build.variable([f"{name}/count" for name in names], tf.zeros([len(names)]), trainable=False)

    def __call__(
        self,
        x: tf.Tensor,
        call: Call,
        bias: tf.Tensor | None = None,
        activation: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
    ) -> tf.Tensor:
        """Maps `[batch, width]` to `[batch, width]`, the activation of the norm of x + bias.

        The bias `[width]` of the layer before is never added to x: the norm takes it away again. It only moves the
        mean that evaluation uses, as it would if it had been added. The activation maps each value alone: it is handed
        `[batch, 1, 1, width]` in training.
        """
        if call.training:
            width = x.shape[-1]
            is_wanted = x.dtype == tf.float32 or width % _COLUMNS_IN_BFLOAT16 == 0
            taken = x if is_wanted else tf.cast(x, tf.float32)
            return tf.cast(tf.reshape(activation(self._normalize_batch(taken, bias, call)), [-1, width]), x.dtype)
        return activation(self._normalize_moving(x, bias))

    def statistics(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the mean `[width]` and the biased variance `[width]` that evaluation uses."""
        if not self.debias:
            return self.mean.read_value(), self.variance.read_value()
        # A slice is five ops to trace; the count of a norm alone broadcasts as it is.
        count = self.count.read_value() if self.count.shape[0] == 1 else self.count[0]
        # Not 1 - momentum^t, in which the first ones lose the digits that float32 has.
        share = tf.math.divide_no_nan(-1.0, tf.math.expm1(count * math.log(MOMENTUM)))
        is_new = tf.cast(count < 0.5, tf.float32)
        return self.mean * share, self.variance * share + is_new

    def _normalize_moving(self, x: tf.Tensor, bias: tf.Tensor | None) -> tf.Tensor:
        mean, variance = self.statistics()
        scale = self.scale * tf.math.rsqrt(variance + EPSILON)
        middle = mean if bias is None else mean - bias
        return x * tf.cast(scale, x.dtype) + tf.cast(self.offset - middle * scale, x.dtype)

    def _normalize_batch(self, x: tf.Tensor, bias: tf.Tensor | None, call: Call) -> tf.Tensor:
        """Returns `[batch, 1, 1, width]`."""
        none = tf.zeros([0])
        result = tf.raw_ops.FusedBatchNormV3(
            x=tf.reshape(x, [-1, 1, 1, x.shape[-1]]),
            scale=self.scale,
            offset=self.offset,
            mean=none,
            variance=none,
            epsilon=EPSILON,
            is_training=True,
        )
        mean = result.batch_mean if bias is None else result.batch_mean + bias
        self._update(call, mean, result.batch_variance, tf.cast(tf.shape(x)[0], tf.float32))
        return result.y

    def _update(self, call: Call, mean: tf.Tensor, variance: tf.Tensor, batch: tf.Tensor) -> None:
        # The kernel returns the variance with Bessel's correction; the moving one has none.
        biased = variance * (tf.maximum(batch - 1.0, 1.0) / batch)
        for variable, value in ((self.mean, mean), (self.variance, biased)):
            before = call.read(variable)
            call.move(variable, before - (1.0 - MOMENTUM) * (before - value))
        call.move(self.count, call.read(self.count) + 1.0)
