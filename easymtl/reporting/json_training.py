"""Training as lines of JSON, for programs that follow it."""

import time
from collections.abc import Callable

from rich.console import Console as Terminal

from easymtl.reporting.outcomes import Trained
from easymtl.reporting.output import WARNINGS, Output
from easymtl.reporting.terminal import open_terminal
from easymtl.training import events
from easymtl.training.result import TrainingResult


class JsonConsole:
    """A listener of training that writes each event; it stands where a `Console` does."""

    def __init__(self, output: Output, clock: Callable[[], float] = time.monotonic):
        """Writes nothing yet.

        Args:
            output: of the command, as JSON.
            clock: seconds, for the time that training takes.
        """
        self.terminal: Terminal = open_terminal()
        self._output = output
        self._clock = clock
        self._begin = clock()

    def __enter__(self) -> "JsonConsole":
        """Returns itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Has nothing to close."""

    def __call__(self, event: events.Event) -> None:
        """Writes an event; where only results are wanted, those alone that warn."""
        if not self._output.is_quiet or is_warning(event):
            self._output.tell(event)

    def close(self) -> None:
        """Has nothing to close."""

    def summary(self, result: TrainingResult) -> None:
        """Writes how a training ended."""
        self._output.result(
            Trained(
                step=result.step,
                checkpoint=result.checkpoint.path,
                best_step=result.best_step,
                metrics=result.metrics,
                num_examples=result.num_examples,
                seconds=self._clock() - self._begin,
                counts=result.counts,
                skipped_rows=result.skipped_rows,
                is_stopped=result.is_stopped,
            )
        )


def is_warning(event: events.Event) -> bool:
    """Returns whether an event is one that a quiet command tells."""
    if isinstance(event, events.Note):
        return event.text.startswith(WARNINGS)
    if isinstance(event, events.PartScored):
        return bool(event.drift or event.warnings)
    return isinstance(event, events.Evaluated) and bool(event.warnings)
