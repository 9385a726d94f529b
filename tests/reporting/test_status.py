"""The last line of a terminal, and what is printed above it."""

import re
import threading
import time

import pytest

from easymtl.reporting.status import Above, StatusLine, status_line_of
from easymtl.reporting.terminal import open_terminal, print_line

ERASE = "\r\x1b[2K"


@pytest.fixture
def terminal(make_terminal):
    return make_terminal()


@pytest.fixture
def line(terminal):
    line = StatusLine(terminal, seconds_between=0.01)
    yield line
    line.close()


def shown(text: str) -> list[str]:
    """Returns what stands on the screen in the end, line by line, for who knows erasing and carriage return alone."""
    lines = [""]
    for part in re.split(r"(\n|\r\x1b\[2K)", text):
        if part == "\n":
            lines.append("")
        elif part == ERASE:
            lines[-1] = ""
        else:
            lines[-1] += part
    return lines


def test_shows_at_once_and_goes_on_by_itself(line, terminal):
    line.show(lambda width: "reading")
    assert terminal.getvalue() == f"{ERASE}⠋ reading"
    before = terminal.getvalue()
    for _ in range(200):
        if terminal.getvalue() != before:
            break
        time.sleep(0.01)
    assert terminal.getvalue() != before, "a thread of its own draws it"


def test_what_is_printed_goes_above(line, terminal):
    stream = line.above(terminal)
    line.show(lambda width: "reading")
    print("one", file=stream)
    line.show(lambda width: "writing")
    print("two", file=stream)
    line.close()
    assert shown(terminal.getvalue()) == ["one", "two", ""]


def test_a_line_that_is_not_at_its_end_is_left_alone(line, terminal):
    stream = line.above(terminal)
    stream.write("half ")
    line.show(lambda width: "reading")
    stream.write("a line\n")
    assert "half a line\n" in terminal.getvalue()
    line.show(lambda width: "reading")
    assert shown(terminal.getvalue())[-1].endswith("reading")


def test_it_is_never_wider_than_the_terminal(line, terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    line.show(lambda width: "x" * 100)
    assert len(shown(terminal.getvalue())[-1]) == 19
    line.show(lambda width: "模" * 100)
    assert len(shown(terminal.getvalue())[-1]) <= 11


def test_closing_ends_the_thread(line):
    line.show(lambda width: "reading")
    assert any(thread.name == "easymtl-status" for thread in threading.enumerate())
    line.close()
    assert not any(thread.name == "easymtl-status" for thread in threading.enumerate())


def test_a_terminal_that_is_gone_does_not_end_the_command(make_terminal):
    class Gone(make_terminal):
        def flush(self):
            raise OSError("gone")

    line = StatusLine(Gone())
    line.show(lambda width: "reading")
    line.hide()
    line.close()


def test_two_streams_of_one_terminal_share_its_line(make_terminal):
    terminal = make_terminal()
    line = StatusLine(terminal)
    stream = line.above(terminal)
    assert status_line_of(stream) is line
    console = open_terminal(stream)
    assert status_line_of(console.file) is line
    line.show(lambda width: "reading")
    print_line(console, "said by rich")
    line.close()
    assert shown(terminal.getvalue()) == ["said by rich", ""]


def test_a_terminal_of_rich_brings_its_own_line(make_terminal, make_pipe):
    stream = make_terminal()
    assert isinstance(open_terminal(stream).file, Above)
    assert status_line_of(make_pipe()) is None


def test_an_encoding_without_the_spinner_gets_a_plain_one(make_pipe):
    class Ascii(make_pipe):
        def isatty(self):
            return True

    stream = Ascii("ascii")
    line = StatusLine(stream)
    line.show(lambda width: "käse")
    line.close()
    assert stream.text().startswith(f"{ERASE}- k?se")
