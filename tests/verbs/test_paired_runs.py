"""Which trainings a comparison makes, and what it takes for one that has ended; nothing is trained here."""

import json
import os
import signal
from pathlib import Path

import pytest

from easymtl.errors import UserError
from easymtl.tuning.trainings import Outcome
from easymtl.verbs import compare
from easymtl.verbs.paired_runs import runs_of, train
from tests.errors.project import CONFIG, Project, rows


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x.config").write_text(CONFIG)
    return "x.config"


class Runner:
    """Ends as it is told, and remembers what it was to train."""

    def __init__(self, outcome):
        self.outcome = outcome
        self.made = []

    def __call__(self, training, decide, progress):
        self.made.append(training)
        assert decide({"step": 1, "metrics": {}, "is_best": False}), "no evaluation ends it"
        progress(1, None)
        training.model_dir.mkdir(parents=True, exist_ok=True)
        return self.outcome


def test_each_seed_is_trained_with_what_was_overridden_and_exports_nothing(config):
    (first, second) = runs_of("B", config, [1, 2], ["train_config.num_steps=3"], Path("runs"))
    runner = Runner(Outcome())
    assert train(second, runner, lambda line: None)
    (made,) = runner.made
    assert made.config == Path(config) and made.model_dir == Path("runs/b_x/seed_2") != first.model_dir
    pipeline = second.config().pipeline
    assert (pipeline.train_config.seed, pipeline.train_config.num_steps) == (2, 3)
    assert pipeline.model_dir == "runs/b_x/seed_2" and pipeline.export_config.exporter_type == "none"


def test_what_was_stopped_has_not_ended_and_goes_on(config):
    (run,) = runs_of("A", config, [1], [], Path("runs"))
    assert not train(run, Runner(Outcome(is_stopped=True)), lambda line: None)
    assert not json.loads(Path("runs/a_x/seed_1.compare.json").read_text())["is_done"]
    again = Runner(Outcome())
    assert train(run, again, lambda line: None) and again.made
    known = Runner(Outcome())
    assert train(run, known, lambda line: None) and not known.made


def test_what_failed_says_so_and_has_not_ended(config):
    (run,) = runs_of("A", config, [1], [], Path("runs"))
    with pytest.raises(UserError, match="A, seed 1: no rows"):
        train(run, Runner(Outcome(error="no rows")), lambda line: None)
    assert not json.loads(Path("runs/a_x/seed_1.compare.json").read_text())["is_done"]


@pytest.mark.parametrize("content", ["{", "[]", "{}", "\x00"])
def test_a_file_that_tells_nothing_of_a_training_does_not_stand_for_one(config, content):
    (run,) = runs_of("A", config, [1], [], Path("runs"))
    Path("runs/a_x/seed_1").mkdir(parents=True)
    Path("runs/a_x/seed_1.compare.json").write_text(content)
    runner = Runner(Outcome())
    assert train(run, runner, lambda line: None) and runner.made


def test_a_training_of_another_config_is_not_taken(config):
    (run,) = runs_of("A", config, [1], [], Path("runs"))
    train(run, Runner(Outcome()), lambda line: None)
    (other,) = runs_of("A", config, [1], ["train_config.num_steps=3"], Path("runs"))
    with pytest.raises(UserError, match=r"runs/a_x/seed_1: was trained with another config, data or --set. Remove it"):
        train(other, Runner(Outcome()), lambda line: None)
    # It says what to do, and that is enough.
    other.model_dir.rmdir()
    assert train(other, again := Runner(Outcome()), lambda line: None) and again.made


@pytest.fixture
def project(tmp_path):
    result = Project(tmp_path / "project")
    result.write("other.config", CONFIG.replace("[8, 6]", "[8, 4]"))
    for name in ("train.csv", "eval.csv"):
        result.write(name, rows(50))
    return result


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_comparison_that_is_stopped_lets_its_training_save_and_goes_on_later(project, monkeypatch, number, code):
    made = []

    def runner(is_stopped):
        def run(training, decide, progress):
            made.append(training)
            os.kill(os.getpid(), number)
            assert is_stopped(), "the training is told"
            return Outcome(is_stopped=True)

        return run

    monkeypatch.setattr(compare, "ProcessRunner", runner)
    outcome = project.run("compare x.config other.config --work_dir runs")
    assert (outcome.code, len(made)) == (code, 1)
    assert outcome.out.splitlines()[-1] == f"Stopped by {number.name}. Run the same command again to go on."
    assert not json.loads((project.folder / "runs/a_x/seed_1.compare.json").read_text())["is_done"]


def test_a_training_that_others_have_stopped_is_not_compared(project, monkeypatch):
    monkeypatch.setattr(compare, "ProcessRunner", lambda is_stopped: Runner(Outcome(is_stopped=True)))
    outcome = project.run("compare x.config other.config --work_dir runs")
    assert outcome.code == 2
    assert "A, seed 1: the training was stopped. Run the same command again to go on." in outcome.message


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("--output s3://b/found.json", "--output: s3://b/found.json is no local file. Name a local one, and copy it."),
        ("--work_dir s3://b/runs", "--work_dir: s3://b/runs is no local folder. Name a local one, and copy it."),
    ],
)
def test_another_file_system_does_not_become_a_folder_here(project, flags, says):
    outcome = project.run(f"compare x.config other.config {flags}")
    assert outcome.code == 2 and says in outcome.message
    assert not (project.folder / "s3:").exists()
