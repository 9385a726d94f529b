"""Norms: batch norm as one fused kernel, with statistics that are honest from the first step on, and layer norm."""

import math
from collections.abc import Callable, Sequence

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.moving import Seen

MOMENTUM = 0.99
EPSILON = 1e-3
CONVERGED = 1e9
_COLUMNS_IN_BFLOAT16 = 16
"""The processor's bfloat16 kernel takes this many columns at once; other widths cost it 35 times as much."""
_COLUMNS_WITH_RELU = 8
"""The float32 kernel that norms and activates takes this many; other widths cost 3 to 6 times as much."""
_COLUMNS_WITHOUT = 4
"""The kernel that norms alone takes this many; other widths cost 5 to 15 times as much."""


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

    def __init__(
        self,
        build: Build,
        names: Sequence[str],
        width: int,
        affine: bool = True,
        may_be_empty: bool = False,
        momentum: float = MOMENTUM,
        epsilon: float = EPSILON,
    ):
        """Makes the weights.

        Args:
            build: says whether statistics are corrected for their start.
            names: of the layers that share the columns evenly.
            width: number of columns.
            affine: whether scale and offset are trained.
            may_be_empty: whether there can be batches of no rows at all, as of the steps of histories.
            momentum: share of the moving statistics that a batch leaves as it is.
            epsilon: what is added to the variance.
        """
        super().__init__()
        self.momentum, self.epsilon = momentum, epsilon
        self.may_be_empty = may_be_empty
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
        """Maps `[batch, ..., width]` to the same shape, the activation of the norm of x + bias over all axes but one.

        The bias `[width]` of the layer before is never added to x: the norm takes it away again. It only moves the
        mean that evaluation uses, as it would if it had been added. The activation maps each value alone: it is handed
        `[batch, 1, 1, width]` in training.
        """
        if len(x.shape) > 2:
            flat = self(tf.reshape(x, [-1, x.shape[-1]]), call, bias, activation)
            return tf.reshape(flat, tf.shape(x))
        if call.training:
            if call.syncs_norms:
                return activation(self._normalize_synced(x, bias, call))
            is_wanted = x.dtype == tf.float32 or x.shape[-1] % _COLUMNS_IN_BFLOAT16 == 0
            taken = x if is_wanted else tf.cast(x, tf.float32)
            return tf.cast(self._activate_batch(taken, bias, call, activation), x.dtype)
        return activation(self._normalize_moving(x, bias))

    def takes_parts(self, call: Call, width: int) -> bool:
        """Returns whether `parts` can be used in this call, for parts of so many columns."""
        return call.training and not call.syncs_norms and width % _COLUMNS_IN_BFLOAT16 == 0

    def parts(
        self,
        parts: Sequence[tf.Tensor],
        call: Call,
        bias: tf.Tensor | None = None,
        activation: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
    ) -> list[tf.Tensor]:
        """Maps equal parts of the columns, each `[batch, width of a part]`, to what the norm makes of them together.

        Each part has a kernel of its own, which finds in the cache what a product has just made. Only in calls that
        `takes_parts` allows.
        """
        number, width = len(parts), parts[0].shape[-1]
        weights = zip(parts, tf.split(self.scale, number), tf.split(self.offset, number), strict=True)
        results = [self._fused(part, scale, offset, call) for part, scale, offset in weights]
        mean = tf.concat([result.batch_mean for result in results], axis=0)
        variance = tf.concat([result.batch_variance for result in results], axis=0)
        self._follow(call, mean, variance, bias, parts[0])
        return [tf.reshape(activation(result.y), [-1, width]) for result in results]

    def statistics(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the mean `[width]` and the biased variance `[width]` that evaluation uses."""
        if not self.debias:
            return self.mean.read_value(), self.variance.read_value()
        # A slice is five ops to trace; the count of a norm alone broadcasts as it is.
        count = self.count.read_value() if self.count.shape[0] == 1 else self.count[0]
        # Not 1 - momentum^t, in which the first ones lose the digits that float32 has.
        share = tf.math.divide_no_nan(-1.0, tf.math.expm1(count * math.log(self.momentum)))
        is_new = tf.cast(count < 0.5, tf.float32)
        return self.mean * share, self.variance * share + is_new

    def _normalize_moving(self, x: tf.Tensor, bias: tf.Tensor | None) -> tf.Tensor:
        mean, variance = self.statistics()
        scale = self.scale * tf.math.rsqrt(variance + self.epsilon)
        middle = mean if bias is None else mean - bias
        return x * tf.cast(scale, x.dtype) + tf.cast(self.offset - middle * scale, x.dtype)

    def _activate_batch(
        self, x: tf.Tensor, bias: tf.Tensor | None, call: Call, activation: Callable[[tf.Tensor], tf.Tensor]
    ) -> tf.Tensor:
        """Returns the activation of the norm, `[batch, width]`, by the kernel that is fastest for the width."""
        width = x.shape[-1]
        if width % _COLUMNS_WITH_RELU == 0:
            return tf.reshape(activation(self._normalize_batch(x, bias, call)), [-1, width])
        normalized = self._normalize_batch(x, bias, call, padding=-width % _COLUMNS_WITHOUT)
        # The reshape stands between the norm and the activation: each gets a kernel of its own.
        return activation(tf.reshape(normalized, [-1, width]))

    def _normalize_batch(self, x: tf.Tensor, bias: tf.Tensor | None, call: Call, padding: int = 0) -> tf.Tensor:
        """Returns `[batch, 1, 1, width]`; so many columns of zeros are added on the way."""
        width = x.shape[-1]
        scale, offset = self.scale, self.offset
        if padding:
            x = tf.pad(x, [[0, 0], [0, padding]])
            scale, offset = tf.pad(scale, [[0, padding]]), tf.pad(offset, [[0, padding]])
        result = self._fused(x, scale, offset, call)
        mean, variance = result.batch_mean, result.batch_variance
        if padding:
            mean, variance = mean[:width], variance[:width]
        self._follow(call, mean, variance, bias, x)
        return result.y[..., :width] if padding else result.y

    def _fused(self, x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, call: Call):
        """Returns what the kernel makes of `[batch, columns]`: y `[batch, 1, 1, columns]`, its mean and variance."""
        none = tf.zeros([0])
        rows = tf.reshape(x, [-1, 1, 1, x.shape[-1]])
        if call.is_compiled and self._may_be_empty(call):
            # Of no rows XLA makes the gradient of the scale NaN, where the kernel makes it 0.
            scale = tf.where(tf.shape(x)[0] > 0, scale, 1.0)
        return tf.raw_ops.FusedBatchNormV3(
            x=rows, scale=scale, offset=offset, mean=none, variance=none, epsilon=self.epsilon, is_training=True
        )

    def _follow(self, call: Call, mean: tf.Tensor, corrected: tf.Tensor, bias: tf.Tensor | None, x: tf.Tensor) -> None:
        """Moves the statistics by those of the kernel; its variance has Bessel's correction, the moving one none."""
        if call.pending is not None and not self._may_be_empty(call):
            seen = Seen(self.count, self.mean, self.variance, x, mean, corrected, bias, self.momentum)
            if call.pending.follow(seen):
                return
        batch = tf.cast(tf.shape(x)[0], tf.float32)
        biased = corrected * (tf.maximum(batch - 1.0, 1.0) / batch)
        self._update(call, mean if bias is None else mean + bias, biased, batch)

    def _normalize_synced(self, x: tf.Tensor, bias: tf.Tensor | None, call: Call) -> tf.Tensor:
        """Returns the norm `[batch, width]` by the statistics of the rows of all workers.

        They are sums of x and of x squared, for which x is moved by the moving mean: large numbers that are close to
        each other would lose their differences.
        """
        moving, _ = self.statistics()
        origin = moving if bias is None else moving - bias
        moved = tf.cast(x, tf.float32) - origin
        first, second = tf.reduce_sum(moved, axis=0), tf.reduce_sum(tf.square(moved), axis=0)
        first, second, count = call.peers.sum([first, second, tf.cast(tf.shape(x)[0], tf.float32)])
        mean = first / tf.maximum(count, 1.0)
        variance = tf.nn.relu(second / tf.maximum(count, 1.0) - tf.square(mean))
        self._update(call, mean + moving, variance, count)
        scale = self.scale * tf.math.rsqrt(variance + self.epsilon)
        return tf.cast((moved - mean) * scale + self.offset, x.dtype)

    def _update(self, call: Call, mean: tf.Tensor, biased: tf.Tensor, batch: tf.Tensor) -> None:
        moved = [(self.count, call.read(self.count) + 1.0)]
        for variable, value in ((self.mean, mean), (self.variance, biased)):
            before = call.read(variable)
            moved.append((variable, before - (1.0 - self.momentum) * (before - value)))
        may_be_empty = self._may_be_empty(call)
        for variable, value in moved:
            # No steps have no statistics: the kernel's are NaN, and would not go away again.
            call.move(variable, tf.where(batch > 0, value, call.read(variable)) if may_be_empty else value)

    def _may_be_empty(self, call: Call) -> bool:
        return self.may_be_empty or call.peers.are_several


class LayerNorm(tf.Module):
    """Each vector shifted and scaled to mean 0 and variance 1, then gamma x + beta (Ba et al. 2016, equation 3).

    Statistics are float32 whatever the input is.
    """

    def __init__(
        self,
        build: Build,
        name: str,
        width: int,
        epsilon: float = EPSILON,
        has_scale: bool = True,
        has_offset: bool = True,
    ):
        """Makes the weights.

        Args:
            build: takes the weights.
            name: of the layer; its weights are `<name>/gamma` and `<name>/beta`.
            width: of the vectors.
            epsilon: what is added to the variance.
            has_scale: whether there is gamma.
            has_offset: whether there is beta.
        """
        super().__init__()
        self.epsilon = epsilon
        self.scale = build.variable([f"{name}/gamma"], tf.ones([width])) if has_scale else None
        self.offset = build.variable([f"{name}/beta"], tf.zeros([width])) if has_offset else None

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, ..., width]` to the same shape, over the last axis."""
        precise = tf.cast(x, tf.float32)
        mean, variance = tf.nn.moments(precise, axes=[-1], keepdims=True)
        result = (precise - mean) * tf.math.rsqrt(variance + self.epsilon)
        if self.scale is not None:
            result *= self.scale
        if self.offset is not None:
            result += self.offset
        return tf.cast(result, x.dtype)
