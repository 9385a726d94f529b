"""What faults happen to: a config, its data, and what undisturbed trainings of it leave."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from easymtl.checkpoints.folder import Checkpoint, CheckpointFolder
from easymtl.errors import UserError
from tests.faults.runs import Run, differences, make_project, state_of_training

SHORT = ("train_config.num_steps=12", "train_config.save_checkpoints_steps=4", "train_config.keep_checkpoint_max=2")
"""A training of three checkpoints."""


class Result(NamedTuple):
    """What a fault, or a chain of them, has done.

    Attributes:
        points: how many faults there were.
        problems: what was lost, in sentences; empty if nothing was.
        detail: what is to be told otherwise.
    """

    points: int
    problems: list[str]
    detail: str = ""


@dataclass
class Project:
    """A folder with a config and data.

    Attributes:
        folder: of all runs.
        config: the file.
        number: of runs so far, which tells their folders and logs apart.
    """

    folder: Path
    config: Path = field(init=False)
    number: int = 0
    _twins: dict[tuple[str, ...], Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.config = make_project(self.folder)

    def model_dir(self) -> Path:
        """Returns a model_dir that no run has used."""
        self.number += 1
        return self.folder / f"model-{self.number}"

    def run(
        self,
        verb: str,
        *overrides: str,
        prepare: Callable[[], None] | None = None,
        by_op: bool = True,
        flags: tuple[str, ...] = (),
    ) -> Run:
        """Starts a command, by default op by op: what is around a step is looked at."""
        self.number += 1

        def prepare_all() -> None:
            if by_op:
                import tensorflow as tf

                tf.config.run_functions_eagerly(True)
            if prepare:
                prepare()

        log = self.folder / f"log-{self.number}"
        return Run(log, verb, self.config, *overrides, flags=flags, prepare=prepare_all)

    def must_end(self, verb: str, *overrides: str, by_op: bool = True) -> Run:
        """Waits for a command without a fault, and ends everything if it fails."""
        run = self.run(verb, *overrides, by_op=by_op)
        if run.wait(900) != 0:
            sys.exit(f"without any fault a command ended with exit code {run.code}: {run.text[-2000:]}")
        return run

    def finished(self, *overrides: str, by_op: bool = True) -> Path:
        """Returns the model_dir of an undisturbed training, made once; whoever changes it copies it first."""
        key = (*overrides, str(by_op))
        if key not in self._twins:
            self._twins[key] = self.model_dir()
            self.must_end("train", *overrides, f"model_dir={self._twins[key]}", by_op=by_op)
        return self._twins[key]

    def lost_of_rerun(self, model_dir: Path, *overrides: str) -> list[str]:
        """Trains on, and returns in what the end differs from that of an undisturbed training."""
        run = self.run("train", *overrides, f"model_dir={model_dir}")
        if run.wait() != 0:
            return [f"the rerun ended with exit code {run.code}: {run.text[-300:]}"]
        expected = state_of_training(self.finished(*overrides))
        found = {name: digest for name, digest in state_of_training(model_dir).items() if "damaged-" not in name}
        # A checkpoint that could not be removed is one too many, and none that is lost; it has to be whole.
        kept = {checkpoint.path.name for checkpoint in CheckpointFolder(model_dir).all() if not _damage(checkpoint)}
        extra = {name for name in found.keys() - expected.keys() if name.split("/")[1:2] and name.split("/")[1] in kept}
        problems = [f"{name} differs" for name in differences(expected, found) if name not in extra]
        drafts = [path.name for path in model_dir.rglob(".writing-*")]
        return problems + [f"{name} was left" for name in drafts]


def _damage(checkpoint: Checkpoint) -> str:
    try:
        checkpoint.check()
    except UserError as error:
        return str(error)
    return ""


def traceback_of(run: Run) -> list[str]:
    """Returns what is wrong with how a command told of a fault: it ended by itself, in words."""
    if "Traceback" in run.text or run.code not in (0, 2):
        return [f"exit code {run.code}: {run.text[-600:]}"]
    return []
