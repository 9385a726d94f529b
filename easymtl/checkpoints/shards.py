"""Writing tensors as the data files of a checkpoint, a bounded number of bytes at a time, now or from a copy."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import tensorflow as tf

SHARD_BYTES = 1 << 28
"""Of a data file, about, and so of what is read at once."""


def prefix_of(folder: Path) -> str:
    """Returns the path that TensorFlow's checkpoint readers take for the weights in a folder."""
    return str(folder / "weights")


class Piece(Protocol):
    """A tensor of a checkpoint, or some of its rows."""

    @property
    def name(self) -> str:
        """Returns the name of the tensor."""

    @property
    def num_bytes(self) -> int:
        """Returns its bytes."""

    @property
    def slice_text(self) -> str:
        """Returns which rows it is, as TensorFlow's savers write them; empty for all."""

    def read(self) -> tf.Tensor:
        """Returns its value, as a tensor of its own."""


@dataclass(frozen=True)
class Shard:
    """What becomes one data file.

    Attributes:
        names: of the tensors.
        slices: which rows of each, as TensorFlow's savers write them.
        values: of these rows.
    """

    names: list[str]
    slices: list[str]
    values: list[tf.Tensor]


def read_shards(pieces: Iterable[Piece], shard_bytes: int) -> Iterator[Shard]:
    """Yields pieces as shards of at most so many bytes, or one piece; each is read when it is asked for."""
    shard: list[Piece] = []
    num_bytes = 0
    for piece in pieces:
        if shard and num_bytes + piece.num_bytes > shard_bytes:
            yield _read(shard)
            shard, num_bytes = [], 0
        shard.append(piece)
        num_bytes += piece.num_bytes
    if shard:
        yield _read(shard)


def _read(pieces: list[Piece]) -> Shard:
    # What waits to be written waits in the memory of the machine, wherever the weights are.
    with tf.device("CPU:0"):
        values = [tf.identity(piece.read()) for piece in pieces]
    return Shard([piece.name for piece in pieces], [piece.slice_text for piece in pieces], values)


def write_shards(folder: Path, shards: Iterator[Shard]) -> None:
    """Writes shards into a folder, as one checkpoint of TensorFlow.

    Raises:
        OpError: it could not be written.
    """
    merge_parts(folder, write_parts(prefix_of(folder), shards))


def write_parts(prefix: str, shards: Iterator[Shard]) -> list[str]:
    """Writes shards as parts of a checkpoint, and returns their prefixes.

    Raises:
        OpError: one could not be written.
    """
    prefixes: list[str] = []
    for shard in shards:
        prefixes.append(f"{prefix}.part-{len(prefixes)}")
        tf.raw_ops.SaveV2(
            prefix=prefixes[-1], tensor_names=shard.names, shape_and_slices=shard.slices, tensors=shard.values
        )
        del shard
    return prefixes


def merge_parts(folder: Path, prefixes: Sequence[str]) -> None:
    """Makes one checkpoint of TensorFlow of parts in a folder; their data are not written again.

    Raises:
        OpError: a part is not there, or it could not be written.
    """
    tf.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=list(prefixes), destination_prefix=prefix_of(folder), delete_old_dirs=False
    )


class Writable(Protocol):
    """Weights that can be written into the folder of a checkpoint."""

    def write(self, folder: Path) -> dict[str, list[int]]:
        """Writes them, and returns size and CRC-32 of those files whose content is known without reading them."""

    def check(self, folder: Path) -> None:
        """Compares names and shapes in a folder with those of the model; reads no weights."""


class Copiable(Writable, Protocol):
    """Weights that can also be copied, to be written later as they are now."""

    def copied(self) -> "CopiedWeights":
        """Returns the copy."""


class CopiedWeights:
    """Weights as they were at a moment, to be written once while the training goes on."""

    def __init__(
        self,
        shards: Iterator[Shard],
        check: Callable[[Path], None],
        write_before: Callable[[Path], dict[str, list[int]]] = lambda folder: {},
    ):
        """Copies them, which takes as much memory as they do.

        Args:
            shards: what will be written.
            check: see `Writable`.
            write_before: writes what else is to be in the folder, and returns what `write` does.
        """
        self._shards = deque(shards)
        self._check, self._write_before = check, write_before

    def write(self, folder: Path) -> dict[str, list[int]]:
        """Writes them, and lets go of each part that is written; see `Writable`."""
        known = self._write_before(folder)
        write_shards(folder, self._taken())
        return known

    def check(self, folder: Path) -> None:
        """Compares names and shapes in a folder with those of the model; reads no weights."""
        self._check(folder)

    def _taken(self) -> Iterator[Shard]:
        while self._shards:
            yield self._shards.popleft()
