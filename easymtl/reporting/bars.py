"""Bars of what is done in many small parts: rows that are read, scored, written.

    with bar(terminal, "Reading", total) as advance:
        for batch in batches:
            ...
            advance(batch.num_rows)

In a live terminal the bar is the last line, with what is left of the time; whatever is printed meanwhile goes above it.
In a pipe, and as JSON, it is a phase like any other; with `--quiet` it is nothing.
"""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from easymtl.reporting.output import current
from easymtl.reporting.phases import LivePhases, clock_text, phase_text
from easymtl.reporting.status import StatusLine, status_line_of
from easymtl.reporting.streams import cut

Advance = Callable[[float], None]
"""Is told how much more has been done."""

_BAR_WIDTH = 20


class Bar:
    """A bar as text; `rich` computes how long the rest will take."""

    def __init__(self, title: str, total: float | None, unit: str, has_colours: bool = True):
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(_BAR_WIDTH),
            TaskProgressColumn(),
            TextColumn("{task.fields[counted]}", markup=False),
            TimeRemainingColumn(),
        )
        self._has_colours = has_colours
        self.title = title
        self._unit = unit
        self._progress = Progress(*(columns if total else (columns[0], columns[3])), console=self._console(80))
        self._task = self._progress.add_task(title, total=total, counted="")
        self._counted = 0.0

    def advance(self, done: float) -> None:
        """Adds what has been done."""
        self._counted += done
        self.set(self._counted, self._counted)

    def set(self, completed: float, counted: float) -> None:
        """Sets what has been done in all, and the number that is shown for it."""
        text = f"{counted:,.0f} {self._unit}" if self._unit else ""
        self._progress.update(self._task, completed=completed, counted=text)

    def begin(self, title: str, completed: float | None = None) -> None:
        """Says what is being done now, and what has been done in all where that is known."""
        self._progress.update(self._task, description=title, completed=completed)

    @property
    def share(self) -> float | None:
        """Returns the share that is done, None where nobody knows the whole."""
        task = self._progress.tasks[0]
        return min(task.completed / task.total, 1.0) if task.total else None

    def text(self, width: int) -> str:
        """Returns the bar for a width; where that is narrow, without its drawing."""
        task = self._progress.tasks[0]
        plain = f"{task.description} {task.fields['counted']}".rstrip()
        if self.share is not None:
            plain = f"{task.description} {100 * self.share:.0f} %"
        console = self._console(width)
        with console.capture() as found:
            console.print(self._progress.get_renderable(), end="", no_wrap=True)
        lines = found.get().rstrip("\n").split("\n")
        if len(lines) > 1 or width < len(task.description) + _BAR_WIDTH + 40:
            return cut(f"{plain}  {clock_text(task.elapsed or 0)}", width)
        return lines[0].rstrip() if task.total else f"{lines[0].rstrip()}  {clock_text(task.elapsed or 0)}"

    def _console(self, width: int) -> Console:
        return Console(
            file=io.StringIO(),
            force_terminal=self._has_colours,
            width=width,
            color_system="standard" if self._has_colours else None,
            no_color="NO_COLOR" in os.environ,
            force_jupyter=False,
            legacy_windows=False,
            emoji=False,
        )


@contextmanager
def bar(terminal: Console | None, title: str, total: float | None = None, unit: str = "rows") -> Iterator[Advance]:
    """Shows how much of something is done, while the block runs, and nothing behind it.

    Args:
        terminal: where to; None for that of the command that runs.
        title: what is done, such as "Reading".
        total: how much there is to do; None where nobody knows.
        unit: what is counted, in the plural; empty to show the share alone.

    Yields:
        What is to be called with how much more has been done.
    """
    shown = Bar(title, total, unit, has_colours=terminal is None or terminal.color_system is not None)
    with _shown(shown, terminal):
        yield shown.advance


def each(advance: Advance) -> Callable[[object], None]:
    """Returns what is told each part before it is done, and counts those before it."""
    told: list[object] = []

    def tell(part: object) -> None:
        if told:
            advance(1)
        told.append(part)

    return tell


@contextmanager
def pass_bar(title: str, unit: str = "rows") -> Iterator[Callable[[int, float], None]]:
    """Shows how far a pass over data has come, of which nobody knows how many rows they have.

    Yields:
        What is to be called with the rows so far, and the share of the data that they are.
    """
    shown = Bar(title, 1.0, unit)
    with _shown(shown, None):
        yield lambda num_rows, share: shown.set(share, num_rows)


@contextmanager
def phase_bar(names: Sequence[str]) -> Iterator[Callable[[str, str], None]]:
    """Shows which of its phases a command is in, and how many of them are behind it.

    Args:
        names: of the phases, in their order; others may come between them.

    Yields:
        What is to be called with the name of a phase that begins, and its detail.
    """
    line = _line(None)
    shown = Bar(names[0], len(names), "")

    def tell(name: str, detail: str = "") -> None:
        # What holds the process up has the phase drawn by another one.
        current().phases.begin(name, detail)
        if line is not None:
            shown.begin(phase_text(name, detail), names.index(name) if name in names else None)
            line.show(shown.text)

    try:
        yield tell
    finally:
        current().phases.end()


@contextmanager
def _shown(shown: Bar, terminal: Console | None) -> Iterator[None]:
    line = _line(terminal)
    if line is not None:
        line.show(shown.text)
    else:
        current().phases.begin(shown.title.lower())
    try:
        yield
    finally:
        if line is not None:
            line.hide()
            if line is not getattr(current().phases, "line", None):
                line.close()
        else:
            current().phases.end()


def _line(terminal: Console | None) -> StatusLine | None:
    """Returns where a bar is drawn, None where it is not."""
    output = current()
    if isinstance(output.phases, LivePhases):
        return output.phases.line
    if output.verb or terminal is None:
        return None
    return status_line_of(terminal.file)
