"""`make faults` itself: it goes on where it stopped, tells what was lost, and has enough to do; and its short form."""

import json
import random

import pytest

from tests.faults import command_kinds, injection, run
from tests.faults.data_kinds import unreadable_data
from tests.faults.kinds import KINDS, Kind
from tests.faults.long_kinds import _EXPORT_KILLS, _KILLS
from tests.faults.mode_kinds import closed_folder
from tests.faults.project import Project, Result
from tests.faults.small_kinds import damaged_checkpoint, failing_operation, killed_at_operation
from tests.faults.together_kinds import killed_saving


def test_there_are_four_hundred_faults():
    several = {
        "kill": _KILLS,
        "kill_export": _EXPORT_KILLS,
        "follow": command_kinds.DAYS_KILLS,
        "workers": command_kinds.WORKERS_KILLS,
        "launch": command_kinds.LAUNCHER_KILLS,
    }
    assert sum(kind.number * several.get(kind.name, 1) for kind in KINDS.values()) >= 400


@pytest.fixture
def kinds(monkeypatch, tmp_path):
    """Two kinds in place of all, one of which loses something at its second unit; and what was run of them."""
    ran = []

    def unit(name, problems):
        def do(project, chance, number):
            ran.append((name, number, chance.random()))
            return Result(2, problems if number == 1 else [], "detail")

        return do

    table = {name: Kind(name, f"what {name} is", 3, unit(name, lost)) for name, lost in (("a", []), ("b", ["gone"]))}
    monkeypatch.setattr(run, "KINDS", table)
    monkeypatch.setattr(run, "Project", lambda folder: None)
    return ran


def test_what_was_done_is_not_done_again(kinds, tmp_path, capsys):
    results = tmp_path / "results" / "faults.json"
    words = ["--results", str(results)]
    assert run.main([*words, "--share", "0.4", "--kinds", "a,b"]) == 0
    assert [one[:2] for one in kinds] == [("a", 0), ("b", 0)]
    assert run.main([*words, "--kinds", "b"]) == 1
    assert [one[:2] for one in kinds[2:]] == [("b", 1), ("b", 2)]
    assert "LOST  b             1  gone" in capsys.readouterr().out
    assert run.main([*words, "--kinds", "a", "--fresh"]) == 0
    assert [one[:2] for one in kinds[4:]] == [("a", 0), ("a", 1), ("a", 2)]
    assert kinds[4] == kinds[0], "a unit is the same one whatever was done before"
    last = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()[-3:]]
    assert last == ["a what a is 6 0", "b what b is 6 1", "all 2 kinds 12 1"]
    assert json.loads(results.read_text())["b"]["1"]["problems"] == ["gone"]
    with pytest.raises(SystemExit):
        run.main([*words, "--kinds", "c"])


def test_an_operation_on_a_file_of_the_folder_is_counted(tmp_path):
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    injection.counting(own, tmp_path / "all")()
    injection.counting(own, tmp_path / "writes", are_writes=True)()
    (own / "a").write_text("x")
    (own / "a").read_text()
    (own / "a").rename(own / "b")
    (other / "a").write_text("x")
    assert ((tmp_path / "all").stat().st_size, (tmp_path / "writes").stat().st_size) == (3, 2)


@pytest.mark.slow
def test_one_fault_of_each_kind_at_a_file_loses_nothing(tmp_path):
    project = Project(tmp_path / "project")
    kinds = ((killed_at_operation, 0), (failing_operation, 1), (damaged_checkpoint, 1))
    # A pipe in place of a data file, and a model_dir that is read-only.
    for kind, number in (*kinds, (unreadable_data, 2), (closed_folder, 0)):
        result = kind(project, random.Random(number), number)
        assert result.points == 1 and not result.problems, (kind.__name__, result)


@pytest.mark.slow
def test_a_kill_while_two_workers_save_together_loses_nothing(tmp_path):
    result = killed_saving(Project(tmp_path / "project"), random.Random(1), 1)
    assert result.points == 1 and not result.problems, result
