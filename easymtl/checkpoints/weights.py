"""Writing and reading the weights of a checkpoint, a bounded number of bytes at a time.

They are a TensorFlow checkpoint that `tf.train.load_checkpoint` opens, with every parameter and optimizer slot under
its own name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from easymtl.checkpoints.growing import file_name, read_growing, write_growing
from easymtl.checkpoints.integrity import Beat
from easymtl.checkpoints.shards import (
    SHARD_BYTES,
    CopiedWeights,
    OwnPart,
    Shard,
    WriteBeside,
    prefix_of,
    read_shards,
    write_shards,
)
from easymtl.checkpoints.slots import AVERAGE, UPDATED_AT, Slots
from easymtl.checkpoints.stored_tensors import Loads, StoredTensors, shapes_in, slice_text
from easymtl.checkpoints.written_config import CONFIG_NAME
from easymtl.errors import UserError, quoted
from easymtl.layers.context import Parameter
from easymtl.peers.dealing import Run
from easymtl.tasks.ranker import Ranker

__all__ = ["Entry", "Weights", "advice_for_another_config", "entries_of", "prefix_of", "shapes_in", "updated_at_of"]

_SHARD_BYTES = SHARD_BYTES
_LEAST_SHARD_BYTES = 1 << 26
_MOST_SMALL_SHARDS = 256
"""Who reads a checkpoint opens all of its data files."""

_LARGE_RUN_BYTES = 1 << 22
"""Of a run that is read by itself."""


@dataclass(frozen=True)
class Entry:
    """One tensor of a checkpoint, or some of its rows: how to read it and how to overwrite it.

    Attributes:
        name: of the tensor.
        parameter: its shape, and which rows of the variable it is.
        variable: that of the parameter, or a slot of the same shape.
        begin: first row of it, counted in the parameter.
        num_rows: None for all.
        place: where this worker has the first row, counted in what it has of the parameter; None for `begin`.
        runs: those of these rows that this worker has; None for all of them.
    """

    name: str
    parameter: Parameter
    variable: tf.Variable
    begin: int = 0
    num_rows: int | None = None
    place: int | None = None
    runs: tuple[Run, ...] | None = None

    @property
    def is_dealt_out(self) -> bool:
        """Returns whether other workers have other rows of it."""
        return self.parameter.runs is not None

    @property
    def is_of_average(self) -> bool:
        """Returns whether it belongs to a moving average."""
        return self.name.endswith((f"/{AVERAGE}", f"/{UPDATED_AT}"))

    @property
    def shape(self) -> tuple[int, ...]:
        """Returns the shape of the whole tensor."""
        return self.parameter.shape

    @property
    def num_bytes(self) -> int:
        """Returns the bytes of its rows."""
        size = int(np.prod(self.shape, dtype=np.int64)) * self.variable.dtype.size
        return size if self.num_rows is None else size // self.shape[0] * self.num_rows

    @property
    def slice_text(self) -> str:
        """Returns the rows as TensorFlow's savers write them, see `slice_text`."""
        return slice_text(self.shape, self.begin, self.num_rows)

    def pieces(self) -> Iterator["Entry"]:
        """Yields itself, a large table as runs of rows, so that no copy of a whole one is ever held.

        Of a table that is dealt out, these are the runs that this worker has.
        """
        if self.parameter.runs is not None:
            place = 0
            for begin, num_rows in self.parameter.runs:
                yield replace(self, begin=begin, num_rows=num_rows, place=place)
                place += num_rows
            return
        is_table = self.shape == (self.parameter.num_rows, *self.variable.shape[1:])
        if not is_table or self.num_bytes <= _SHARD_BYTES:
            yield self
            return
        step = max(_SHARD_BYTES * self.shape[0] // self.num_bytes, 1)
        for begin in range(0, self.shape[0], step):
            yield replace(self, begin=begin, num_rows=min(step, self.shape[0] - begin))

    def spans(self) -> Iterator["Entry"]:
        """Yields what is to be read of a checkpoint at once: pieces, several small runs with the rows between them.

        TensorFlow takes its time to find each run, and many workers would have many small ones.
        """
        if self.parameter.runs is None:
            yield from self.pieces()
            return
        row_bytes = self.num_bytes // max(self.shape[0], 1)
        group: list[Entry] = []
        for piece in self.pieces():
            first = group[0].begin if group else piece.begin
            end = piece.begin + (piece.num_rows or 0)
            is_large = (piece.num_rows or 0) * row_bytes > _LARGE_RUN_BYTES
            if group and (is_large or (end - first) * row_bytes > _SHARD_BYTES):
                yield _span(group)
                group = []
            group.append(piece)
        if group:
            yield _span(group)

    def read(self) -> tf.Tensor:
        """Returns the value of its rows."""
        return self._part.read(self.variable)

    def assign(self, value: tf.Tensor) -> None:
        """Overwrites its rows."""
        part = self._part
        if part.num_rows == self.variable.shape[0]:
            part.assign(value, self.variable)
            return
        # Parts are written row by row, as training does: assigning to a slice copies the whole variable.
        numbers = tf.range(part.begin, part.begin + part.num_rows)
        rows = tf.reshape(value, [part.num_rows, *self.variable.shape[1:]])
        tf.raw_ops.ResourceScatterUpdate(resource=self.variable.handle, indices=numbers, updates=rows)

    def load(self, stored: Loads) -> tf.Tensor:
        """Returns its rows as the folder of a checkpoint has them.

        Raises:
            UserError: they cannot be read.
        """
        value = stored.load(self.name, self.variable.dtype, self.begin, self.num_rows)
        if self.runs is None:
            return value
        return tf.concat([value[begin - self.begin : begin - self.begin + n] for begin, n in self.runs], axis=0)

    @property
    def _part(self) -> Parameter:
        if self.num_rows is None:
            return self.parameter
        begin = self.parameter.begin + (self.begin if self.place is None else self.place)
        num_rows = self.num_rows if self.runs is None else sum(count for _, count in self.runs)
        return replace(self.parameter, begin=begin, num_rows=num_rows, shape=(num_rows, *self.shape[1:]), runs=None)


def _span(pieces: Sequence[Entry]) -> Entry:
    """Returns one entry for pieces that lie one behind the other where this worker has them."""
    begin = pieces[0].begin
    runs = tuple((piece.begin, piece.num_rows or 0) for piece in pieces)
    return replace(pieces[0], num_rows=sum(runs[-1]) - begin, runs=runs)


def advice_for_another_config(folder: Path, is_training: bool) -> str:
    """Returns what to do about a checkpoint that is not of the config: a sentence that fits the command."""
    trained = folder.parent.parent / CONFIG_NAME
    if is_training:
        return f"Train in another model_dir (--set model_dir=...), or go back to the config in {trained}."
    return f"Use the config that it was trained with: --pipeline_config {trained}"


class Weights:
    """Everything of a model that a checkpoint holds: parameters, and slots and averages when it is being trained.

    Attributes:
        entries: its tensors.
    """

    def __init__(self, ranker: Ranker, optimizers: Slots | None = None):
        self.entries = list(entries_of(ranker.parameters, optimizers))
        self._growing = ranker.feature_set.growing
        self._is_training = optimizers is not None

    def write(self, folder: Path) -> dict[str, list[int]]:
        """Writes all weights into a folder, see `Writable`."""
        known = self.writes_beside()(folder)
        write_shards(folder, self._shards())
        return known

    def copied(self) -> CopiedWeights:
        """Returns a copy of all weights as they are now, which can be written while they move on."""
        return CopiedWeights(self._shards(), self.check, self.writes_beside())

    def own_part(self, index: int, is_copied: bool) -> OwnPart:
        """Returns what a worker writes where all do, see `Copiable`."""
        entries = [entry for entry in self.entries if entry.is_dealt_out or not index]
        pieces = (piece for entry in entries for piece in entry.pieces())
        # Where rows are dealt out they are many small tensors, whose memory is not given back when they are written.
        fair = max(_LEAST_SHARD_BYTES, sum(entry.num_bytes for entry in self.entries) // _MOST_SMALL_SHARDS)
        shards = read_shards(pieces, min(_SHARD_BYTES, fair))
        return OwnPart(index, shards, is_copied, self.writes_beside() if index else None)

    def writes_beside(self) -> WriteBeside:
        """Returns what writes the ids of growing tables that this worker has as they are now, see `Copiable`."""
        arrays, name = self._growing.arrays(), file_name(*self._growing.owner)

        def write(folder: Path) -> dict[str, list[int]]:
            write_growing(folder, arrays, name)
            return {}

        return write

    def _shards(self) -> Iterator[Shard]:
        return read_shards((piece for entry in self.entries for piece in entry.pieces()), _SHARD_BYTES)

    def read(self, folder: Path, with_averages: bool = True, beat: Beat = lambda: None) -> None:
        """Overwrites all weights with those in the folder of a checkpoint.

        Args:
            folder: of the checkpoint.
            with_averages: whether moving averages are, too; else they stay as they are.
            beat: is called after each part that is read.

        Raises:
            UserError: it does not fit the model, and nothing has been overwritten; or it is damaged.
        """
        self.check(folder, with_averages)
        stored = StoredTensors(folder)
        for piece in (piece for entry in self._chosen(with_averages) for piece in entry.spans()):
            piece.assign(piece.load(stored))
            beat()
        read_growing(folder, self._growing)

    def check(self, folder: Path, with_averages: bool = True) -> None:
        """Compares the names and shapes in the folder of a checkpoint with those of the model; reads no weights.

        Raises:
            UserError: it does not fit, or cannot be read.
        """
        entries = self._chosen(with_averages)
        shapes = shapes_in(folder)
        missing = [entry.name for entry in entries if entry.name not in shapes]
        changed = [
            f"{entry.name} is {tuple(shapes[entry.name])} there and {entry.shape} in the config"
            for entry in entries
            if entry.name in shapes and tuple(shapes[entry.name]) != entry.shape
        ]
        if not missing and not changed:
            return
        reasons = [*changed[:5], *([f"it has no {quoted(missing, limit=5)}"] if missing else [])]
        raise UserError(
            f"{folder}: this checkpoint is of another model than the config: {'; '.join(reasons)}. "
            f"{advice_for_another_config(folder, self._is_training)}"
        )

    def _chosen(self, with_averages: bool) -> list[Entry]:
        return [entry for entry in self.entries if with_averages or not entry.is_of_average]


def entries_of(parameters: Mapping[str, Parameter], optimizers: Slots | None = None) -> Iterator[Entry]:
    """Yields what a checkpoint holds of some parameters: with optimizers also their slots and averages."""
    for name, parameter in parameters.items():
        yield Entry(name, parameter, parameter.variable)
        slots = optimizers.slots_of(parameter.variable) if optimizers else {}
        for slot_name, slot in slots.items():
            yield Entry(f"{name}/{slot_name}", parameter, slot)
        average = optimizers.average_of(parameter.variable) if optimizers else None
        if average:
            yield Entry(f"{name}/{AVERAGE}", parameter, average.value)
        if average and average.updated_at is not None:
            yield updated_at_of(parameter, average.updated_at)


def updated_at_of(table: Parameter, variable: tf.Variable) -> Entry:
    """Returns the numbers of the updates that have last touched the rows of a table, int64 `[rows]`."""
    return Entry(f"{table.name}/{UPDATED_AT}", replace(table, shape=(table.shape[0],)), variable)
