"""`easymtl compare`: trains what is not trained, in pairs, and tells which side is better on the same rows."""

import json
import sys

import numpy as np
import pytest

from easymtl.cli import main
from easymtl.tuning.processes import ProcessRunner
from easymtl.tuning.trainings import Outcome
from easymtl.verbs import compare
from tests.errors.project import Project
from tests.training.small_runs import CONFIG, write_rows

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op")]
SHORT = "--seeds 2 --resamples 20"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Two configs: b.config is blind to what clicks depend on."""
    result = Project(tmp_path_factory.mktemp("compared"))
    metrics = "metrics_set {{ auc {{}} }} metrics_set {{ calibration {{}} }} metrics_set {{ log_loss {{}} }} }}"
    text = (
        CONFIG.replace("metrics_set {{ auc {{}} }} }}", metrics)
        .replace("num_steps: 6", "num_steps: 40")
        .replace("steps: 3", "steps: 100")
    )
    text = text.replace("learning_rate: 0.01", "learning_rate: 0.1").format(folder=".")
    result.write("a.config", text)
    result.write("b.config", text.replace('"item", "tags", "price"]', '"tags", "price"]'))
    write_rows(result.folder / "train.csv", 400, seed=1)
    write_rows(result.folder / "eval.csv", 400, seed=2)
    return result


@pytest.fixture
def trainings(monkeypatch):
    """The overrides of the trainings, which are made in this process."""
    found = []

    def run(training, *_):
        found.append(training.overrides)
        sets = [word for override in training.overrides for word in ("--set", override)]
        assert main(["train", str(training.config), *sets]) == 0
        return Outcome()

    monkeypatch.setattr(compare, "ProcessRunner", lambda is_stopped: run)
    return found


@pytest.fixture
def compared(project, trainings):
    """What the comparison of both said, and its JSON."""
    outcome = project.run(f"compare a.config b.config {SHORT} --work_dir runs")
    assert outcome.code == 0, outcome.message
    return outcome.out, json.loads((project.folder / "runs" / "compare.json").read_text())


def test_the_blind_side_is_worse_with_every_seed(project, compared, trainings):
    said, document = compared
    auc = document["metrics"]["auc_ctr"]
    assert auc["difference"] < -0.05 and auc["low"] < auc["difference"] < auc["high"]
    assert auc["difference"] == pytest.approx(np.mean(auc["b"]) - np.mean(auc["a"]))
    assert len(auc["a"]) == len(auc["b"]) == 2 and auc["a"][0] != auc["a"][1]
    assert "|calibration_ctr - 1|" in document["metrics"]
    assert "B is" in said and "Of the squared errors" in said
    for side in "ab":
        for seed, value in enumerate(auc[side], start=1):
            result = project.folder / "runs" / f"{side}_{side}" / f"seed_{seed}" / "eval_result.json"
            assert json.loads(result.read_text())["auc_ctr"] == pytest.approx(value, abs=1e-6)


def test_what_is_trained_is_not_trained_again_and_what_was_broken_off_goes_on(project, compared, trainings):
    trainings.clear()
    state = project.folder / "runs" / "b_b" / "seed_2.compare.json"
    state.write_text(json.dumps({**json.loads(state.read_text()), "is_done": False}))
    outcome = project.run(f"compare a.config b.config {SHORT} --work_dir runs")
    assert outcome.code == 0
    assert outcome.out.count("trained already") == 3
    assert len(trainings) == 1 and 'model_dir="runs/b_b/seed_2"' in trainings[0]


def test_another_config_in_the_same_folder_is_refused(project, compared):
    flags = f"{SHORT} --work_dir runs --set train_config.num_steps=31"
    outcome = project.run(f"compare a.config b.config {flags}")
    assert outcome.code == 2 and "runs/a_a/seed_1: was trained with another config" in outcome.message


def test_model_dirs_that_are_trained_are_compared_as_they_are(project, compared, trainings):
    trainings.clear()
    dirs = {side: ",".join(f"runs/{side}_{side}/seed_{seed}" for seed in (1, 2)) for side in "ab"}
    outcome = project.run(f"compare {dirs['a']} {dirs['b']} --resamples 20 --output found.json")
    assert outcome.code == 0 and not trainings
    found = json.loads((project.folder / "found.json").read_text())
    assert found["metrics"] == compared[1]["metrics"]
    outcome = project.run("compare runs/a_a/seed_1 runs/a_a/seed_1 --resamples 20")
    assert "no difference seen" in outcome.out and "One seed" in outcome.out


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("a.config b.config --seeds 0", "--seeds is 0: it must be at least 1."),
        ("a.config b.config --resamples 3", "--resamples is 3: it must be at least 20."),
        ("a.config c.config", "c.config"),
        ("a.config ./a.config", "A, a.config, and B, ./a.config, are one and the same config"),
        ("a.config copy.config", "A, a.config, and B, copy.config, are one and the same config"),
        ("a.config .", "B: . is no model_dir"),
        ("a.config runs/a_a/seed_1 --seeds 3", "A has 3 and B 1 models"),
        ("a.config b.config --input none.csv", "none.csv"),
        ("a.config other.config", 'A evaluates on "./eval.csv", B on "./train.csv": name the rows for both'),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(project, compared, trainings, command, says):
    trainings.clear()
    text = (project.folder / "a.config").read_text()
    project.write("other.config", text.replace('eval_input_path: "./eval.csv"', 'eval_input_path: "./train.csv"'))
    project.write("copy.config", f"# A copy.\n{text}")
    outcome = project.run(f"compare {command} --work_dir runs")
    assert outcome.code == 2 and says in outcome.message
    assert not trainings


def test_a_training_that_fails_says_its_last_words(project, monkeypatch):
    program = "import sys; print('no space left', file=sys.stderr); sys.exit(3)"
    command = [sys.executable, "-c", program]
    monkeypatch.setattr(compare, "ProcessRunner", lambda is_stopped: ProcessRunner(is_stopped, command))
    outcome = project.run(f"compare a.config b.config {SHORT} --work_dir failing")
    assert outcome.code == 2
    assert "A, seed 1: the training ended with code 3" in outcome.message and "no space left" in outcome.message
