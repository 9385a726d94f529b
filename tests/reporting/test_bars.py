"""Bars of what is done in parts: how they count, and where they are drawn."""

import pytest

from easymtl.reporting.bars import Bar, bar, each, phase_bar
from easymtl.reporting.output import speaking
from easymtl.reporting.terminal import open_terminal


def test_a_part_counts_once_the_next_one_begins():
    done = []
    tell = each(done.append)
    tell("first")
    assert done == [], "it has only begun"
    tell("second")
    tell("third")
    assert done == [1, 1]


def test_a_bar_of_which_the_whole_is_known_tells_its_share():
    shown = Bar("Reading", 200, "rows")
    shown.advance(50)
    assert shown.share == 0.25
    shown.advance(500)
    assert shown.share == 1.0, "whoever has miscounted is done"
    assert Bar("Reading", None, "rows").share is None


@pytest.mark.parametrize("width", [10, 40, 80])
@pytest.mark.parametrize("total", [1000, None])
def test_it_fits_however_narrow_the_terminal_is(width, total):
    shown = Bar("Permuting features of a_run_with_a_long_name", total, "rows", has_colours=False)
    shown.advance(500)
    assert len(shown.text(width)) <= width
    assert "━" not in Bar("Reading", 10, "rows", has_colours=False).text(30)


def test_a_quiet_command_draws_none(make_terminal, monkeypatch):
    stream = make_terminal()
    monkeypatch.setattr("sys.stdout", stream)
    with speaking("predict", is_quiet=True), bar(open_terminal(), "Reading", 10) as advance:
        advance(5)
    assert stream.getvalue() == ""


def test_phases_are_a_bar_that_tells_which_one_it_is(make_terminal, monkeypatch):
    stream = make_terminal()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setattr("sys.stderr", stream)
    with speaking("export"), phase_bar(("reading", "writing", "proving")) as tell:
        for name, detail in (("reading", ""), ("calibrating", "ctr"), ("writing", "rows"), ("proving", "")):
            tell(name, detail)
    shown = stream.getvalue()
    places = [shown.index(text) for text in ("reading", "calibrating: ctr", "writing: rows", "proving")]
    assert places == sorted(places)
    assert "0%" in shown and "33%" in shown and "67%" in shown and "━" in shown


def test_phases_of_a_quiet_command_are_nothing(make_terminal, monkeypatch):
    stream = make_terminal()
    monkeypatch.setattr("sys.stdout", stream)
    with speaking("export", is_quiet=True), phase_bar(("reading",)) as tell:
        tell("reading", "")
    assert stream.getvalue() == ""
