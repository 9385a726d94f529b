"""Choosing mutants, trying them, and what is told of it."""

import argparse
import shutil
from pathlib import Path

import pytest

from tests.mutation import chosen, score, worker
from tests.mutation.__main__ import ROOT, Run, _share_out, sample
from tests.mutation.mutants import mutants_of
from tests.mutation.worker import Worker

SOURCE = "def f(x):\n" + "".join(f"    x = x + {number}\n" for number in range(2, 42)) + "    return x\n"


def test_every_chosen_module_is_judged_by_its_mirrored_test_first():
    found = chosen.modules(ROOT)
    assert {"easymtl/training/step.py", "easymtl/tasks/losses_pairwise.py", "easymtl/serving/parity.py"} <= set(found)
    assert all(chosen.tests_of(ROOT, module) for module in found)
    assert chosen.tests_of(ROOT, "easymtl/features/keys.py")[0] == "tests/features/test_keys.py"
    assert chosen.tests_of(ROOT, "easymtl/features/keys.py", is_quick=True) == ["tests/features/test_keys.py"]
    with pytest.raises(ValueError, match="no test judges easymtl/cli"):
        chosen.tests_of(ROOT, "easymtl/cli_of_none.py")


def test_a_sample_is_a_share_of_each_module_and_another_seed_another_one():
    mutants = mutants_of("a.py", SOURCE) + mutants_of("b.py", "x = 1 < 2 < 3")
    found = sample(mutants, 1, 0.25)
    assert sum(mutant.module == "a.py" for mutant in found) == round(0.25 * len(mutants_of("a.py", SOURCE)))
    assert sum(mutant.module == "b.py" for mutant in found) == 2
    assert sample(mutants, 1, 0.25) == found
    assert set(sample(mutants, 2, 0.25)) != set(found)
    assert set(sample(mutants, 2, 1.0)) == set(mutants)


def test_an_edit_elsewhere_in_a_module_does_not_change_which_others_are_tried():
    before = {mutant.identity for mutant in sample(mutants_of("a.py", SOURCE), 1, 0.5)}
    other = SOURCE.replace("def f", "import b\n\n\ndef f")
    assert {mutant.identity for mutant in sample(mutants_of("a.py", other), 1, 0.5)} == before


def row(identity: str, outcome: str, module: str = "a.py") -> dict:
    return {"identity": identity, "module": module, "outcome": outcome}


def test_a_mutant_that_was_argued_away_does_not_count():
    tried = [row("a", "killed"), row("b", "survived"), row("c", "survived"), row("d", "killed", "b.py")]
    lines = score.table(tried, {"c": "why"}).splitlines()
    assert lines[2:] == [
        "| a.py | 3 | 1 | 1 | 1 | 50 % |",
        "| b.py | 1 | 0 | 1 | 0 | 100 % |",
        "| all | 4 | 1 | 2 | 1 | 67 % |",
    ]


@pytest.mark.parametrize(
    "text, problem",
    [("a\nb\n  why\n", "no reason below a"), ("  why\n", ":1: a reason"), ("a\n  why\na\n", ":3: .*second")],
)
def test_nothing_is_argued_away_without_a_reason(tmp_path, text, problem):
    path = tmp_path / "equivalent.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=problem):
        score.read_equivalent(path)


def test_what_is_argued_away_in_this_checkout_is_a_mutant_of_it():
    argued = set(score.read_equivalent())
    modules = {identity.partition(" ")[0] for identity in argued}
    sources = {module: (ROOT / module).read_text(encoding="utf-8") for module in modules}
    found = {mutant.identity for module, source in sources.items() for mutant in mutants_of(module, source)}
    assert argued - found == set()


class Failing:
    """A worker whose tests fail whatever is done."""

    def run(self, tests, cpu_seconds, seconds):
        return {"outcome": "failed", "by": "tests/a.py::test"}

    def log_tail(self):
        return "what pytest said"


def test_a_test_that_fails_without_a_fault_ends_the_run_and_is_shown(tmp_path):
    run = Run(tmp_path, {}, {}, argparse.Namespace(mirrored=False))
    with pytest.raises(SystemExit, match=r"what pytest said\ntests/b\.py: failed without any fault"):
        _share_out([Failing(), Failing()], ["tests/b.py"], run._measure)


@pytest.mark.parametrize("minutes, num_begun", [(None, 3), (30, 3), (0, 0)])
def test_a_run_begins_nothing_more_when_its_time_is_over(tmp_path, minutes, num_begun):
    run, begun = Run(tmp_path, {}, {}, argparse.Namespace(mirrored=False, minutes=minutes)), []
    _share_out([Failing()], [1, 2, 3], lambda worker, thing: begun.append(thing), run._is_over)
    assert len(begun) == num_begun


@pytest.mark.slow
def test_a_fault_is_noticed_or_not_and_one_that_never_ends_is_ended(tmp_path, monkeypatch):
    root = tmp_path / "root"
    # Nothing here needs what takes seconds to import.
    for module in ("tensorflow", "tensorboard/plugins/histogram/summary_v2", "tensorboard/plugins/scalar/summary_v2"):
        (root / module).mkdir(parents=True)
        (root / module / "__init__.py").write_text("")
    monkeypatch.setattr(worker, "_COPIED", (*worker._COPIED, "tensorflow", "tensorboard"))
    (root / "easymtl").mkdir(parents=True)
    (root / "tests").mkdir()
    shutil.copytree(Path(__file__).parent, root / "tests" / "mutation")
    source = "def f(x):\n    while x < 3:\n        x += 1\n    return x\n"
    (root / "easymtl" / "a.py").write_text(source)
    (root / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["."]\n')
    (root / "tests" / "test_a.py").write_text(
        "from easymtl.a import f\ndef test_f():\n    print('words')\n    assert f(1) == 3\n"
    )
    outcomes = {}
    tried = Worker(root, tmp_path / "copy")
    try:
        for mutant in mutants_of("easymtl/a.py", source):
            with tried.mutated(mutant.module, mutant.applied(source)):
                answer = tried.run(["tests/test_a.py"], 2, 60)
            outcomes[mutant.edit] = (answer["outcome"], answer["by"])
        assert tried.run(["tests/test_a.py"], 20, 60)["outcome"] == "passed"
        assert "1 passed" in tried.log_tail()
    finally:
        tried.close()
    failed = ("failed", "tests/test_a.py::test_f")
    assert outcomes.pop("x += 1")[0] == "timeout"
    assert outcomes == {"x < 3 -> x <= 3": failed, "3 -> 4": failed, "1 -> 0": outcomes["1 -> 0"], "x -> None": failed}
    assert outcomes["1 -> 0"][0] == "timeout"
    assert (root / "easymtl" / "a.py").read_text() == source
