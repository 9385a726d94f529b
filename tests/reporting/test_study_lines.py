"""What a search says: of each trial, and at its end."""

from types import SimpleNamespace

import pytest

from easymtl.reporting.output import speaking
from easymtl.reporting.study_lines import StudyLines, print_study, ranked
from easymtl.reporting.terminal import open_terminal
from tests.reporting.test_study_page import row, study

ROWS = [row(0, [0.6]), row(1, [0.7]), row(2, [0.9], "pruned"), row(3, [0.5])]


def event(kind: str, **more):
    usual = {"number": 3, "seed": 2, "step": 1000, "share": 0.5, "values": [0.7], "spread": [0.1], "settings": {}}
    return SimpleNamespace(kind=kind, **{**usual, "note": "no rows", **more})


@pytest.mark.parametrize(("bigger", "order"), [(True, [1, 0, 3]), (False, [3, 0, 1])])
def test_the_best_comes_first_whichever_way_is_better(bigger, order):
    assert [one["number"] for one in ranked(study(ROWS, ("auc", bigger)))] == order


def test_of_a_front_its_members_alone_are_listed():
    rows = [row(0, [0.6, 0.3]), row(1, [0.7, 0.4]), row(2, [0.5, 0.5])]
    assert [one["number"] for one in ranked(study(rows, ("auc", True), ("loss", False), best=(0, 1)))] == [1, 0]


def test_trials_are_told(make_pipe):
    pipe = make_pipe()
    lines = StudyLines(open_terminal(pipe), ["auc"], 9, 2)
    for one in (event("begun", settings={"rate": "0.1"}), event("evaluated"), event("complete"), event("failed")):
        lines(one)
    assert pipe.text().splitlines() == [
        "trial 3: rate 0.1",
        "trial 3: seed 2 of 2, step 1,000: auc 0.70000 ± 0.10000",
        "trial 3: done: auc 0.70000 ± 0.10000",
        "trial 3: failed: no rows",
    ]


def test_a_quiet_search_tells_what_went_wrong_alone(make_pipe):
    pipe = make_pipe()
    with speaking("tune", is_quiet=True):
        lines = StudyLines(open_terminal(pipe), ["auc"], 9, 1)
        for kind in ("begun", "evaluated", "complete", "pruned", "stopped", "again", "failed"):
            lines(event(kind))
    assert pipe.text().splitlines() == [
        "trial 3: no rows. It will be tried once more.",
        "trial 3: failed: no rows",
    ]


@pytest.mark.parametrize("columns", ["60", "200"])
def test_the_end_tells_the_trials_at_any_width(make_terminal, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = make_terminal()
    long = {"a_setting_with_a_name_that_no_narrow_terminal_has_room_for": "0.000123"}
    print_study(study([{**one, "settings": long} for one in ROWS], ("auc", True), best=(1,)), open_terminal(terminal))
    said = terminal.getvalue()
    assert "4 trials: 3 complete, 1 pruned." in said
    assert "0.70000" in said and "0.000123" in said and said.index("0.70000") < said.index("0.60000")
