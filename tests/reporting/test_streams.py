"""Lines that break between words alone."""

import pytest

from easymtl.reporting.streams import cut, hanging, say, width_of, wrapped

PATH = "/a/very/long/path/that/is/longer/than/any/line/of/forty/columns/x.config"


def test_words_are_never_broken():
    text = f"note: the feature well-known-name of {PATH} is constant in all of the first rows."
    found = wrapped(text, 40)
    assert found.split() == text.split()
    assert all(len(line) <= 40 or line.strip() == PATH for line in found.split("\n"))


def test_what_goes_on_is_indented_by_two_more():
    assert wrapped("  one two three", 12) == "  one two\n    three"
    assert hanging("name  one two three", 12, " " * 6) == "name  one\n      two\n      three"


def test_empty_lines_stay():
    assert wrapped("one\n\ntwo", 40) == "one\n\ntwo"


@pytest.mark.parametrize("width, expected", [(9, "模型 abcd"), (8, "模型 ab…"), (4, "模…"), (2, "…")])
def test_letters_of_two_columns_count_twice(width, expected):
    assert cut("模型 abcd", width) == expected


def test_a_pipe_gets_the_text_as_it_is(make_pipe, make_terminal, monkeypatch):
    pipe, terminal = make_pipe(), make_terminal()
    monkeypatch.setenv("COLUMNS", "10")
    say("one two three", pipe)
    say("one two three", terminal)
    assert pipe.text() == "one two three\n"
    assert terminal.getvalue() == "one two\n  three\n"


def test_the_width_is_that_of_the_environment_or_80(make_terminal, monkeypatch):
    assert width_of(make_terminal()) == 80
    monkeypatch.setenv("COLUMNS", "60")
    assert width_of(make_terminal()) == 60
