"""Overwriting the weights of a new model with those of another checkpoint, as `plan_transfer` has planned it."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from easymtl.checkpoints.integrity import Beat
from easymtl.checkpoints.saved_variables import SavedVariables
from easymtl.checkpoints.weights import Entry
from easymtl.layers.norm import CONVERGED
from easymtl.training.optimizers import Optimizers
from easymtl.training.transfer import COUNT, Target, Transfer


def make_transfer(
    targets: Sequence[Target],
    there: SavedVariables,
    transfer: Transfer,
    optimizers: Optimizers,
    beat: Beat = lambda: None,
) -> None:
    """Overwrites what was planned, and begins the moving averages that the checkpoint does not have.

    Args:
        targets: what may be overwritten.
        there: the checkpoint.
        transfer: the plan.
        optimizers: have slots and averages.
        beat: is called after each part that is read.

    Raises:
        UserError: the checkpoint is damaged.
    """
    for target in targets:
        if not target.slot:
            _overwrite(target, there, transfer.parameters.get(target.name), beat)
    for norm in transfer.converged:
        count = next(target.parameter for target in targets if target.name == f"{norm}/{COUNT}")
        count.assign(tf.fill(count.shape, CONVERGED))
    optimizers.begin_averages(transfer.step)
    for target in targets:
        if target.slot:
            _overwrite(target, there, transfer.slots.get(target.name), beat)


def _overwrite(target: Target, there: SavedVariables, name: str | None, beat: Beat) -> None:
    if name is None:
        return
    beat()
    if target.parameter.runs is not None:
        entry = Entry(name, target.parameter, target.variable)
        for span in entry.spans():
            span.assign(span.load(_Reshaped(there, target)))
            beat()
        return
    value, shape = there.read(name).astype(np.float32, copy=False), target.parameter.shape
    if value.shape != shape:
        value = reshaped(value, shape, target.padding)
    target.parameter.assign(value, target.variable)


class _Reshaped:
    """A variable there in the shape that it has here, some rows at a time: those that this worker has."""

    def __init__(self, there: SavedVariables, target: Target):
        self._there, self._target = there, target

    def load(self, name: str, dtype: tf.DType, begin: int = 0, num_rows: int | None = None) -> tf.Tensor:
        """Returns so many rows from `begin` on."""
        shape = self._target.parameter.shape
        wanted = [shape[0] - begin if num_rows is None else num_rows, *shape[1:]]
        num_there = min(max(self._there.shapes[name][0] - begin, 0), wanted[0])
        if not num_there:
            return tf.fill(wanted, tf.constant(self._target.padding, dtype))
        value = self._there.load(name, dtype, begin, num_there)
        return value if value.shape == wanted else tf.constant(reshaped(value.numpy(), wanted, self._target.padding))


def reshaped(value: np.ndarray, shape: Sequence[int], padding: float) -> np.ndarray:
    """Returns a value cut, or padded at the end, along each axis."""
    result = np.full(shape, padding, value.dtype)
    both = tuple(slice(0, min(old, new)) for old, new in zip(value.shape, shape))
    result[both] = value[both]
    return result
