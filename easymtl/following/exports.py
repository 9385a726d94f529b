"""The exports of a model that goes on from part to part: a version for each, whole or what has changed."""

from pathlib import Path

from rich.console import Console as Terminal

from easymtl.api.exporting import told
from easymtl.checkpoints.folder import Checkpoint
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.exports import print_delta, print_export
from easymtl.reporting.terminal import print_line
from easymtl.serving.delta_export import export_since
from easymtl.serving.delta_folders import is_delta, versions_in
from easymtl.serving.export import export, prune
from easymtl.serving.form_of_export import describe
from easymtl.serving.narrowing import TooNarrow
from easymtl.serving.proof_process import begun_ahead

KINDS = ("full", "delta", "none")
FOLDER = "follow"


class Exports:
    """Versions in `model_dir/export/follow`, of which the newest stay.

    With `delta` the first version is whole, and each other is made from the one before, until so many follow each other
    as are kept: then one is whole again. A version stays as long as a kept delta is made from it.
    """

    def __init__(self, model_dir: str | Path, kind: str, keep: int, terminal: Terminal):
        """Writes nothing yet.

        Args:
            model_dir: of the training.
            kind: one of `KINDS`.
            keep: versions that stay.
            terminal: where to print.
        """
        self.folder = Path(model_dir) / "export" / FOLDER
        self._kind, self._keep, self._terminal = kind, keep, terminal

    def make(self, pipeline: Pipeline, checkpoint: Checkpoint) -> str:
        """Exports a checkpoint unless it was before it could be told, and returns the folder; empty if none is wanted.

        Raises:
            UserError: it could not be written, or does not score as the checkpoint does.
        """
        if self._kind == "none":
            return ""
        done = self._of(checkpoint)
        try:
            done = done or self._delta(pipeline, checkpoint) or self._whole(pipeline, checkpoint)
        except TooNarrow as error:
            # What was learnt is worth more than one of its exports; the next part has another one.
            print_line(self._terminal, f"Warning: step {checkpoint.step} was not exported: {error}", "yellow")
            return ""
        prune(self.folder, self._keep)
        return str(done)

    def _of(self, checkpoint: Checkpoint) -> Path | None:
        """Returns the version that was made of a checkpoint: of a step alone there may be one of an earlier model."""
        files = checkpoint.state().get("files", {})
        for path in reversed(versions_in(self.folder).values()):
            try:
                said = describe(path)
            except (OSError, ValueError):
                continue
            if said.get("step") == checkpoint.step and said.get("checkpoint_files") == files:
                return path
        return None

    def _whole(self, pipeline: Pipeline, checkpoint: Checkpoint) -> Path:
        with begun_ahead() as process:
            done = export(pipeline, checkpoint, self.folder, listener=told, process=process)
        print_export(done, self._terminal)
        return done.path

    def _delta(self, pipeline: Pipeline, checkpoint: Checkpoint) -> Path | None:
        """Returns the delta from the newest version; None where a whole one is due, or is the only way."""
        versions = versions_in(self.folder)
        if self._kind != "delta" or not versions or num_deltas(self.folder) + 1 >= self._keep:
            return None
        base = versions[max(versions)]
        try:
            with begun_ahead() as process:
                done = export_since(pipeline, checkpoint, self.folder, str(base), told, process)
        except TooNarrow:
            raise
        except UserError as error:
            print_line(self._terminal, f"Warning: a whole export is made, and no delta: {error}", "yellow")
            return None
        print_delta(done, self._terminal)
        return done.export.path


def num_deltas(folder: Path) -> int:
    """Returns how many deltas follow the newest whole export in a folder."""
    number = 0
    for path in reversed(versions_in(folder).values()):
        if not is_delta(path):
            return number
        number += 1
    return number
