"""Writing tensors as the data files of a checkpoint, a bounded number of bytes at a time, now or from a copy."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import tensorflow as tf

from easymtl.checkpoints.integrity import fingerprint
from easymtl.checkpoints.publishing import flush

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


class PartFile(NamedTuple):
    """A part of a checkpoint, as one of several workers has written it.

    Attributes:
        name: of the part: that of its files without their endings.
        num_bytes: of its data.
        checksum: CRC-32 of these.
    """

    name: str
    num_bytes: int
    checksum: int

    def data(self, folder: Path) -> Path:
        """Returns the file of its data, of which a part has one."""
        return folder / f"{self.name}.data-00000-of-00001"


class OwnPart:
    """What one of several workers writes of a checkpoint."""

    def __init__(self, index: int, shards: Iterator[Shard], is_copied: bool, write_beside: "WriteBeside | None" = None):
        """Reads nothing yet, or all of it.

        Args:
            index: which worker this is.
            shards: what it writes, read when they are asked for.
            is_copied: whether it is copied now, which takes as much memory, to be written as it is now.
            write_beside: writes what this worker has that is no tensor, onto the disk; None for nothing.
        """
        self._index = index
        self._write_beside = write_beside
        self._shards = _taken(deque(shards)) if is_copied else shards

    def write(self, folder: Path) -> list[PartFile]:
        """Writes it into a folder where all workers write, onto the disk, and lets go of what is written.

        Raises:
            OpError, OSError: it could not be written.
        """
        if self._write_beside:
            self._write_beside(folder)
        files = []
        for prefix in write_parts(f"{prefix_of(folder)}.worker-{self._index}", self._shards):
            part = PartFile(Path(prefix).name, 0, 0)
            for path in (part.data(folder), Path(f"{prefix}.index")):
                flush(path)
            files.append(PartFile(part.name, *fingerprint(part.data(folder))))
        return files


def merge_of_workers(folder: Path, parts: Sequence[PartFile]) -> dict[str, list[int]]:
    """Makes one checkpoint of what workers have written, and returns size and CRC-32 of its data files by name.

    Raises:
        OSError: a part is not in this folder.
        OpError: it could not be written.
    """
    for part in parts:
        data = part.data(folder)
        if not (folder / f"{part.name}.index").exists() or not data.exists() or data.stat().st_size != part.num_bytes:
            raise OSError(
                f"{part.name}, which another worker has written, is not there. All workers need the same "
                "model_dir, on a file system that they share"
            )
    merge_parts(folder, [str(folder / part.name) for part in parts])
    # TensorFlow renames the data files, numbered in the order of the parts.
    name = Path(prefix_of(folder)).name
    names = [f"{name}.data-{number:05d}-of-{len(parts):05d}" for number in range(len(parts))]
    return {name: [part.num_bytes, part.checksum] for name, part in zip(names, parts)}


WriteBeside = Callable[[Path], dict[str, list[int]]]


class Writable(Protocol):
    """Weights that can be written into the folder of a checkpoint."""

    def write(self, folder: Path) -> dict[str, list[int]]:
        """Writes them, and returns size and CRC-32 of those files whose content is known without reading them."""

    def check(self, folder: Path) -> None:
        """Compares names and shapes in a folder with those of the model; reads no weights."""


class Copiable(Writable, Protocol):
    """Weights that can also be copied, to be written later as they are now, or be written by several workers."""

    def copied(self) -> "CopiedWeights":
        """Returns the copy."""

    def own_part(self, index: int, is_copied: bool) -> OwnPart:
        """Returns what a worker writes where all do: what it has of tables that are dealt out, the first one the rest.

        Args:
            index: which worker this is.
            is_copied: whether it is written later, as it is now.
        """

    def writes_beside(self) -> WriteBeside:
        """Returns what writes all that is no tensor, as it is now, into a folder; it returns what `write` does."""


class CopiedWeights:
    """Weights as they were at a moment, to be written once while the training goes on."""

    def __init__(
        self,
        shards: Iterator[Shard],
        check: Callable[[Path], None],
        write_before: WriteBeside = lambda folder: {},
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
        write_shards(folder, _taken(self._shards))
        return known

    def check(self, folder: Path) -> None:
        """Compares names and shapes in a folder with those of the model; reads no weights."""
        self._check(folder)


def _taken(shards: deque[Shard]) -> Iterator[Shard]:
    while shards:
        yield shards.popleft()
