"""What stands in a terminal at the end of a command, and its picture."""

import sys
from xml.etree import ElementTree

import pytest

from benchmarks.terminal_picture import cut, folded, main, picture, screen


def test_what_is_rewritten_in_place_stands_once():
    written = "a\r\n\x1b[?25lstep 1\r\x1b[2Kstep 2\r\x1b[2K\r\n\x1b[1A\x1b[2Kb\r\nc\r\n"
    assert screen(written) == ["a", "b", "c", ""]


def test_a_cursor_goes_up_by_as_many_lines_as_it_is_told():
    assert screen("a\r\nb\r\nc\r\n\x1b[3A\x1b[2Kd\r\n\x1b[9A\x1b[2Ke\r\n") == ["e", "b", "c", ""]


def test_a_line_is_written_anew_from_its_beginning_only_where_something_follows():
    assert screen("one\rtwo\r\nthree\r\n") == ["two", "three", ""]


def test_long_output_is_folded_in_its_middle():
    assert folded(list("abcdefgh"), 6) == ["a", "b", "...", "f", "g", "h"]
    assert folded(list("abc"), 3) == list("abc")


def test_what_is_behind_the_last_line_is_cut():
    lines = ["a", "\x1b[1mSaved\x1b[0m x", "Saved y", ""]
    assert cut(lines, "Saved") == lines[:2]
    assert cut(lines, None) == lines[:3]
    with pytest.raises(RuntimeError, match='no line begins with "Sved"'):
        cut(lines, "Sved")


def test_a_picture_has_the_text_and_its_colours_and_fetches_nothing():
    image = picture(["\x1b[31mred\x1b[0m plain"], "a title", 40)
    text = "".join(ElementTree.fromstring(image).itertext()).replace("\u00a0", " ")
    assert "a title" in text and "red" in text and " plain" in text
    assert "fill: #cc555a" in image
    assert "url(http" not in image and "@font-face" not in image


@pytest.mark.slow
def test_a_command_is_run_in_a_terminal(tmp_path):
    out = tmp_path / "images" / "picture.svg"
    program = "import os, sys; print(sys.stdout.isatty(), os.get_terminal_size().columns)"
    main([str(out), "--columns", "70", "--", sys.executable, "-c", program])
    assert "True&#160;70" in out.read_text(encoding="utf-8")
    with pytest.raises(RuntimeError, match="ends with 3"):
        main([str(out), "--", sys.executable, "-c", "raise SystemExit(3)"])
