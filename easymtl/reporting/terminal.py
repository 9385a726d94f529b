"""The stream that everything is printed to: a terminal, a dumb one, or a pipe, in whatever encoding."""

import sys
from typing import TextIO, cast

from rich.console import Console
from rich.text import Text

from easymtl.reporting.status import Above, status_line_of
from easymtl.reporting.streams import Stream, wrapped

_PIPE_WIDTH = 500


def open_terminal(stream: TextIO | None = None, width: int | None = None) -> Console:
    """Returns the console of a stream, standard output by default.

    A pipe gets no escape code, whatever the environment says, and lines as long as they come unless `width` limits
    them. NO_COLOR takes the colours away, TERM=dumb all control codes.
    """
    stream = stream or sys.stdout
    is_terminal = stream.isatty()
    line = status_line_of(stream)
    if line and not isinstance(stream, Above):
        stream = cast(TextIO, line.above(stream))
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
    """Prints a line: in a terminal broken between words alone, in a pipe not at all, however long it is."""
    if not terminal.is_terminal:
        terminal.print(Text(text, style=style), soft_wrap=True)
        return
    # What is longer than a line, such as a path, is left to the terminal, from which it can be copied whole.
    terminal.print(Text(wrapped(text, terminal.width), style=style), soft_wrap=True)
