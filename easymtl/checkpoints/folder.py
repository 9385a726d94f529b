"""Checkpoints: a folder per step, written beside, checked, then renamed into place.

`model_dir/checkpoints/step-000001000/` holds `weights.*` (see `weights.py`) and `state.json`: the step, the position in
the data, the best evaluation so far, and size and checksum of every other file. One that is a delta (see `deltas.py`)
also has a folder `full`.
"""

import contextlib
import json
import re
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from easymtl.checkpoints.deltas import DELTA
from easymtl.checkpoints.integrity import Beat, damage, fingerprints, is_as_sealed, sealed
from easymtl.checkpoints.publishing import draft_of, publish, reason, remove, sweep, write_text
from easymtl.checkpoints.shards import Writable, prefix_of
from easymtl.errors import UserError

FORMAT_VERSION, DELTA_VERSION = 1, 2
"""Of a full checkpoint and of a delta, which versions of easymtl without deltas cannot read."""

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
        return prefix_of(self.path)

    def state(self) -> dict[str, Any]:
        """Returns what is not a weight: cursor, best evaluation, precision.

        Raises:
            DamagedCheckpoint: the file is.
            UserError: it is of a later version.
        """
        try:
            state = json.loads((self.path / _STATE).read_text(encoding="utf-8"))
            version = state["format_version"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise DamagedCheckpoint(
                f"{self.path}: {_STATE} cannot be read ({error}); remove this checkpoint."
            ) from None
        if version not in (FORMAT_VERSION, DELTA_VERSION):
            raise UserError(f"{self.path}: written by another version of easymtl (format {version}).")
        if not is_as_sealed(state):
            raise DamagedCheckpoint(f"{self.path}: the content of {_STATE} has changed")
        return state

    def check(self, beat: Beat = lambda: None) -> None:
        """Compares every file with what was written; reads the whole checkpoint.

        Args:
            beat: is called every few megabytes.

        Raises:
            DamagedCheckpoint: one differs.
            UserError: it is of a later version.
        """
        problem = damage(self.path, self.state().get("files", {}), beat)
        if problem:
            raise DamagedCheckpoint(f"{self.path}: {problem}")


class CheckpointFolder:
    """The checkpoints of a model_dir."""

    def __init__(self, model_dir: str | Path, beat: Beat = lambda: None):
        """Reads nothing yet.

        Args:
            model_dir: of the training.
            beat: is called every few megabytes while whole checkpoints are read or brought to the disk, by whatever
                thread does it.
        """
        self.path = Path(model_dir) / "checkpoints"
        self._beat = beat

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

    def of(self, step: int) -> Checkpoint:
        """Returns what a checkpoint of a step is called, whether it is there or not."""
        return Checkpoint(self.path_of(step), step)

    def at(self, step: int) -> Checkpoint | None:
        """Returns the checkpoint of a step."""
        return next((checkpoint for checkpoint in self.all() if checkpoint.step == step), None)

    def interim_before(self, step: int) -> list[int]:
        """Returns the steps of checkpoints before one that uninterrupted trainings do not have: `is_interim`."""
        found = []
        for checkpoint in self.all():
            # Nothing is known of one whose state is damaged: it stays what it is, one that counts.
            with contextlib.suppress(UserError):
                if checkpoint.step < step and checkpoint.state().get("is_interim"):
                    found.append(checkpoint.step)
        return found

    def path_of(self, step: int) -> Path:
        """Returns the folder that the checkpoint of a step has, or would have."""
        return self.path / f"step-{step:09d}"

    def draft_of(self, step: int) -> Path:
        """Returns where this process writes the checkpoint of a step before it is published."""
        return draft_of(self.path_of(step))

    def begin(self, step: int) -> None:
        """Makes the folder of `draft_of` with nothing in it, for what is written there before `save` publishes it.

        Raises:
            UserError: it cannot be made.
        """
        draft = self.draft_of(step)
        try:
            if draft.exists():
                shutil.rmtree(draft)
            draft.mkdir(parents=True)
        except OSError as error:
            raise _unwritten(self.path_of(step), error) from None

    def save(self, step: int, weights: Writable, state: Mapping[str, Any]) -> Checkpoint:
        """Writes a checkpoint beside the others, and renames it into place once it is whole and on the disk.

        What is in `draft_of` is a part of it.

        Raises:
            UserError: it could not be written (disk full, no permission); those before it are as they were.
        """
        final, draft = self.path_of(step), self.draft_of(step)
        try:
            draft.mkdir(parents=True, exist_ok=True)
            known = weights.write(draft)
            weights.check(draft)
            files = {**fingerprints(draft, known, self._beat), **known}
            write_text(draft / _STATE, _state_text(step, state, files))
            if final.exists():
                remove(final)
            publish(draft, final, self._beat)
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
        for checkpoint in self.all():
            # What a checkpoint says is written again in its own folder, see `rewrite_state`. Curves of calibration are
            # written there, too, by processes that hold no lock.
            sweep(checkpoint.path, is_alone=True, of=_STATE)
        problems: dict[Checkpoint, str] = {}
        for checkpoint in reversed(self.all()):
            try:
                checkpoint.check(self._beat)
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
    version = DELTA_VERSION if DELTA in state else FORMAT_VERSION
    document = {"format_version": version, "step": step, **state, "files": dict(files)}
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
