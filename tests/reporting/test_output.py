"""How a command speaks: to a person, to a program, quietly."""

import json
import sys
from pathlib import Path

import pytest

from easymtl.reporting.bars import Bar, bar, pass_bar
from easymtl.reporting.outcomes import Predicted
from easymtl.reporting.output import current, error_record, speaking
from easymtl.reporting.phases import begin
from easymtl.training.events import Note


def records(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_as_json_all_that_is_on_standard_output_is_json(capsys):
    with speaking("predict", "json") as output:
        begin("reading", "käse.parquet")
        output.tell(Note("A word."))
        print("printed by somebody")
        print("half a line", end="")
        output.result(Predicted("s.parquet", 3, "m", float("nan")), lambda: print("a table"))
    found = records(capsys.readouterr().out)
    assert [record["event"] for record in found] == ["phase", "note", "note", "result", "note"]
    assert found[0]["detail"] == "käse.parquet"
    assert found[2]["text"] == "printed by somebody"
    assert found[4]["text"] == "half a line"
    assert found[3] == {
        **{"event": "result", "time": found[3]["time"], "command": "predict", "of": "predicted"},
        **{"output": "s.parquet", "num_rows": 3, "source": "m", "seconds": None},
    }


def test_a_person_gets_what_is_shown(capsys):
    with speaking("predict") as output:
        output.tell(Note("A word."))
        output.result(Predicted("s.parquet", 3, "m", 1.0), lambda: print("a table"))
        output.error("it failed", 2)
    assert capsys.readouterr() == ("a table\n", "")


def test_a_quiet_command_tells_results_and_no_phases(capsys):
    with speaking("predict", "json", is_quiet=True) as output:
        begin("reading")
        output.result(Predicted("s.parquet", 3, "m", 1.0))
    assert [record["event"] for record in records(capsys.readouterr().out)] == ["result"]


def test_streams_are_as_they_were_whatever_happened():
    before = sys.stdout, sys.stderr
    with pytest.raises(RuntimeError), speaking("predict", "json"):
        raise RuntimeError
    assert (sys.stdout, sys.stderr) == before
    assert current().verb == ""


def test_in_a_terminal_prints_go_above_what_is_being_done(make_terminal, monkeypatch):
    terminal = make_terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    with speaking("predict"):
        begin("reading", "a file")
        print("printed")
    text = terminal.getvalue()
    assert "reading: a file ...  0:00" in text
    assert text.split("\n")[0].endswith("\r\x1b[2Kprinted"), "the line is gone first"


def test_an_error_has_its_exit_code():
    assert {**error_record("wrong", 2), "time": 0} == {"event": "error", "time": 0, "message": "wrong", "exit_code": 2}


def test_a_bar_in_a_terminal(make_terminal, monkeypatch):
    terminal = make_terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "100")
    with speaking("predict"), bar(None, "Reading", 200) as advance:
        advance(50)
        current().phases.line._draw()
    assert "Reading" in terminal.getvalue() and "25%" in terminal.getvalue() and "50 rows" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[2K")


def test_a_bar_of_a_terminal_where_no_command_runs(make_terminal, make_pipe):
    from easymtl.reporting.terminal import open_terminal

    terminal, pipe = make_terminal(), make_pipe()
    for stream in (terminal, pipe):
        with bar(open_terminal(stream), "Reading", 10) as advance:
            advance(10)
    assert "Reading" in terminal.getvalue() and terminal.getvalue().endswith("\r\x1b[2K")
    assert pipe.text() == ""


def test_a_bar_in_a_pipe_is_a_phase(capsys):
    with speaking("predict", "json"), pass_bar("Scoring") as tell:
        tell(10, 0.5)
    (phase,) = records(capsys.readouterr().out)
    assert (phase["event"], phase["name"]) == ("phase", "scoring")


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_a_bar_fits(width):
    shown = Bar("Reading", 1000, "rows", has_colours=False)
    shown.advance(250)
    text = shown.text(width)
    assert len(text) <= width and "\n" not in text
    assert "25%" in text.replace(" ", "")


def test_a_bar_without_an_end_counts():
    shown = Bar("Reading", None, "rows", has_colours=False)
    shown.advance(1250)
    assert shown.text(80).startswith("Reading 1,250 rows  0:0")
    assert shown.share is None


def test_records_have_no_paths_of_python():
    from easymtl.reporting.event_records import outcome_record
    from easymtl.reporting.outcomes import Made

    record = outcome_record("synth", Made({"train": Path("a/b")}, {"auc": 0.5}), lambda: 1.0)
    assert record == {
        **{"event": "result", "time": 1.0, "command": "synth", "of": "made"},
        **{"files": {"train": "a/b"}, "best_reachable": {"auc": 0.5}},
    }
