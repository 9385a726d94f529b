"""Streams that texts go to: in whatever encoding, at whatever width; imports nothing that takes a while."""

import os
import textwrap
import unicodedata
from typing import TextIO

_ASCII = str.maketrans({"…": "~", "–": "-", "—": "-", "×": "x", "·": ".", "─": "-", "━": "-", "‘": "'", "’": "'"})
_USUAL_WIDTH = 80


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


def is_live_stream(stream: TextIO) -> bool:
    """Returns whether a line of a stream can be rewritten in place: it is a terminal, and no dumb one."""
    return stream.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def width_of(stream: TextIO) -> int:
    """Returns the columns of a terminal: what the environment says, what the terminal says, or 80."""
    said = os.environ.get("COLUMNS", "")
    if said.isdigit() and int(said):
        return int(said)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _USUAL_WIDTH
    except (OSError, ValueError, AttributeError):
        return _USUAL_WIDTH


def cut(text: str, width: int) -> str:
    """Returns the beginning of a text that fits into `width` columns, of which a Chinese letter takes two."""
    if len(text) <= width and text.isascii():
        return text
    sizes = [_columns(letter) for letter in text]
    if sum(sizes) <= width:
        return text
    kept, left = 0, width - 1
    while kept < len(text) and sizes[kept] <= left:
        left -= sizes[kept]
        kept += 1
    return text[:kept] + "…"


def _columns(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def wrapped(text: str, width: int) -> str:
    """Returns a text with its lines broken between words; a longer word, such as a path, stays whole.

    What goes on is indented as its first line is, and by two more.
    """
    lines = []
    for line in text.split("\n"):
        indent = line[: len(line) - len(line.lstrip())]
        lines.append(hanging(line, width, indent + "  "))
    return "\n".join(lines)


def hanging(line: str, width: int, indent: str) -> str:
    """Returns a line broken between words, what goes on being indented."""
    wrap = textwrap.TextWrapper(width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(wrap.wrap(line))


def say(text: str, stream: TextIO) -> None:
    """Prints a text: to a terminal in lines that break between words, to a pipe as it is."""
    shown = wrapped(text, width_of(stream)) if stream.isatty() else text
    stream.write(shown + "\n")
    stream.flush()
