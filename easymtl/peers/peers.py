"""What the workers of a training do together, as seen by each of them.

Each worker is a process with a device and a part of the rows; all of them make the same steps. What they need of one
another are sums, and rows of different numbers: `Peers` says what, and is the identity where there is one worker, so
that the training of one process is traced as if there were no others.
"""

import json
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from easymtl.peers.signs import Signs

STOPS = 0
SAVES = 1
ENDS = 2
WRITTEN = 3
NUM_FLAGS = 4


class Peers:
    """One worker that has no others; `Workers` are several.

    What is done in a graph has to be done by all of them in the same order, and never in one branch of a `tf.cond`.

    Attributes:
        index: which worker this is, from 0.
        size: how many there are.
        num_on_host: how many of them share the memory of this worker's machine, itself among them.
        flags: float32 `[NUM_FLAGS]`, which a worker raises before a step and all of them see behind it; None for one.
        signs: what this worker tells of its progress, so that the others know that it lives.
    """

    signs: Signs = Signs()
    index: int = 0
    size: int = 1
    num_on_host: int = 1
    flags: tf.Variable | None = None

    @property
    def are_several(self) -> bool:
        """Returns whether there is another worker."""
        return self.size > 1

    @property
    def is_chief(self) -> bool:
        """Returns whether this worker writes and speaks for all."""
        return self.index == 0

    def sum(self, tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Returns the sums over all workers of float32 tensors, whose shapes are the same everywhere.

        The gradient is that of a sum: what reaches a sum on any worker reaches what each of them has added.
        """
        return list(tensors)

    def total(self, tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Returns the same sums, with the gradient of this worker's own part alone.

        Gradients of losses that are added up by themselves, behind the pass backward, are then the gradient of the
        total.
        """
        return list(tensors)

    def gather(self, parts: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Returns the rows of all workers in the order of the workers, for each of several matrices.

        Args:
            parts: float32 `[rows, width]` each; the rows may be as many as they like, here and there.
        """
        return list(parts)

    def counts_of_all(self, own: tf.Tensor) -> tf.Tensor:
        """Returns int32 numbers of all workers, `[size, ...]`, which have the same shape everywhere."""
        return own[tf.newaxis]

    def exchange(
        self, parts: Sequence[tf.Tensor], sent: tf.Tensor, received: tf.Tensor, longest: tf.Tensor
    ) -> list[tf.Tensor]:
        """Sends each worker its numbers, and returns what all workers have sent to this one, in their order.

        Args:
            parts: some vectors of one type, in each the numbers for worker 0 first, and so on.
            sent: int32 `[parts, size]`, how many numbers of each are for each worker.
            received: int32 `[parts, size]`, how many of each come from each worker.
            longest: int32 scalar, the most numbers, of all parts together, that any worker sends to any other.

        Returns:
            As many vectors.
        """
        return list(parts)

    def agree(self, is_so: bool) -> bool:
        """Returns whether any worker says so; waits for all of them."""
        return is_so

    def share(self, value: Any) -> list[Any]:
        """Returns what each worker says, in the order of the workers; as JSON can hold it. Waits for all of them."""
        return [json.loads(text) for text in self.share_bytes(json.dumps(value).encode())]

    def share_bytes(self, content: bytes) -> list[bytes]:
        """Returns the bytes of each worker, in the order of the workers. Waits for all of them."""
        return [content]

    def exchange_bytes(self, contents: Sequence[bytes]) -> list[bytes]:
        """Sends each worker its bytes, and returns what each has sent to this one, in their order. Waits for all."""
        return list(contents)


ONE = Peers()
