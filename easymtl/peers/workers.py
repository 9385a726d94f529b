"""Several workers: TensorFlow's public collective operations between their processes.

TensorFlow wants the shape of a collective operation to be the same whenever one of its keys is used, and aborts all of
them for good if it is not. What has a fixed shape has one key. What has as many rows as a batch happens to need is
padded to one of `_SIZES`, each of which has a key of its own: a quarter more at most, and as few keys after years of
training as after a minute.
"""

import weakref
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from easymtl.peers.peers import NUM_FLAGS, Peers
from easymtl.peers.signs import Signs

_GROUPS = 5_170
_KEYS_OF_ONE = 256
_WORD = 4
# 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, ...: the sizes that numbers of elements are rounded up to.
_SIZES = [1, 2, 3, *(quarter << shift for shift in range(29) for quarter in (4, 5, 6, 7))]


class Workers(Peers):
    """One of several workers whose devices TensorFlow has connected; see `cluster.join`.

    The keys of operations are counted as they are traced: all workers have to trace the same ones in the same order.
    """

    def __init__(
        self,
        index: int,
        size: int,
        device: str | None = None,
        num_keys: int = 0,
        signs: Signs | None = None,
        num_on_host: int = 1,
    ):
        """Connects nothing.

        Args:
            index: which worker this is.
            size: how many there are.
            device: where what is exchanged lies; None for wherever TensorFlow puts it.
            num_keys: how many keys earlier workers of these processes have taken.
            signs: are told when this worker waits for the others; None where nobody watches.
            num_on_host: how many of the workers are on this machine.
        """
        self.signs = signs or Signs()
        self.index, self.size, self.num_on_host = index, size, num_on_host
        self.flags = tf.Variable(tf.zeros([NUM_FLAGS]), trainable=False)
        self._device = device
        self._num_keys = num_keys
        self._key_of_agree = self._next_key()
        self._key_of_lengths, self._key_of_texts = self._next_key(), self._next_key()
        self._key_of_sizes, self._key_of_letters = self._next_key(), self._next_key()
        self._last: tuple[weakref.ref, tf.Operation] | None = None

    def sum(self, tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Returns the sums over all workers; one operation, whatever their number."""
        flat = _sum_of_all(self, _flat(tensors))
        return _shaped(flat, tensors)

    def total(self, tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Returns the sums over all workers, with the gradient of the own part."""
        own = _flat([tf.stop_gradient(tensor) for tensor in tensors])
        # One by one: what comes backward from one of them must not seem to reach the others.
        return [_with_value(*both) for both in zip(tensors, _shaped(self._reduce(own, self._next_key()), tensors))]

    def gather(self, parts: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Returns the rows of all workers, for each matrix; two operations, whatever their number."""
        widths = [part.shape[1] for part in parts]
        own = tf.stack([tf.size(part) for part in parts])
        sizes = tf.reshape(self._gather(own, self._next_key()), [self.size, len(parts)])
        length = tf.reduce_max(tf.reduce_sum(sizes, axis=1))
        place, padded_length = _rounded_up(length)
        flat = tf.concat([tf.reshape(part, [-1]) for part in parts], axis=0)
        padded = tf.pad(flat, [[0, padded_length - tf.size(flat)]])
        found = tf.reshape(self._gather(padded, self._next_key() + place), [self.size, padded_length])
        ends = tf.cumsum(sizes, axis=1)
        columns = tf.range(padded_length)[tf.newaxis]
        result = []
        for number, width in enumerate(widths):
            begin, end = ends[:, number] - sizes[:, number], ends[:, number]
            is_own = (columns >= begin[:, tf.newaxis]) & (columns < end[:, tf.newaxis])
            result.append(tf.reshape(tf.boolean_mask(found, is_own), [-1, width]))
        return result

    def counts_of_all(self, own: tf.Tensor) -> tf.Tensor:
        """Returns int32 numbers of all workers, `[size, ...]`."""
        return tf.reshape(self._gather(tf.reshape(own, [-1]), self._next_key()), [self.size, *own.shape])

    def exchange(
        self, parts: Sequence[tf.Tensor], sent: tf.Tensor, received: tf.Tensor, longest: tf.Tensor
    ) -> list[tf.Tensor]:
        """Sends each worker its numbers, and returns what was sent to this one; one operation for all parts."""
        place, length = _rounded_up(longest)
        pieces = [tf.split(part, tf.unstack(counts), num=self.size) for part, counts in zip(parts, tf.unstack(sent))]
        padding = [tf.zeros([length - count], parts[0].dtype) for count in tf.unstack(tf.reduce_sum(sent, axis=0))]
        flat = tf.concat([one for row in zip(*pieces, padding) for one in row], axis=0)
        found = self._all_to_all(tf.reshape(flat, [self.size, length]), self._next_key() + place)
        rest = length - tf.reduce_sum(received, axis=0, keepdims=True)
        sizes = tf.reshape(tf.transpose(tf.concat([received, rest], axis=0)), [-1])
        num_rows = len(parts) + 1
        came = tf.split(tf.reshape(found, [-1]), sizes, num=self.size * num_rows)
        return [tf.concat(came[number::num_rows], axis=0) for number in range(len(parts))]

    def agree(self, is_so: bool) -> bool:
        """Returns whether any worker says so."""
        with self.signs.waiting():
            return float(self._reduce(tf.constant([float(is_so)]), self._key_of_agree)[0]) > 0

    def share_bytes(self, content: bytes) -> list[bytes]:
        """Returns the bytes of each worker."""
        with self.signs.waiting():
            return self._share_bytes(content)

    def _share_bytes(self, content: bytes) -> list[bytes]:
        lengths = self._gather(tf.constant([len(content)]), self._key_of_lengths).numpy()
        place = _place_of(lengths)
        found = self._gather(tf.constant(_padded(content, place)), self._key_of_texts + place)
        return _unpadded(found, lengths)

    def exchange_bytes(self, contents: Sequence[bytes]) -> list[bytes]:
        """Sends each worker its bytes, and returns what was sent to this one."""
        with self.signs.waiting():
            own = tf.constant([len(content) for content in contents])
            lengths = tf.reshape(self._gather(own, self._key_of_sizes), [self.size, self.size]).numpy()
            place = _place_of(lengths)
            padded = np.stack([_padded(content, place) for content in contents])
            found = self._all_to_all(tf.constant(padded), self._key_of_letters + place)
            return _unpadded(found, lengths[:, self.index])

    def _next_key(self) -> int:
        self._num_keys += 1
        return self._num_keys * _KEYS_OF_ONE

    def _reduce(self, value: tf.Tensor, key: int | tf.Tensor) -> tf.Tensor:
        with self._in_order() as order:
            result = tf.raw_ops.CollectiveReduceV2(
                input=value,
                group_size=self.size,
                group_key=_GROUPS + self.size,
                instance_key=key,
                ordering_token=[],
                merge_op="Add",
                final_op="Id",
            )
            order.append(result)
        return result

    def _gather(self, value: tf.Tensor, key: int | tf.Tensor) -> tf.Tensor:
        with self._in_order() as order:
            result = tf.raw_ops.CollectiveGatherV2(
                input=value, group_size=self.size, group_key=_GROUPS + self.size, instance_key=key, ordering_token=[]
            )
            order.append(result)
        return result

    def _all_to_all(self, value: tf.Tensor, key: int | tf.Tensor) -> tf.Tensor:
        with self._in_order() as order:
            result = tf.raw_ops.CollectiveAllToAllV2(
                input=value, group_size=self.size, group_key=_GROUPS + self.size, instance_key=key, ordering_token=[]
            )
            order.append(result)
        return result

    @contextmanager
    def _in_order(self) -> Iterator[list[tf.Tensor]]:
        """Puts an operation behind the last one of its graph: a GPU runs them in the order in which they come."""
        made: list[tf.Tensor] = []
        with ExitStack() as stack:
            if self._device:
                stack.enter_context(tf.device(self._device))
            if tf.executing_eagerly():
                yield made
                return
            graph = tf.compat.v1.get_default_graph()
            if self._last and self._last[0]() is graph:
                stack.enter_context(tf.control_dependencies([self._last[1]]))
            yield made
            self._last = weakref.ref(graph), made[0].op


def _place_of(lengths: np.ndarray) -> int:
    """Returns which of `_SIZES` holds as many words as the longest of so many bytes."""
    return int(np.searchsorted(_SIZES, -(-lengths.max() // _WORD)))


def _padded(content: bytes, place: int) -> np.ndarray:
    """Returns bytes as words, of which there are as many as one of `_SIZES`."""
    padded = np.zeros(_SIZES[place] * _WORD, np.uint8)
    padded[: len(content)] = np.frombuffer(content, np.uint8)
    return padded.view(np.int32)


def _unpadded(found: tf.Tensor, lengths: np.ndarray) -> list[bytes]:
    """Returns the bytes of each worker, given the words of all and the lengths."""
    rows = found.numpy().reshape(len(lengths), -1).view(np.uint8)
    return [row[:length].tobytes() for row, length in zip(rows, lengths)]


def _rounded_up(length: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns which of `_SIZES` holds so many numbers, and that size."""
    place = tf.searchsorted(tf.constant(_SIZES), [length])[0]
    return place, tf.gather(tf.constant(_SIZES), place)


def _sum_of_all(workers: Workers, flat: tf.Tensor) -> tf.Tensor:
    """Returns the sum over workers of a vector, with the sum over workers of what comes backward."""

    @tf.custom_gradient
    def summed(own: tf.Tensor) -> Any:
        return workers._reduce(own, workers._next_key()), lambda upstream: _sum_of_all(workers, upstream)

    return summed(flat)


def _with_value(own: tf.Tensor, total: tf.Tensor) -> tf.Tensor:
    """Returns the total, through which gradients pass to the own part."""

    @tf.custom_gradient
    def valued(own: tf.Tensor) -> Any:
        return tf.identity(total), lambda upstream: upstream

    return valued(own)


def _flat(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)


def _shaped(flat: tf.Tensor, like: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    parts = tf.split(flat, [tensor.shape.num_elements() for tensor in like])
    return [tf.reshape(part, tensor.shape) for part, tensor in zip(parts, like)]
