"""Checkpoints: a folder per step, written beside, checked, then renamed into place.

`model_dir/checkpoints/step-000001000/` holds `weights.*`, a TensorFlow checkpoint that `tf.train.load_checkpoint`
opens, with every parameter and optimizer slot under its own name, and `state.json`: the step, the position in the
data, the best evaluation so far, and size and checksum of every other file.
"""

import json
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from easymtl.errors import UserError, quoted
from easymtl.layers.context import Parameter
from easymtl.tasks.ranker import Ranker
from easymtl.training.integrity import damage, fingerprints, is_as_sealed, sealed
from easymtl.training.optimizers import Optimizers
from easymtl.training.publishing import draft_of, publish, reason, remove, sweep, write_text

FORMAT_VERSION = 1
_SHARD_BYTES = 1 << 28
# A short file is an IndexError to TensorFlow's reader, a changed byte an OpError.
_READ_ERRORS = (tf.errors.OpError, RuntimeError, ValueError, IndexError)
_FOLDER = re.compile(r"^step-(\d+)$")
_STATE = "state.json"


class DamagedCheckpoint(UserError):
    """The files of a checkpoint are not what was written."""


@dataclass(frozen=True)
class Checkpoint:
    """A published checkpoint.

    Attributes:
      path: its folder.
      step: number of updates made.
    """

    path: Path
    step: int

    @property
    def prefix(self) -> str:
        """Returns the path that TensorFlow's checkpoint readers take."""
        return str(self.path / "weights")

    def state(self) -> dict[str, Any]:
        """Returns what is not a weight: cursor, best evaluation, precision.

        Raises:
          DamagedCheckpoint: the file is.
          UserError: it is of a later version.
        """
        try:
            state = json.loads((self.path / _STATE).read_text(encoding="utf-8"))
            version = state["format_version"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DamagedCheckpoint(
                f"{self.path}: {_STATE} cannot be read ({error}); remove this checkpoint."
            ) from None
        if version != FORMAT_VERSION:
            raise UserError(f"{self.path}: written by another version of easymtl (format {version}).")
        if not is_as_sealed(state):
            raise DamagedCheckpoint(f"{self.path}: the content of {_STATE} has changed")
        return state

    def check(self) -> None:
        """Compares every file with what was written; reads the whole checkpoint.

        Raises:
          DamagedCheckpoint: one differs.
          UserError: it is of a later version.
        """
        problem = damage(self.path, self.state().get("files", {}))
        if problem:
            raise DamagedCheckpoint(f"{self.path}: {problem}")


class CheckpointFolder:
    """The checkpoints of a model_dir."""

    def __init__(self, model_dir: str | Path):
        self.path = Path(model_dir) / "checkpoints"

    def all(self) -> list[Checkpoint]:
        """Returns the published checkpoints, oldest first."""
        if not self.path.is_dir():
            return []
        matches = [(_FOLDER.match(entry.name), entry) for entry in self.path.iterdir()]
        return sorted((Checkpoint(entry, int(m[1])) for m, entry in matches if m), key=lambda c: c.step)

    def latest(self) -> Checkpoint | None:
        """Returns the newest checkpoint."""
        checkpoints = self.all()
        return checkpoints[-1] if checkpoints else None

    def at(self, step: int) -> Checkpoint | None:
        """Returns the checkpoint of a step."""
        return next((checkpoint for checkpoint in self.all() if checkpoint.step == step), None)

    def save(self, step: int, weights: "Weights", state: Mapping[str, Any]) -> Checkpoint:
        """Writes a checkpoint beside the others, and renames it into place once it is whole and on the disk.

        Raises:
          UserError: it could not be written (disk full, no permission); those before it are as they were.
        """
        final = self.path / f"step-{step:09d}"
        draft = draft_of(final)
        try:
            draft.mkdir(parents=True, exist_ok=True)
            weights.write(str(draft / "weights"))
            weights.check(Checkpoint(draft, step))
            files = fingerprints(draft)
            write_text(draft / _STATE, _state_text(step, state, files))
            if final.exists():
                remove(final)
            publish(draft, final)
        except (OSError, tf.errors.OpError) as error:
            shutil.rmtree(draft, ignore_errors=True)
            raise _unwritten(final, error) from None
        return Checkpoint(final, step)

    def rewrite_state(self, checkpoint: Checkpoint, state: Mapping[str, Any]) -> None:
        """Replaces what a checkpoint says beside its weights.

        Raises:
          UserError: it could not be written; the checkpoint is as it was.
        """
        files = checkpoint.state().get("files", {})
        try:
            write_text(checkpoint.path / _STATE, _state_text(checkpoint.step, state, files))
        except OSError as error:
            raise _unwritten(checkpoint.path, error) from None

    def settle(self) -> tuple[Checkpoint | None, list[str]]:
        """Finds the newest checkpoint that is whole, for a training that holds the lock of the model_dir.

        Newer ones that are damaged get another name, so that they are in nobody's way, and nothing is lost. Drafts
        of ended processes are removed.

        Returns:
          The checkpoint, None if there is none at all, and a sentence for each that is damaged.

        Raises:
          UserError: all checkpoints are damaged, or the newest whole one is of a later version.
        """
        sweep(self.path, is_alone=True)
        problems: dict[Checkpoint, str] = {}
        for checkpoint in reversed(self.all()):
            try:
                checkpoint.check()
            except DamagedCheckpoint as error:
                problems[checkpoint] = str(error)
                continue
            return checkpoint, [_set_aside(damaged, problem) for damaged, problem in problems.items()]
        if problems:
            raise UserError(
                f"{self.path}: no checkpoint is whole ({'; '.join(problems.values())}). Bring one back from a copy, or "
                "train anew in another model_dir (--set model_dir=...)."
            )
        return None, []

    def prune(self, keep: int, protected: Iterable[int] = (), superseded: Collection[int | None] = ()) -> None:
        """Removes all but the newest `keep` checkpoints (0 keeps all) and those of the protected steps.

        Raises:
          UserError: the folder cannot be written.
        """
        counted = [checkpoint for checkpoint in self.all() if checkpoint.step not in superseded]
        kept = {checkpoint.step for checkpoint in counted[-keep:]} | set(protected)
        try:
            for checkpoint in self.all():
                if checkpoint.step not in kept:
                    remove(checkpoint.path)
        except OSError as error:
            raise UserError(f"{self.path}: old checkpoints cannot be removed: {reason(error)}. Check it.") from None
        sweep(self.path, is_alone=True)


def _state_text(step: int, state: Mapping[str, Any], files: Mapping[str, list[int]]) -> str:
    document = {"format_version": FORMAT_VERSION, "step": step, **state, "files": dict(files)}
    return json.dumps(sealed(document), indent=2)


def _unwritten(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: the checkpoint could not be written: {reason(error)}")


def _set_aside(checkpoint: Checkpoint, problem: str) -> str:
    """Renames a damaged checkpoint and returns the sentence that says so."""
    target = checkpoint.path.with_name(f"damaged-{checkpoint.path.name}")
    number = 1
    while target.exists():
        number += 1
        target = checkpoint.path.with_name(f"damaged-{checkpoint.path.name}-{number}")
    try:
        checkpoint.path.rename(target)
    except OSError as error:
        raise UserError(f"{checkpoint.path}: cannot be renamed: {reason(error)}. Check model_dir.") from None
    return f"Damaged checkpoint: {problem}. It is left out, and kept as {target.name}."


@dataclass(frozen=True)
class _Entry:
    """One tensor of a checkpoint, or some of its rows: how to read it and how to overwrite it.

    Attributes:
      name: of the tensor.
      parameter: its shape, and which rows of the variable it is.
      variable: that of the parameter, or a slot of the same shape.
      begin: first row of it, counted in the parameter.
      num_rows: None for all.
    """

    name: str
    parameter: Parameter
    variable: tf.Variable
    begin: int = 0
    num_rows: int | None = None

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
        """Returns the rows as TensorFlow's savers write them: `40 4 10,20:0,4` is rows 10 to 29; empty for all."""
        if self.num_rows is None:
            return ""
        ranges = [f"{self.begin},{self.num_rows}", *(f"0,{size}" for size in self.shape[1:])]
        return f"{' '.join(map(str, self.shape))} {':'.join(ranges)}"

    def pieces(self) -> Iterator["_Entry"]:
        """Yields itself, a large table as runs of rows, so that no copy of a whole one is ever held."""
        is_table = self.shape == (self.parameter.num_rows, *self.variable.shape[1:])
        if not is_table or self.num_bytes <= _SHARD_BYTES:
            yield self
            return
        step = max(_SHARD_BYTES * self.shape[0] // self.num_bytes, 1)
        for begin in range(0, self.shape[0], step):
            yield replace(self, begin=begin, num_rows=min(step, self.shape[0] - begin))

    def read(self) -> tf.Tensor:
        """Returns the value of its rows."""
        return self._part.read(self.variable)

    def assign(self, value: tf.Tensor) -> None:
        """Overwrites its rows."""
        part = self._part
        is_whole = part.num_rows == self.variable.shape[0]
        if is_whole or len(self.variable.shape) != 2:
            part.assign(value, self.variable)
            return
        # Tables are written row by row, as training does: assigning to a slice copies the whole variable.
        numbers = tf.range(part.begin, part.begin + part.num_rows)
        tf.raw_ops.ResourceScatterUpdate(resource=self.variable.handle, indices=numbers, updates=value)

    @property
    def _part(self) -> Parameter:
        if self.num_rows is None:
            return self.parameter
        begin = self.parameter.begin + self.begin
        return replace(self.parameter, begin=begin, num_rows=self.num_rows, shape=(self.num_rows, *self.shape[1:]))


class Weights:
    """Everything of a model that a checkpoint holds: parameters, and slots when it is being trained."""

    def __init__(self, ranker: Ranker, optimizers: Optimizers | None = None):
        self._entries = list(_entries(ranker.parameters, optimizers))

    def write(self, prefix: str) -> None:
        """Writes a TensorFlow checkpoint, a bounded number of bytes at a time."""
        shards = list(_shards(piece for entry in self._entries for piece in entry.pieces()))
        prefixes = [f"{prefix}.part-{index}" for index in range(len(shards))]
        for shard_prefix, entries in zip(prefixes, shards):
            tf.raw_ops.SaveV2(
                prefix=shard_prefix,
                tensor_names=[entry.name for entry in entries],
                shape_and_slices=[entry.slice_text for entry in entries],
                tensors=[entry.read() for entry in entries],
            )
        tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=prefixes, destination_prefix=prefix, delete_old_dirs=False)

    def read(self, checkpoint: Checkpoint) -> None:
        """Overwrites all weights with those of a checkpoint.

        Raises:
          UserError: it does not fit the model, and nothing has been overwritten; or it is damaged.
        """
        self.check(checkpoint)
        for piece in (piece for entry in self._entries for piece in entry.pieces()):
            try:
                [value] = tf.raw_ops.RestoreV2(
                    prefix=checkpoint.prefix,
                    tensor_names=[piece.name],
                    shape_and_slices=[piece.slice_text],
                    dtypes=[piece.variable.dtype],
                )
            except _READ_ERRORS as error:
                raise UserError(f"{checkpoint.path}: {piece.name} cannot be read: {error}") from None
            piece.assign(value)

    def check(self, checkpoint: Checkpoint) -> None:
        """Compares the names and shapes of a checkpoint with those of the model; reads no weights.

        Raises:
          UserError: it does not fit, or cannot be read.
        """
        shapes = _reader(checkpoint).get_variable_to_shape_map()
        missing = [entry.name for entry in self._entries if entry.name not in shapes]
        changed = [
            f"{entry.name} is {tuple(shapes[entry.name])} there and {entry.shape} in the config"
            for entry in self._entries
            if entry.name in shapes and tuple(shapes[entry.name]) != entry.shape
        ]
        if not missing and not changed:
            return
        reasons = [*changed[:5], *([f"it has no {quoted(missing, limit=5)}"] if missing else [])]
        raise UserError(
            f"{checkpoint.path}: this checkpoint is of another model than the config: {'; '.join(reasons)}. "
            "Train in another model_dir (--set model_dir=...), or go back to the config in its pipeline.config."
        )


def _entries(parameters: Mapping[str, Parameter], optimizers: Optimizers | None) -> Iterator[_Entry]:
    for name, parameter in parameters.items():
        yield _Entry(name, parameter, parameter.variable)
        slots = optimizers.slots_of(parameter.variable) if optimizers else {}
        for slot_name, slot in slots.items():
            yield _Entry(f"{name}/{slot_name}", parameter, slot)


def _shards(entries: Iterable[_Entry]) -> Iterator[list[_Entry]]:
    shard: list[_Entry] = []
    num_bytes = 0
    for entry in entries:
        if shard and num_bytes + entry.num_bytes > _SHARD_BYTES:
            yield shard
            shard, num_bytes = [], 0
        shard.append(entry)
        num_bytes += entry.num_bytes
    if shard:
        yield shard


def _reader(checkpoint: Checkpoint) -> Any:
    try:
        return tf.train.load_checkpoint(checkpoint.prefix)
    except _READ_ERRORS as error:
        raise UserError(f"{checkpoint.path}: the weights cannot be read: {reason(error)}") from None
