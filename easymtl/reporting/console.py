"""Training as told to a person at a terminal, or to the log of a job."""

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from rich.console import Console as Terminal

from easymtl.reporting.formats import counted, seconds_text
from easymtl.reporting.output import WARNINGS, current
from easymtl.reporting.part_table import print_drift, print_scored
from easymtl.reporting.phases import LivePhases, Phases, Silent
from easymtl.reporting.progress import ProgressLine
from easymtl.reporting.status import status_line_of
from easymtl.reporting.tables import print_counts, print_metrics
from easymtl.reporting.terminal import open_terminal, print_line
from easymtl.reporting.transfer_table import print_transfer
from easymtl.training import events
from easymtl.training.result import TrainingResult


class Console:
    """A listener of training that prints: one line of progress, a table per evaluation, a summary.

    Example:
        with Console(["click", "buy"], "model_dir/shop") as console:
            console.summary(Trainer(config, console).run())
    """

    def __init__(
        self,
        towers: Sequence[str],
        model_dir: str = "",
        terminal: Terminal | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Prints nothing yet.

        Args:
            towers: names of the task towers, in the order of the rows of tables.
            model_dir: where the run is kept; named in the first line.
            terminal: where to print; standard output by default.
            clock: seconds, for the pace of lines and the time that training took.
        """
        self.terminal = terminal or open_terminal()
        self._towers = list(towers)
        self._model_dir = model_dir
        self._clock = clock
        self._begin = clock()
        self._has_started = False
        self._line = ProgressLine(self._towers, self.terminal, clock)
        self._phases = _phases(self.terminal)
        # Lines of progress say of themselves that a training goes on.
        self._has_progress = False
        self._is_quiet = current().is_quiet
        self._tell: dict[type, Callable[[Any], None]] = {
            events.Started: self._started,
            events.Progress: self._progress,
            events.GradientConflict: self._conflict,
            events.Evaluated: self._evaluated,
            events.Saved: self._saved,
            events.StartedFrom: self._started_from,
            events.Phase: self._phase,
            events.Note: self._note,
            events.PartScored: self._part_scored,
            events.PartTrained: self._part_trained,
        }
        if self._is_quiet:
            self._tell = {
                events.Started: self._remember_start,
                events.Note: self._warning,
                events.Evaluated: self._warnings,
                events.PartScored: self._drift,
            }

    def __enter__(self) -> "Console":
        """Returns itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Leaves the terminal as it was, whatever happened."""
        self.close()

    def __call__(self, event: events.Event) -> None:
        """Prints an event; a summary for TensorBoard is none of its business."""
        tell = self._tell.get(type(event))
        if tell:
            tell(event)

    def close(self) -> None:
        """Prints the last line of progress, and gives the terminal back."""
        if self._is_quiet:
            return
        self._line.flush()
        self._phases.end()
        if not current().verb:
            self._phases.close()

    def _remember_start(self, event: events.Started) -> None:
        # A training that goes back to a checkpoint starts again, and has taken its time since the first start.
        if not self._has_started:
            self._begin = self._clock()
        self._has_started = True

    def _started(self, event: events.Started) -> None:
        self._remember_start(event)
        self._line.num_steps = event.num_steps
        print_line(self.terminal, started_text(event, self._model_dir), "bold")

    def _phase(self, event: events.Phase) -> None:
        # Progress that is still to be shown comes first, to stay above.
        if event.name != "training":
            self._line.flush()
        self._phases.begin(event.name, event.detail)
        if event.name == "training" and self._has_progress:
            self._phases.put_off()

    def _progress(self, event: events.Progress) -> None:
        self._line.show(event)
        self._has_progress = True
        self._phases.put_off()

    def _conflict(self, event: events.GradientConflict) -> None:
        print_line(self.terminal, conflict_text(event), "dim")

    def _evaluated(self, event: events.Evaluated) -> None:
        self._line.flush()
        print_metrics(event.metrics, self._towers, self.terminal, evaluated_text(event), event.warnings)

    def _warnings(self, event: events.Evaluated) -> None:
        for warning in event.warnings:
            print_line(self.terminal, f"Warning: {warning}", "yellow")

    def _warning(self, event: events.Note) -> None:
        if event.text.startswith(WARNINGS):
            print_line(self.terminal, event.text)

    def _saved(self, event: events.Saved) -> None:
        self._line.flush()
        print_line(self.terminal, f"Saved {event.path}", "dim")

    def _started_from(self, event: events.StartedFrom) -> None:
        print_transfer(event.transfer, self.terminal, "Starting from the weights of")

    def _note(self, event: events.Note) -> None:
        print_line(self.terminal, event.text, "yellow" if event.text.startswith(WARNINGS) else "")

    def _part_scored(self, event: events.PartScored) -> None:
        self._line.flush()
        print_scored(self.terminal, event, self._towers)

    def _drift(self, event: events.PartScored) -> None:
        print_drift(self.terminal, event)

    def _part_trained(self, event: events.PartTrained) -> None:
        self._line.flush()
        exported = f", exported to {event.export}" if event.export else ""
        print_line(
            self.terminal, f"Part {event.number}, {event.part}: trained on to step {event.step:,}{exported}", "bold"
        )

    def summary(self, result: TrainingResult) -> None:
        """Prints how a training ended, and what was odd in its data.

        Args:
            result: what `Trainer.run` returned.
        """
        self.close()
        if self._is_quiet and result.metrics:
            print_metrics(result.metrics, self._towers, self.terminal)
        print_counts(result.counts, None, result.skipped_rows, self.terminal)
        value = f" ({result.best})" if result.best else ""
        best = f", best evaluation at step {result.best_step}{value}" if result.best_step is not None else ""
        took = seconds_text(self._clock() - self._begin)
        print_line(self.terminal, f"Trained to step {result.step} in {took}{best}.", "bold")
        print_line(self.terminal, f"Checkpoint: {result.checkpoint.path}")


def _phases(terminal: Terminal) -> Phases:
    """Returns what says what is being done: the command that runs or, where there is none, the terminal."""
    output = current()
    if output.verb:
        return output.phases
    line = status_line_of(terminal.file)
    return LivePhases(line) if line else Silent()


def started_text(event: events.Started, model_dir: str = "") -> str:
    """Returns the first line of a training: what is trained, in which precision, where."""
    sizes = ", ".join(f"{number:,} {kind}" for kind, number in event.num_parameters.items())
    going = f"Training on from step {event.first_step}" if event.first_step else "Training"
    place = f"; {model_dir}" if model_dir else ""
    return f"{going}: parameters {sizes}; {event.precision} on {_devices()}{place}"


def _devices() -> str:
    gpus = len(tf.config.list_physical_devices("GPU"))
    return counted(gpus, "GPU") if gpus else counted(os.cpu_count() or 1, "CPU core")


def conflict_text(event: events.GradientConflict) -> str:
    """Returns the line of a comparison: `step 300: gradient cosine ctr/cvr 0.12, ctr/stay -0.40`."""
    pairs = ", ".join(f"{pair} {value:.2f}" for pair, value in event.cosines.items())
    return f"step {event.step}: gradient cosine {pairs or 'unknown: no two tasks have a gradient in this batch'}"


def evaluated_text(event: events.Evaluated) -> str:
    """Returns the line above the table of an evaluation."""
    best = ", best so far" if event.is_best else ""
    rows = counted(event.num_examples, "row")
    return f"Evaluation at step {event.step}: {rows} in {event.seconds:.1f} s{best}"
