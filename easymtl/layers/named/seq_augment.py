"""SeqAugment: another view of a history, for losses that compare two of them."""

import tensorflow as tf

from easymtl.layers.context import HOST, Build, Call, name_seed, salted
from easymtl.layers.histories import history_of, history_shape
from easymtl.layers.named.base import NamedLayer, scope_of_block
from easymtl.layers.shapes import Array, History, Shape, ShapeFault, Value
from easymtl.layers.steps import Segments
from easymtl.protos.backbone_pb2 import SequenceAugment

_SEED_OF_EVALUATION = 20210817
_PLACES = 1024
"""In evaluation steps draw by their place in the row, and those that are so far apart draw alike."""


class SeqAugment(NamedLayer):
    """Each row's history with steps cropped, masked or reordered (Xie et al. 2022, CL4SRec, section 3.2).

    One of the three is drawn for each row. Of L steps, crop keeps floor(L crop_rate), at least one, from a random one
    on; mask replaces floor(L mask_rate) random ones by a trained vector; reorder shuffles floor(L reorder_rate) steps
    that stand side by side. A crop_rate of 1, or another rate of 0, takes its method out.

    Histories are changed in evaluation too: all rows in one way there, so that a row has one result in every batch.
    """

    def __init__(self, build: Build, name: str, config: SequenceAugment, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.config = config
        width = history_shape(inputs).width
        scope = scope_of_block(build, name, "mask")
        self.mask = build.weight(f"{scope}/mask", [1, width]) if config.mask_rate > 0 else None
        self.salt = name_seed(0, name)
        crops, masks, reorders = config.crop_rate < 1, config.mask_rate > 0, config.reorder_rate > 0
        self.methods = [number for number, is_used in enumerate((crops, masks, reorders)) if is_used]

    @staticmethod
    def shape(config: SequenceAugment, inputs: Shape) -> Shape:
        """Returns (history, lengths)."""
        for field in ("mask_rate", "crop_rate", "reorder_rate"):
            if not 0 <= getattr(config, field) <= 1:
                raise ShapeFault(f"has {field} {getattr(config, field):g}, outside of [0, 1]")
        return History(history_shape(inputs).width), Array((None,), tf.int32)

    def __call__(self, x: Value, call: Call) -> Value:
        """Maps (history, lengths) to another history, of the steps that exist, and its lengths int32 `[batch]`."""
        steps = history_of(x)[0].segments()
        if self.methods:
            draws = _Draws(steps, self.salt, call)
            method = tf.gather(self.methods, draws.row_number(0, len(self.methods)))
            steps = self._cropped(
                self._masked(self._reordered(steps, method == 2, draws), method == 1, draws), method == 0, draws
            )
        return steps, steps.lengths

    def _reordered(self, steps: Segments, is_chosen: tf.Tensor, draws: "_Draws") -> Segments:
        begin, number = draws.window(_share(steps.lengths, self.config.reorder_rate))
        places, begin, number = steps.positions(), _of_steps(steps, begin), _of_steps(steps, number)
        is_moved = _of_steps(steps, is_chosen) & (places >= begin) & (places < begin + number)
        # Between the place before the window and the one behind it, in a random order.
        within = tf.cast(begin, tf.float32) + draws.of_steps * tf.cast(number, tf.float32)
        order = _sorted_within_rows(steps, tf.where(is_moved, within, tf.cast(places, tf.float32)))
        return steps.replaced(tf.gather(steps.flat, order))

    def _masked(self, steps: Segments, is_chosen: tf.Tensor, draws: "_Draws") -> Segments:
        if self.mask is None:
            return steps
        number = tf.where(is_chosen, _share(steps.lengths, self.config.mask_rate), 0)
        order = _sorted_within_rows(steps, draws.of_steps)
        # The first places of each row, taken by its steps in a random order.
        is_first = steps.positions() < _of_steps(steps, number)
        is_masked = tf.gather(is_first, tf.math.invert_permutation(order))
        return steps.replaced(tf.where(is_masked[:, tf.newaxis], tf.cast(self.mask, steps.flat.dtype), steps.flat))

    def _cropped(self, steps: Segments, is_chosen: tf.Tensor, draws: "_Draws") -> Segments:
        share = tf.minimum(tf.maximum(_share(steps.lengths, self.config.crop_rate), 1), steps.lengths)
        begin, number = draws.window(tf.where(is_chosen, share, steps.lengths))
        places, begin, end = steps.positions(), _of_steps(steps, begin), _of_steps(steps, begin + number)
        kept = tf.where((places >= begin) & (places < end))[:, 0]
        return Segments(tf.gather(steps.flat, kept), tf.gather(steps.rows, kept), number)


class _Draws:
    """Random numbers of the rows and steps of a batch: of the step of training, or in evaluation the same for all rows.

    Attributes:
        of_steps: float32 `[n]`, from 0 to 1.
    """

    def __init__(self, steps: Segments, salt: tf.Tensor, call: Call):
        self.lengths, num_steps = steps.lengths, tf.shape(steps.rows)
        if call.training:
            with tf.device(HOST):
                seeds = tf.random.split(salted(tf.cast(call.seed, tf.int64), salt), 2)
            self.of_rows = tf.random.stateless_uniform(tf.stack([2, steps.batch_size]), seeds[0])
            self.of_steps = tf.random.stateless_uniform(num_steps, seeds[1])
        else:
            seeds = tf.random.split(salt + _SEED_OF_EVALUATION, 2)
            self.of_rows = tf.random.stateless_uniform([2, 1], seeds[0]) * tf.ones(tf.stack([2, steps.batch_size]))
            self.of_steps = tf.gather(tf.random.stateless_uniform([_PLACES], seeds[1]), steps.positions() % _PLACES)

    def row_number(self, index: int, limit: int | tf.Tensor) -> tf.Tensor:
        """Returns an integer int32 `[batch]` from 0 to the limit, exclusive, of the row's number at an index."""
        limit = tf.cast(limit, tf.int32)
        drawn = tf.cast(self.of_rows[index] * tf.cast(limit, tf.float32), tf.int32)
        return tf.minimum(drawn, limit - 1)

    def window(self, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns where in each row so many steps begin, at random, and their number."""
        return self.row_number(1, self.lengths - number + 1), number


def _share(lengths: tf.Tensor, rate: float) -> tf.Tensor:
    return tf.cast(tf.floor(tf.cast(lengths, tf.float32) * rate), tf.int32)


def _of_steps(steps: Segments, rows: tf.Tensor) -> tf.Tensor:
    return tf.gather(rows, steps.rows)


def _sorted_within_rows(steps: Segments, keys: tf.Tensor) -> tf.Tensor:
    """Returns the numbers of all steps, int32 `[n]`, row by row, those of a row by their keys."""
    by_key = tf.argsort(keys, stable=True)
    return tf.gather(by_key, tf.argsort(tf.gather(steps.rows, by_key), stable=True))
