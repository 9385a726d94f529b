"""Checkpoints: a folder per step, written beside, then renamed into place.

`model_dir/checkpoints/step-000001000/` holds `weights.*`, a TensorFlow checkpoint that `tf.train.load_checkpoint`
opens, with every parameter and optimizer slot under its own name, and `state.json`: the step, the position in the
data, the best evaluation so far.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from easymtl.errors import UserError, quoted
from easymtl.layers.context import Parameter
from easymtl.tasks.ranker import Ranker
from easymtl.training.optimizers import Optimizers

FORMAT_VERSION = 1
_SHARD_BYTES = 1 << 28
# A short file is an IndexError to TensorFlow's reader, a changed byte an OpError.
_READ_ERRORS = (tf.errors.OpError, RuntimeError, ValueError, IndexError)
_FOLDER = re.compile(r"^step-(\d+)$")


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
          UserError: the file is damaged, or of a later version.
        """
        try:
            state = json.loads((self.path / "state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{self.path}: state.json cannot be read ({error}); remove this checkpoint.") from None
        if state["format_version"] != FORMAT_VERSION:
            raise UserError(f"{self.path}: written by another version of easymtl (format {state['format_version']}).")
        return state


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
        """Writes a checkpoint beside the others and renames it into place once it is whole.

        Raises:
          UserError: it could not be written (disk full, no permission); those before it are as they were.
        """
        final = self.path / f"step-{step:09d}"
        draft = self.path / f".writing-{step:09d}-{os.getpid()}"
        try:
            draft.mkdir(parents=True, exist_ok=True)
            weights.write(str(draft / "weights"))
            document = {"format_version": FORMAT_VERSION, "step": step, **state}
            (draft / "state.json").write_text(json.dumps(document, indent=2), encoding="utf-8")
            if final.exists():
                shutil.rmtree(final)
            os.replace(draft, final)
        except (OSError, tf.errors.OpError) as error:
            shutil.rmtree(draft, ignore_errors=True)
            message = getattr(error, "message", None) or str(error)
            raise UserError(f"{final}: the checkpoint could not be written: {message}") from None
        return Checkpoint(final, step)

    def prune(self, keep: int, protected: Iterable[int] = ()) -> None:
        """Removes all but the newest `keep` checkpoints (0 keeps all) and those of the protected steps."""
        kept = {checkpoint.step for checkpoint in self.all()[-keep:]} | set(protected)
        for checkpoint in self.all():
            if checkpoint.step not in kept:
                shutil.rmtree(checkpoint.path)
        for draft in self.path.glob(".writing-*"):
            shutil.rmtree(draft, ignore_errors=True)


@dataclass(frozen=True)
class _Entry:
    """One tensor of a checkpoint: how to read it and how to overwrite it."""

    name: str
    num_bytes: int
    shape: tuple[int, ...]
    read: Callable[[], tf.Tensor]
    assign: Callable[[tf.Tensor], None]


class Weights:
    """Everything of a model that a checkpoint holds: parameters, and slots when it is being trained."""

    def __init__(self, ranker: Ranker, optimizers: Optimizers | None = None):
        self._entries = list(_entries(ranker.parameters, optimizers))

    def write(self, prefix: str) -> None:
        """Writes a TensorFlow checkpoint, a bounded number of bytes at a time."""
        shards = list(_shards(self._entries))
        prefixes = [f"{prefix}.part-{index}" for index in range(len(shards))]
        for shard_prefix, entries in zip(prefixes, shards):
            tf.raw_ops.SaveV2(
                prefix=shard_prefix,
                tensor_names=[entry.name for entry in entries],
                shape_and_slices=[""] * len(entries),
                tensors=[entry.read() for entry in entries],
            )
        tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=prefixes, destination_prefix=prefix, delete_old_dirs=False)

    def read(self, checkpoint: Checkpoint) -> None:
        """Overwrites all weights with those of a checkpoint.

        Raises:
          UserError: it does not fit the model, and nothing has been overwritten; or it is damaged.
        """
        reader = _reader(checkpoint)
        self._check(checkpoint, reader.get_variable_to_shape_map())
        for entry in self._entries:
            try:
                value = reader.get_tensor(entry.name)
            except _READ_ERRORS as error:
                raise UserError(f"{checkpoint.path}: {entry.name} cannot be read: {error}") from None
            entry.assign(value)

    def _check(self, checkpoint: Checkpoint, shapes: Mapping[str, list[int]]) -> None:
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
        yield _entry(name, parameter, parameter.variable)
        slots = optimizers.slots_of(parameter.variable) if optimizers else {}
        for slot_name, slot in slots.items():
            yield _entry(f"{name}/{slot_name}", parameter, slot)


def _entry(name: str, parameter: Parameter, variable: tf.Variable) -> _Entry:
    return _Entry(
        name,
        int(np.prod(parameter.shape, dtype=np.int64)) * variable.dtype.size,
        parameter.shape,
        lambda: parameter.read(variable),
        lambda value: parameter.assign(value, variable),
    )


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
        message = getattr(error, "message", None) or str(error)
        raise UserError(f"{checkpoint.path}: the weights cannot be read: {message}") from None
