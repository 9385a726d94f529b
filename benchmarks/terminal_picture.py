"""A picture of what a command shows in a terminal, as it stands at its end.

    python -m benchmarks.terminal_picture docs/images/training.svg [--until SavedModel] -- easymtl train ...

The command runs in a pseudo-terminal, with its colours and with what it rewrites in place. The picture is an SVG that
fetches no font.
"""

import argparse
import codecs
import fcntl
import io
import os
import pty
import re
import shlex
import struct
import sys
import termios
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

_FONT_FACE = re.compile(r"\s*@font-face \{\{.*?\}\}", re.DOTALL)
# A control sequence, a line feed, a carriage return, or what is between them.
_PIECE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|(\n)|(\r)|([^\x1b\n\r]+)|\x1b.?")


def run(command: list[str], columns: int) -> str:
    """Returns all that a command writes to a terminal of some columns; what it writes is shown here, too.

    Raises:
        RuntimeError: the command fails.
    """
    process, terminal = pty.fork()
    if process == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
        os.execvp(command[0], command)
    decoder, written = codecs.getincrementaldecoder("utf-8")(), []
    while True:
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:
            break
        if not data:
            break
        written.append(decoder.decode(data))
        sys.stdout.write(written[-1])
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if code != 0:
        raise RuntimeError(f"{shlex.join(command)} ends with {code}")
    return "".join(written)


def screen(written: str) -> list[str]:
    """Returns the lines that stand in a terminal in the end, with their colours.

    Cursors that go up, and lines that are erased or written anew from their beginning, are followed: this is how
    progress is shown.
    """
    lines, row = [""], 0
    is_anew = False
    for found in _PIECE.finditer(written):
        number, letter, feed, carriage, text = found.groups()
        if feed:
            row, is_anew = row + 1, False
            lines += [""] * (row + 1 - len(lines))
        elif carriage:
            is_anew = True
        elif letter == "A":
            row = max(row - int(number or 1), 0)
        elif letter == "K":
            lines[row] = ""
        elif letter == "m" or text:
            lines[row] = ("" if is_anew else lines[row]) + found[0]
            is_anew = False
    return [line.rstrip() for line in lines]


def picture(lines: list[str], title: str, columns: int) -> str:
    """Returns lines of a terminal as an SVG."""
    terminal = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True)
    for line in lines:
        terminal.print(Text.from_ansi(line), soft_wrap=False)
    form = _FONT_FACE.sub("", CONSOLE_SVG_FORMAT).replace("Fira Code", "DejaVu Sans Mono")
    # Names of its parts that do not depend on what is shown: two pictures of a page are apart by their titles.
    return terminal.export_svg(title=title, code_format=form, unique_id=re.sub(r"\W+", "-", title))


def cut(lines: list[str], until: str | None) -> list[str]:
    """Returns the lines up to the first that begins with a text, without empty ones at the end.

    Raises:
        RuntimeError: none begins so.
    """
    if until:
        ends = [place for place, line in enumerate(lines) if Text.from_ansi(line).plain.startswith(until)]
        if not ends:
            raise RuntimeError(f'no line begins with "{until}"')
        lines = lines[: ends[0] + 1]
    while lines and not lines[-1]:
        lines = lines[:-1]
    return lines


def folded(lines: list[str], most: int) -> list[str]:
    """Returns at most some lines: where there are more, those in the middle are left out."""
    if len(lines) <= most:
        return lines
    head = most // 3
    return [*lines[:head], "...", *lines[len(lines) - (most - head - 1) :]]


def main(arguments: list[str] | None = None) -> None:
    """Runs the command and writes the picture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.terminal_picture")
    parser.add_argument("out", type=Path)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--lines", type=int, default=40, help="how many are shown at most")
    parser.add_argument("--until", metavar="TEXT", help="begins the last line that is shown")
    parser.add_argument("command", nargs="+")
    flags = parser.parse_args(arguments)
    lines = screen(run(flags.command, flags.columns))
    lines = cut(lines, flags.until)
    title = shlex.join([Path(flags.command[0]).name, *flags.command[1:]])
    flags.out.parent.mkdir(parents=True, exist_ok=True)
    flags.out.write_text(picture(folded(lines, flags.lines), title, flags.columns), encoding="utf-8")


if __name__ == "__main__":
    main()
