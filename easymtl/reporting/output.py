"""How a command speaks: to a person, or as lines of JSON to a program; all of it, or what matters alone."""

import io
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO, cast

from easymtl.reporting.phases import LivePhases, Phases, PlainPhases, Silent
from easymtl.reporting.status import StatusLine
from easymtl.reporting.streams import is_live_stream

if TYPE_CHECKING:
    from easymtl.reporting.outcomes import Outcome
    from easymtl.training.events import Event

FORMATS = ("text", "json")
WARNINGS = ("Warning: ", "Hint: ")
"""Beginnings of notes that a quiet command tells, too."""


@dataclass
class Output:
    """How the command that runs speaks.

    Attributes:
        verb: its name.
        phases: says what is being done.
        lines: gets the records of what happens; None where a person reads.
        is_quiet: whether only warnings, errors and the result are wanted.
        is_unfinished: set where the work goes on later, so that there is no next step but the same again.
        is_stdout_result: whether standard output is for a result that others read; words go to standard error then.
    """

    verb: str = ""
    phases: Phases = field(default_factory=Silent)
    lines: "JsonLines | None" = None
    is_quiet: bool = False
    is_unfinished: bool = False
    is_stdout_result: bool = False

    @property
    def is_json(self) -> bool:
        """Returns whether a program reads."""
        return self.lines is not None

    def tell(self, event: "Event") -> None:
        """Writes an event as a line of JSON; a person is told of it by others."""
        from easymtl.reporting.event_records import event_record

        if self.lines:
            self.lines.write(event_record(event))

    def result(self, outcome: "Outcome", show: Callable[[], None] = lambda: None) -> None:
        """Tells what has come of the command.

        Args:
            outcome: what is written as a line of JSON.
            show: prints it for a person.
        """
        from easymtl.reporting.event_records import outcome_record

        if self.lines:
            self.lines.write(outcome_record(self.verb, outcome))
            return
        show()

    def error(self, message: str, code: int) -> None:
        """Tells a program why the command has failed; a person reads it on standard error."""
        if self.lines:
            self.lines.write(error_record(message, code))


def error_record(message: str, code: int) -> dict[str, Any]:
    """Returns the event `error`: why a command has failed, and its exit code."""
    return {"event": "error", "time": time.time(), "message": message, "exit_code": code}


_running = [Output()]


def current() -> Output:
    """Returns how the command that runs speaks; where none runs, as in a notebook, phases are silent."""
    return _running[-1]


class JsonLines:
    """Writes records as lines of JSON, each at once and whole."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, record: Mapping[str, Any]) -> None:
        """Writes a record."""
        # In ASCII, whatever the encoding of the stream is.
        line = json.dumps(record, allow_nan=False)
        with self._lock:
            self._stream.write(line + "\n")
            self._stream.flush()


class _JsonPhases(Silent):
    """Tells a program what begins."""

    def __init__(self, lines: JsonLines):
        self._lines = lines

    def begin(self, name: str, detail: str = "") -> None:
        from easymtl.reporting.event_records import event_record
        from easymtl.training.events import Phase

        self._lines.write(event_record(Phase(name, detail)))


class NoteLines(io.TextIOBase):
    """A stream for what is printed where a program reads: each line becomes an event `note`."""

    encoding = "utf-8"

    def __init__(self, lines: JsonLines):
        self._lines = lines
        self._begun = ""

    def write(self, text: str) -> int:
        """Writes a text; its last line is told when it has ended."""
        *whole, self._begun = (self._begun + text).split("\n")
        for line in whole:
            self._tell(line)
        return len(text)

    def close(self) -> None:
        """Tells the last line."""
        self._tell(self._begun)
        self._begun = ""

    def _tell(self, line: str) -> None:
        if line.strip():
            self._lines.write({"event": "note", "time": time.time(), "text": line.rstrip()})


@contextmanager
def speaking(
    verb: str, log_format: str = "text", is_quiet: bool = False, is_stdout_result: bool = False
) -> Iterator[Output]:
    """Lets what runs inside speak in one way, and leaves the streams as they were.

    Args:
        verb: the command.
        log_format: one of `FORMATS`. As JSON nothing but lines of JSON is written to standard output.
        is_quiet: leaves out what is no warning, no error and no result.
        is_stdout_result: see `Output`.
    """
    streams = sys.stdout, sys.stderr
    notes = None
    if log_format == "json":
        lines = JsonLines(sys.stdout)
        output = Output(verb, Silent() if is_quiet else _JsonPhases(lines), lines, is_quiet)
        notes = NoteLines(lines)
        sys.stdout = cast(TextIO, notes)
    elif is_quiet:
        output = Output(verb, is_quiet=True)
    elif is_live_stream(sys.stdout):
        line = StatusLine(sys.stdout)
        output = Output(verb, LivePhases(line))
        sys.stdout = cast(TextIO, line.above(sys.stdout))
        if sys.stderr.isatty():
            sys.stderr = cast(TextIO, line.above(sys.stderr))
    else:
        output = Output(verb, PlainPhases(sys.stderr))
    output.is_stdout_result = is_stdout_result
    _running.append(output)
    try:
        yield output
    finally:
        try:
            if notes:
                notes.close()
            output.phases.close()
        finally:
            # Whoever is impatient interrupts the end, too.
            sys.stdout, sys.stderr = streams
            _running.pop()
