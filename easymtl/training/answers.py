"""What a step has come to, as the host asks for it: one short vector, the only thing that comes down in each step.

A step that is begun before the host knows what the one before has come to hands that answer over: it lies in a variable
beside the weights, and a copy of it goes into one of the host's before the step does anything else. So the copy waits
for the step before and for nothing more, and the device for none of it. (An output of the step would be there only when
the step has changed all that it changes: TensorFlow ties one to the other.) A step behind a refused one moves nothing
either, and is refused too, until the host has said `go_on`: no update is ever made of weights that the host has not
agreed to.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from easymtl.layers.context import HOST
from easymtl.peers.peers import NUM_FLAGS, Peers


class Answer(NamedTuple):
    """What a step has come to.

    Attributes:
        is_refused: whether a number was not finite, so that nothing has moved.
        num_rows: rows of all workers; None of one worker.
        flags: bool `[NUM_FLAGS]`, which of `Peers.flags` any worker has raised; None of one worker.
    """

    is_refused: bool
    num_rows: int | None = None
    flags: np.ndarray | None = None

    @classmethod
    def of(cls, value: tf.Tensor | np.ndarray) -> "Answer":
        """Reads the vector of a step; waits for it."""
        refused, *told = np.asarray(value)
        if not told:
            return cls(bool(refused))
        # A count is exact up to 2^24 rows of a step.
        return cls(bool(refused), int(told[0]), np.array(told[1:]) > 0)


def packed(is_refused: tf.Tensor, num_rows: tf.Tensor, flags: tf.Tensor | None) -> tf.Tensor:
    """Returns the vector of a step, float32 `[1]` of one worker and `[2 + NUM_FLAGS]` of several.

    Args:
        is_refused: bool scalar.
        num_rows: float32 scalar, of all workers.
        flags: float32 `[NUM_FLAGS]`, how many workers have raised each; None of one worker.
    """
    refused = tf.cast(is_refused, tf.float32)[tf.newaxis]
    return refused if flags is None else tf.concat([refused, num_rows[tf.newaxis], flags], axis=0)


class LastAnswer(tf.Module):
    """The answer of the last step that was begun, where the device has it."""

    def __init__(self, peers: Peers):
        """Begins with a step that was made."""
        super().__init__()
        size = 2 + NUM_FLAGS if peers.are_several else 1
        self._value = tf.Variable(tf.zeros([size]), trainable=False)
        with tf.device(HOST):
            self._of_host = tf.Variable(tf.zeros([size]), trainable=False)

    def hand_over(self) -> tf.Tensor:
        """Gives the host a copy, and returns whether that step was refused, a bool scalar."""
        value = self._value.read_value()
        with tf.device(HOST):
            self._of_host.assign(value)
        return value[0] > 0

    def handed_over(self) -> Answer:
        """Returns the answer that was handed over last."""
        return Answer.of(self._of_host.numpy())

    def leave(self, value: tf.Tensor) -> None:
        """Keeps the answer of this step for the next one."""
        self._value.assign(value)

    def go_on(self) -> None:
        """Lets steps be made again: the host knows of the one that was refused."""
        self._value.assign(tf.zeros_like(self._value))
