"""Losses that block graphs add to those of the tasks."""

from collections.abc import Callable

import tensorflow as tf

from easymtl.errors import did_you_mean, quoted
from easymtl.layers.context import Build, Call
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.shapes import Array, Shape, ShapeFault
from easymtl.layers.vectors import require_pair
from easymtl.layers.views import Views
from easymtl.protos.keras_pb2 import AuxiliaryLoss as AuxiliaryLossConfig


class AuxiliaryLoss(NamedLayer):
    """Adds `loss_weight` times a loss of two representations of the rows, (a, b), and returns it as a scalar.

    - `l2_loss`: the mean over rows of the sum of (a - b)².
    - `info_nce`: the mean cross entropy of finding a row's b among all b's, with logits a · b / temperature (van den
      Oord et al. 2018, equation 4).
    - `nce_loss`: the same over both views: each of 2 batch vectors is to find its twin among all others (Chen et al.
      2020, SimCLR, equation 1, without its scaling to length 1).

    The last two depend on how many rows there are to be told from: evaluations compute them on blocks of rows of one
    size, of what `add_views` has told.

    Its name among the losses is `<block>_<l2|info_nce|nce>_loss`; where a package is called twice, `_1` follows.
    """

    def __init__(self, build: Build, name: str, config: AuxiliaryLossConfig, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.loss_type = config.loss_type
        self.loss, self.weight, self.temperature = _LOSSES[config.loss_type], config.loss_weight, config.temperature
        self.title = f"{name.rpartition('/')[2]}_{config.loss_type.removesuffix('_loss')}_loss"
        self.losses_between_rows = () if config.loss_type == "l2_loss" else (self.title,)

    @staticmethod
    def shape(config: AuxiliaryLossConfig, inputs: Shape) -> Shape:
        """Returns the shape of a scalar."""
        if config.loss_type not in _LOSSES:
            found = f'has loss_type "{config.loss_type}", which is' if config.loss_type else "needs loss_type,"
            hint = did_you_mean(config.loss_type, _LOSSES)
            raise ShapeFault(f"{found} {'none' if config.loss_type else 'one'} of {quoted(_LOSSES)}.{hint}")
        if config.loss_type == "l2_loss" and config.HasField("temperature"):
            raise ShapeFault("has temperature, which l2_loss does not use; leave it out")
        if not config.temperature > 0:
            raise ShapeFault(f"has temperature {config.temperature:g}; it divides, so it must be above 0")
        first, second = require_pair(inputs)
        if first != second:
            raise ShapeFault(f"compares two tensors of one width, but is given widths {first} and {second}")
        return Array(())

    def __call__(self, x: list[tf.Tensor], call: Call) -> tf.Tensor:
        """Maps two tensors `[batch, width]` to the loss, a scalar."""
        first, second = (tf.cast(one, tf.float32) for one in x)
        value = self.weight * self.loss(first, second, self.temperature)
        title = self._free_title(call)
        call.add_loss(title, value)
        if self.loss_type != "l2_loss":
            factors = (tf.constant(factor, tf.float32) for factor in (self.weight, self.temperature))
            call.add_views(self.loss_type, title, Views(first, second, *factors))
        return value

    def _free_title(self, call: Call) -> str:
        taken, title, number = call.losses or {}, self.title, 0
        while title in taken:
            number += 1
            title = f"{self.title}_{number}"
        return title


def loss_of_views(loss_type: str, views: Views) -> tf.Tensor:
    """Returns the loss of a `loss_type` of rows, its weight applied, a scalar."""
    return views.weight * _LOSSES[loss_type](views.first, views.second, views.temperature)


def _l2(first: tf.Tensor, second: tf.Tensor, _: float | tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.reduce_sum(tf.square(first - second), axis=1))


def _info_nce(first: tf.Tensor, second: tf.Tensor, temperature: float | tf.Tensor) -> tf.Tensor:
    logits = tf.matmul(first, _at_least_one(second), transpose_b=True) / temperature
    return _mean_cross_entropy(logits, tf.range(tf.shape(logits)[0]))


def _nce(first: tf.Tensor, second: tf.Tensor, temperature: float | tf.Tensor) -> tf.Tensor:
    views, batch = tf.concat([first, second], axis=0), tf.shape(first)[0]
    logits = tf.matmul(views, _at_least_one(views), transpose_b=True) / temperature
    logits = tf.linalg.set_diag(logits, tf.fill([2 * batch], logits.dtype.min))
    return _mean_cross_entropy(logits, tf.concat([tf.range(batch) + batch, tf.range(batch)], axis=0))


def _at_least_one(rows: tf.Tensor) -> tf.Tensor:
    """Returns rows `[n, width]` as they are, or one of zeros: TensorFlow refuses a cross entropy of no classes.

    A worker whose rows have come to their end before those of others has none.
    """
    return tf.pad(rows, [[0, tf.cast(tf.equal(tf.shape(rows)[0], 0), tf.int32)], [0, 0]])


def _mean_cross_entropy(logits: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=places, logits=logits))


_LOSSES: dict[str, Callable[[tf.Tensor, tf.Tensor, float | tf.Tensor], tf.Tensor]] = {
    "l2_loss": _l2,
    "info_nce": _info_nce,
    "nce_loss": _nce,
}
