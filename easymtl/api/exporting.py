"""What `export_config.exporter_type` asks of a training: a SavedModel at its end, of its best step, or all along."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console as Terminal

from easymtl.checkpoints.extensions import version_notes
from easymtl.checkpoints.folder import Checkpoint, CheckpointFolder
from easymtl.checkpoints.restore import find_checkpoint
from easymtl.checkpoints.written_config import CONFIG_NAME
from easymtl.config import Config
from easymtl.errors import UserError, quoted
from easymtl.peers.signs import Signs
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.bars import phase_bar
from easymtl.reporting.exports import print_delta, print_export
from easymtl.reporting.phases import begin
from easymtl.reporting.terminal import print_line
from easymtl.serving.delta_export import export_since
from easymtl.serving.export import PHASES, export
from easymtl.serving.narrowing import TooNarrow
from easymtl.serving.proof_process import ProofProcess, begun_ahead
from easymtl.serving.saved_model_scorer import newest_export, step_of_export
from easymtl.training import events
from easymtl.training.best import Best
from easymtl.training.exported import exported_step
from easymtl.training.result import TrainingResult

_LAST_SECONDS = 10.0
"""Of a training, in which the process that proves the export is begun: so long it takes on a busy machine."""

_NO_BEST = "export_config.exporter_type is best, and no evaluation has determined what is best."


class Exporter:
    """Listens to a training and exports: `latest` after every checkpoint, `final` and `best` at the end.

    The process that proves an export takes seconds to import TensorFlow. It begins while the last steps or the last
    evaluation run, and waits; one that no export has come to is ended by `close`.
    """

    def __init__(self, config: Config, terminal: Terminal, signs: Signs | None = None):
        """Exports nothing yet.

        Args:
            config: of the training.
            terminal: where to print.
            signs: are told that this worker exports, for which the others wait; None where there are none.
        """
        self._config = config
        self._signs = signs or Signs()
        self._pipeline = config.pipeline
        self._terminal = terminal
        self._kind = self._pipeline.export_config.exporter_type
        self._folder = Path(self._pipeline.model_dir) / "export" / self._kind
        self._exported: int | None = None
        self._process: ProofProcess | None = None

    def __call__(self, event: events.Event) -> None:
        """Exports after a checkpoint, if that is asked for, and gets ready where that, or the end, is near."""
        if self._is_near(event):
            self._get_ready()
        if isinstance(event, events.Saved) and self._kind == "latest" and not event.is_stopping:
            try:
                self._export("latest")
            except TooNarrow as error:
                # A training is worth more than one of its exports; that of its end is tried again.
                print_line(self._terminal, f"Step {event.step} was not exported: {error}", "yellow")
            else:
                self._exported = event.step

    def steps_ended(self) -> None:
        """Gets ready: an evaluation, perhaps, and a checkpoint are all that comes before the export."""
        if self._is_at_end:
            self._get_ready()

    def close(self) -> None:
        """Ends the process that waits for an export, if there is one."""
        if self._process:
            self._process.close()
            self._process = None

    @property
    def _is_at_end(self) -> bool:
        return self._kind in ("final", "best")

    def _is_near(self, event: events.Event) -> bool:
        """Returns whether an export follows soon on what a training tells."""
        if isinstance(event, events.Progress):
            return self._is_at_end and event.seconds_left is not None and event.seconds_left <= _LAST_SECONDS
        is_evaluating = isinstance(event, events.Phase) and event.name == "evaluating"
        return self._kind == "latest" and is_evaluating

    def _get_ready(self) -> None:
        if not (self._process and self._process.is_there):
            self.close()
            self._process = ProofProcess.ahead()

    def finish(self, result: TrainingResult, first_step: int) -> None:
        """Exports what a finished training is to leave, unless it is there already; tells if another step was better.

        Args:
            result: of the training.
            first_step: at which this run began. What an earlier one has exported is not exported again.
        """
        if self._kind == "none":
            return
        is_best = self._kind == "best"
        chosen = _best_or_last(self._pipeline, result.checkpoint, self._terminal) if is_best else result.checkpoint
        step = chosen.step
        if self._exported != step and (step > first_step or self._earlier_step() != step):
            self._export(str(step))
        elif self._exported != step:
            print_line(self._terminal, f"Exported already, at step {step}: {newest_export(self._folder)}")
        if not is_best:
            _tell_better(self._config, chosen, self._terminal)

    def _earlier_step(self) -> int | None:
        """Returns the step of the newest export."""
        try:
            return step_of_export(newest_export(self._folder))
        except UserError:
            return None

    def _export(self, choice: str) -> None:
        checkpoint = find_checkpoint(self._pipeline, choice)
        keep = 0 if self._kind == "final" else self._pipeline.export_config.exports_to_keep
        self._get_ready()
        with self._signs.doing("exporting"):
            try:
                done = export(self._pipeline, checkpoint, self._folder, keep, self._told, process=self._process)
            finally:
                self.close()
        print_export(done, self._terminal)

    def _told(self, event: events.Event) -> None:
        told(event)
        self._signs.beat()


def told(event: events.Event, tell: Callable[[str, str], None] = begin) -> None:
    """Lets the command that runs say what is being done for an export."""
    if isinstance(event, events.Phase):
        tell(event.name, event.detail)


def export_chosen(
    config: Config, choice: str | None, folder: Path, terminal: Terminal, since: str | None = None
) -> Path:
    """Exports the checkpoint of a choice, and tells what was chosen, what is better, and what is there twice.

    Args:
        config: names model_dir and exporter_type.
        choice: as `find_checkpoint` takes it; None is the best one with `exporter_type: best`, else the latest.
        folder: where the numbered folder is made.
        terminal: where to print.
        since: the version or step since which changes are to be exported; None exports the whole model.

    Returns:
        The folder of the SavedModel or delta.

    Raises:
        UserError: there is no such checkpoint or base, or it could not be exported.
    """
    pipeline = config.pipeline
    checkpoint = find_checkpoint(pipeline, choice or "latest")
    if choice is None and pipeline.export_config.exporter_type == "best":
        checkpoint = _best_or_last(pipeline, checkpoint, terminal)
        if _best_of(pipeline) == checkpoint:
            print_line(terminal, f"exporter_type is best: step {checkpoint.step} is exported.")
    for note in version_notes(pipeline, checkpoint.state()):
        print_line(terminal, note, "yellow")
    older = exports_of(checkpoint, folder) if since is None else []
    with begun_ahead() as process, phase_bar(PHASES) as tell_phase:
        listener = partial(told, tell=tell_phase)
        if since is None:
            done = export(pipeline, checkpoint, folder, listener=listener, process=process)
        else:
            delta = export_since(pipeline, checkpoint, folder, since, listener, process)
            done = delta.export
    if since is None:
        print_export(done, terminal)
    else:
        print_delta(delta, terminal)
    if older:
        print_line(
            terminal,
            f"This checkpoint was exported before, to {quoted(map(str, older), limit=3)}. Servers take the newest: "
            "remove what none of them reads any more.",
            "yellow",
        )
    if choice == "latest" or (choice is None and pipeline.export_config.exporter_type != "best"):
        _tell_better(config, checkpoint, terminal)
    return done.path


def exports_of(checkpoint: Checkpoint, folder: Path) -> list[Path]:
    """Returns the exports below a folder that were made of a checkpoint, oldest first."""
    descriptions = {path.parents[1]: _description(path) for path in folder.glob("*/assets.extra/easymtl.json")}
    found = [
        path
        for path, said in descriptions.items()
        if path.name.isdigit()
        and said.get("step") == checkpoint.step
        and Path(str(said.get("checkpoint"))).resolve() == checkpoint.path.resolve()
    ]
    return sorted(found, key=lambda path: int(path.name))


def _description(path: Path) -> Mapping[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _best_of(pipeline: Pipeline) -> Checkpoint | None:
    """Returns the checkpoint of the best evaluation, None if there has been none."""
    latest = CheckpointFolder(pipeline.model_dir).latest()
    best = latest.state().get("best", {}) if latest else {}
    if best.get("value") is None:
        return None
    return CheckpointFolder(pipeline.model_dir).at(int(best["step"]))


def _best_or_last(pipeline: Pipeline, latest: Checkpoint, terminal: Terminal) -> Checkpoint:
    """Returns what `exporter_type: best` exports, and says why where that is not the best evaluation's checkpoint."""
    step = exported_step(pipeline, latest.state())
    if step is None:
        print_line(terminal, f"{_NO_BEST} The latest checkpoint is exported.", "yellow")
        return latest
    best = _best_of(pipeline)
    if step == latest.step and best and best.step != step:
        margin = pipeline.export_config.best_margin
        text = f"The evaluation of step {best.step} was better by no more than export_config.best_margin, {margin:g}"
        print_line(terminal, f"{text}: the last checkpoint is exported, of step {step}.")
    return latest if step == latest.step else find_checkpoint(pipeline, str(step))


def _tell_better(config: Config, exported: Checkpoint, terminal: Terminal) -> None:
    """Says that an evaluation of another step than the exported one was better, and how that one is exported."""
    pipeline = config.pipeline
    checkpoint = _best_of(pipeline)
    if checkpoint is None or checkpoint.step == exported.step:
        return
    best = Best.from_pipeline(pipeline)
    best.restore(checkpoint.state().get("best", {}))
    if best.value is None:
        # The config compares another metric than the training did.
        return
    path = config.path if Path(config.path).is_file() else Path(pipeline.model_dir) / CONFIG_NAME
    value = best.read(exported.state().get("metrics", {}))
    against = f", against {best.text(value)} of step {exported.step}" if value == value else ""
    print_line(
        terminal,
        f"Step {exported.step} was exported. The evaluation of step {checkpoint.step} was better "
        f"({best.text()}{against}): easymtl export --pipeline_config {path} --checkpoint best exports it, and "
        "export_config.exporter_type: best lets a training do so.",
        "yellow",
    )
