"""The stream that everything is printed to: a terminal, a dumb one, or a pipe, in whatever encoding."""

import sys
from typing import TextIO, cast

from rich.console import Console
from rich.text import Text

_PIPE_WIDTH = 500
_ASCII = str.maketrans({"…": "~", "–": "-", "—": "-", "×": "x", "·": ".", "─": "-", "━": "-", "‘": "'", "’": "'"})


class Stream:
    """A text stream that never fails on its encoding: what that lacks becomes the nearest ASCII, or `?`."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self.encoding = stream.encoding

    def write(self, text: str) -> int:
        """Writes text."""
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            text = text.translate(_ASCII).encode(self.encoding, "replace").decode(self.encoding)
        return self._stream.write(text)

    def flush(self) -> None:
        """Hands on what was written."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Returns whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Returns the descriptor of the stream, by which the size of a terminal is found."""
        return self._stream.fileno()


def open_terminal(stream: TextIO | None = None, width: int | None = None) -> Console:
    """Returns the console of a stream, standard output by default.

    A pipe gets no escape code, whatever the environment says, and lines as long as they come unless `width` limits
    them. NO_COLOR takes the colours away, TERM=dumb all control codes.
    """
    stream = stream or sys.stdout
    is_terminal = stream.isatty()
    if width is None and not is_terminal:
        width = _PIPE_WIDTH
    return Console(
        file=cast(TextIO, Stream(stream)) if stream.encoding else stream,
        force_terminal=is_terminal,
        force_jupyter=False,
        width=width,
        markup=False,
        highlight=False,
        emoji=False,
    )


def is_live(terminal: Console) -> bool:
    """Returns whether a line can be rewritten in place."""
    return terminal.is_terminal and not terminal.is_dumb_terminal


def print_line(terminal: Console, text: str, style: str = "") -> None:
    """Prints a line; in a pipe it stays one line, however long."""
    terminal.print(Text(text, style=style), soft_wrap=not terminal.is_terminal)
