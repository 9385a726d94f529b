"""The last line of a terminal, rewritten in place while a command works; all that is printed goes above it."""

import itertools
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO

from easymtl.reporting.streams import Stream, cut, is_live_stream, width_of

_SECONDS_BETWEEN = 0.25
_ERASE = "\r\x1b[2K"
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PLAIN_SPINNER = "-\\|/"

Render = Callable[[int], str]
"""Returns the text of the line, without its line end, for a width in columns."""


class StatusLine:
    """A line at the bottom of a terminal, drawn anew four times a second by a thread of its own.

    It is there only between two lines of other output: `write`, or a stream of `above`, takes it away before it writes.

    Attributes:
        terminal: where it is drawn.

    Example:
        line = StatusLine(sys.stdout)
        line.show(lambda width: "reading ...")
        line.close()
    """

    def __init__(self, stream: TextIO, seconds_between: float = _SECONDS_BETWEEN):
        """Draws nothing yet, and starts no thread.

        Args:
            stream: a terminal.
            seconds_between: between two drawings.
        """
        self.terminal = stream
        self._stream: Any = Stream(stream) if stream.encoding else stream
        self._seconds = seconds_between
        self._lock = threading.RLock()
        self._render: Render | None = None
        self._is_drawn = False
        self._is_at_start = True
        self._thread: threading.Thread | None = None
        self._end = threading.Event()
        self._turns = itertools.cycle(_SPINNER if _has_all(stream.encoding, _SPINNER) else _PLAIN_SPINNER)

    def show(self, render: Render) -> None:
        """Shows what `render` returns, at once and from now on."""
        with self._lock:
            self._render = render
            self._draw()
            if self._thread is None:
                self._end.clear()
                self._thread = threading.Thread(target=self._keep_drawing, name="easymtl-status", daemon=True)
                self._thread.start()

    def hide(self) -> None:
        """Takes the line away until the next `show`."""
        with self._lock:
            self._render = None
            self._erase()
            with suppress(OSError, ValueError):
                self.terminal.flush()

    def close(self) -> None:
        """Takes the line away, and ends the thread."""
        self.hide()
        self._end.set()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join()
        self._thread = None

    def write(self, text: str, stream: Any) -> int:
        """Writes to a stream that ends on the same terminal."""
        if not text:
            # A terminal that prints above a line may be flushed without a word.
            return 0
        with self._lock:
            self._erase()
            self.terminal.flush()
            count = stream.write(text)
            self._is_at_start = text.endswith("\n")
            return count

    def above(self, stream: TextIO) -> "Above":
        """Returns a stream that writes to another one, above the line."""
        return Above(stream, self)

    def _keep_drawing(self) -> None:
        while not self._end.wait(self._seconds):
            with self._lock:
                if self._render:
                    self._draw()

    def _draw(self) -> None:
        if self._render is None or not self._is_at_start:
            return
        width = width_of(self.terminal) - 1
        text = f"{next(self._turns)} {self._render(width - 2)}"
        try:
            # What is styled has been made to fit by whoever has styled it.
            self._stream.write(f"{_ERASE}{text if _ESCAPE in text else cut(text, width)}")
            self._stream.flush()
        except (OSError, ValueError):
            # The terminal is gone; the command need not be.
            self._render = None
            return
        self._is_drawn = True

    def _erase(self) -> None:
        if self._is_drawn:
            self._is_drawn = False
            try:
                self._stream.write(_ERASE)
            except (OSError, ValueError):
                self._render = None


_ESCAPE = "\x1b"


class Above:
    """A stream that writes above a status line; in all else it is the stream behind it."""

    def __init__(self, stream: TextIO, line: StatusLine):
        self._stream = stream
        self._line = line

    def write(self, text: str) -> int:
        """Writes text."""
        return self._line.write(text, self._stream)

    def writelines(self, lines) -> None:
        """Writes texts one after the other."""
        self.write("".join(lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def status_line_of(stream: Any) -> StatusLine | None:
    """Returns the status line that a stream writes above, or a new one on a terminal; None where none can be drawn."""
    inner = stream._stream if isinstance(stream, Stream) else stream
    if isinstance(inner, Above):
        return inner._line
    return StatusLine(inner) if is_live_stream(inner) else None


def _has_all(encoding: str | None, text: str) -> bool:
    try:
        text.encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
