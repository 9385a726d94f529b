"""What a command is doing right now, said from its first second on: it imports nothing that takes a while.

`begin("reading", "3 files")` says that something begins which may take a while, and ends what was said before. In a
live terminal it is the last line, with the seconds that it takes; in a pipe one line on standard error once it has
taken two seconds, and one every half a minute from then on. `python -m benchmarks.words` measures how long commands
are silent.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, Protocol, TextIO

from easymtl.reporting.formats import seconds_text
from easymtl.reporting.status import StatusLine
from easymtl.reporting.streams import cut
from easymtl.reporting.ticker import ticking

_PATIENCE_SECONDS = 2.0
_AGAIN_SECONDS = 30.0


class Phases(Protocol):
    """Who says what is being done."""

    def begin(self, name: str, detail: str = "") -> None:
        """Says that something begins; whatever was said before is over."""

    def put_off(self) -> None:
        """Learns that others tell how what is being done goes on, so that it need not be said soon."""

    def held(self) -> AbstractContextManager[None]:
        """Goes on saying it while a block lets no thread of this process run."""

    def end(self) -> None:
        """Says that nothing is being done that takes a while."""

    def close(self) -> None:
        """Ends what there is of threads."""


class Silent:
    """Says nothing."""

    def begin(self, name: str, detail: str = "") -> None:
        """Says nothing."""

    def put_off(self) -> None:
        """Says nothing."""

    def held(self) -> AbstractContextManager[None]:
        """Says nothing."""
        return nullcontext()

    def end(self) -> None:
        """Says nothing."""

    def close(self) -> None:
        """Has nothing to end."""


class LivePhases:
    """Says it in the last line of a terminal."""

    def __init__(self, line: StatusLine, clock: Callable[[], float] = time.monotonic):
        self.line = line
        self._clock = clock
        self._text, self._begin = "", clock()

    def begin(self, name: str, detail: str = "") -> None:
        """Shows the phase, and for how long it has been going on."""
        begin, text = self._clock(), phase_text(name, detail)
        self._text, self._begin = text, begin
        self.line.show(lambda width: live_text(text, self._clock() - begin, width))

    def put_off(self) -> None:
        """Leaves the line, which is one whatever is told above it."""

    def held(self) -> AbstractContextManager[None]:
        """Has a process of its own draw the line as well."""
        return ticking(self._text, self._clock() - self._begin, self.line.terminal)

    def end(self) -> None:
        """Takes the line away."""
        self.line.hide()

    def close(self) -> None:
        """Takes the line away, and ends its thread."""
        self.line.close()


class PlainPhases:
    """Says a phase by a line of its own, once it has gone on for a while, and rarely from then on."""

    def __init__(
        self,
        stream: TextIO,
        patience: float = _PATIENCE_SECONDS,
        again: float = _AGAIN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Starts no thread before the first phase.

        Args:
            stream: where to. Lines go to its descriptor, so that they are not held back with what others write to it.
            patience: seconds after which a phase is worth a line.
            again: seconds from one line about a phase to the next.
            clock: seconds.
        """
        self._stream = _own(stream)
        self._patience, self._again, self._clock = patience, again, clock
        self._lock = threading.Lock()
        self._text = ""
        self._begin = self._due = 0.0
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, name: str, detail: str = "") -> None:
        """Remembers what begins."""
        with self._lock:
            self._text, self._begin = phase_text(name, detail), self._clock()
            self._due = self._begin + self._patience
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="easymtl-phases", daemon=True)
            self._thread.start()

    def held(self) -> AbstractContextManager[None]:
        """Says nothing more: a line every half a minute can wait."""
        return nullcontext()

    def put_off(self) -> None:
        """Says nothing for as long as it is silent between two lines."""
        with self._lock:
            self._due = self._clock() + self._again

    def end(self) -> None:
        """Forgets it."""
        with self._lock:
            self._text = ""

    def close(self) -> None:
        """Ends the thread."""
        self.end()
        self._end.set()
        if self._thread:
            self._thread.join()
        if isinstance(self._stream, _OwnDescriptor):
            self._stream.close()

    def look(self) -> None:
        """Prints a line if it is time for one."""
        with self._lock:
            now = self._clock()
            if not self._text or now < self._due:
                return
            took = f" ({clock_text(now - self._begin)})" if now - self._begin >= self._again else ""
            self._due = now + self._again
            with suppress(OSError, ValueError):
                self._stream.write(f"{self._text} ...{took}\n")
                self._stream.flush()

    def _watch(self) -> None:
        while not self._end.wait(min(self._patience / 4, 0.5)):
            self.look()


class _OwnDescriptor:
    """A stream on a copy of a descriptor."""

    def __init__(self, number: int, encoding: str):
        self._file = os.fdopen(os.dup(number), "w", encoding=encoding, errors="replace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _own(stream: TextIO) -> Any:
    try:
        return _OwnDescriptor(stream.fileno(), stream.encoding or "utf-8")
    except (OSError, ValueError, AttributeError):
        # In a test or a notebook there may be none behind it.
        return stream


def phase_text(name: str, detail: str = "") -> str:
    """Returns a phase in words: `reading: 3 files`."""
    return f"{name}: {detail}" if detail else name


def live_text(text: str, seconds: float, width: int) -> str:
    """Returns a phase that has gone on for a while: `reading: 3 files ...  0:03`, the time being kept whole."""
    took = f" ...  {clock_text(seconds)}"
    return f"{cut(text, max(width - len(took), 1))}{took}"


def clock_text(seconds: float) -> str:
    """Returns whole seconds that have passed as `0:03`."""
    return seconds_text(int(seconds))


def begin(name: str, detail: str = "") -> None:
    """Says that something begins, wherever the command that runs says such things; nowhere where none runs.

    Args:
        name: a verb and what it is done to, such as "starting TensorFlow".
        detail: one short phrase; may be empty.
    """
    from easymtl.reporting.output import current

    current().phases.begin(name, detail)


@contextmanager
def phase(name: str, detail: str = "") -> Iterator[None]:
    """Says what is being done in a block, and that nothing is behind it.

    Example:
        with phase("reading", path):
            table = read(path)
    """
    from easymtl.reporting.output import current

    phases = current().phases
    phases.begin(name, detail)
    try:
        yield
    finally:
        phases.end()
