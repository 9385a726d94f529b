"""The best evaluation is named with its value, exported where that is asked for, and never mistaken for the latest."""

import json
from pathlib import Path

import pytest

from easymtl.serving import export as exporting
from easymtl.serving.parity import Parity
from easymtl.serving.proof_process import ProofProcess
from tests.errors.project import Project

# The first of three checkpoints has the largest loss, and here that is best.
FLAGS = (
    "--pipeline_config x.config --set train_config.num_steps=3 --set train_config.save_checkpoints_steps=1 "
    "--set export_config.best_exporter_metric=loss --set export_config.metric_bigger=true "
    "--set export_config.exporter_type={}"
)
FINAL, BEST, NONE = (FLAGS.format(kind) for kind in ("final", "best", "none"))
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op")]
BETTER = "Step 3 was exported. The evaluation of step 1 was better (loss "


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A training that exported at its end, and what it printed."""
    with pytest.MonkeyPatch.context() as patch:
        # The other process of the proof costs seconds; other tests run it.
        patch.setattr(exporting, "check_parity", lambda *arguments: Parity(12, 1e-7))
        patch.setattr(ProofProcess, "ahead", lambda: None)
        project = Project(tmp_path_factory.mktemp("best") / "p")
        yield project, project.run(f"train {FINAL}").out


def exported_steps(folder: Path) -> list[int]:
    paths = sorted(folder.glob("[0-9]*"), key=lambda path: int(path.name))
    return [json.loads((path / "assets.extra/easymtl.json").read_text())["step"] for path in paths]


def step_of(project, name: str) -> int:
    return json.loads((project.folder / "model" / name).read_text())["global_step"]


def test_the_end_of_a_training_names_the_best_and_what_was_exported(trained):
    project, out = trained
    evaluated = json.loads((project.folder / "model/checkpoints/step-000000001/state.json").read_text())["metrics"]
    assert f"best evaluation at step 1 (loss {evaluated['loss']:.5f})." in out
    plain = " ".join(out.split())
    assert f"{BETTER}{evaluated['loss']:.5f}, against loss " in plain
    assert "easymtl export --pipeline_config x.config --checkpoint best" in plain
    assert exported_steps(project.folder / "model/export/final") == [3]


def test_evaluating_another_checkpoint_leaves_the_result_of_the_latest(trained):
    project, _ = trained
    for flags, name, step in (
        ("", "eval_result.json", 3),
        ("--checkpoint best", "eval_result_best.json", 1),
        ("--checkpoint 2", "eval_result_step_2.json", 2),
    ):
        assert f"Wrote model/{name}" in project.run(f"eval {FINAL} {flags}").out
        assert step_of(project, name) == step
        assert step_of(project, "eval_result.json") == 3
    other = project.run(f"eval {FINAL} --checkpoint model/checkpoints/step-000000001")
    assert "Nothing was written" in other.out
    assert step_of(project, "eval_result.json") == 3


def test_an_export_of_the_latest_says_that_a_better_one_is_there(trained):
    project, _ = trained
    found = project.run(f"export {FINAL} --export_dir one")
    assert BETTER in " ".join(found.out.split()) and "before" not in found.out
    again = project.run(f"export {FINAL} --export_dir one")
    assert "This checkpoint was exported before, to " in again.out and "one/" in again.out
    assert exported_steps(project.folder / "one") == [3, 3]
    chosen = project.run(f"export {FINAL} --export_dir one --checkpoint best")
    assert BETTER not in " ".join(chosen.out.split()) and "before" not in chosen.out
    assert exported_steps(project.folder / "one") == [3, 3, 1]


def test_an_export_takes_the_best_where_the_exporter_does(trained):
    project, _ = trained
    found = project.run(f"export {BEST} --export_dir two")
    assert "exporter_type is best: step 1 is exported." in found.out and BETTER not in " ".join(found.out.split())
    project.run(f"export {BEST} --export_dir two --checkpoint latest")
    assert exported_steps(project.folder / "two") == [1, 3]


def test_a_training_exports_the_best_once(trained):
    project, _ = trained
    first = project.run(f"train {BEST}")
    assert "step 1" in first.out and BETTER not in " ".join(first.out.split())
    second = project.run(f"train {BEST} --set train_config.num_steps=4 --set export_config.exports_to_keep=5")
    assert "Trained to step 4" in second.out and "Exported already, at step 1: model/export/best/" in second.out
    assert exported_steps(project.folder / "model/export/best") == [1]


def test_a_best_step_that_is_hardly_better_is_not_exported(trained):
    project, _ = trained
    found = project.run(f"export {BEST} --set export_config.best_margin=1000 --export_dir three")
    said = " ".join(found.out.split())
    assert "step 1 was better by no more than export_config.best_margin, 1000: the last checkpoint is exported" in said
    assert BETTER not in said and "exporter_type is best" not in said
    again = project.run(f"train {BEST} --set export_config.best_margin=1000")
    assert "step 1 was better by no more than export_config.best_margin" in " ".join(again.out.split())
    assert "--checkpoint best" not in again.out
    assert exported_steps(project.folder / "three") == exported_steps(project.folder / "model/export/best")[-1:]
    noted = project.run(f"check {FINAL} --set export_config.best_margin=0.01")
    assert 'best_margin has no effect with exporter_type: "final" and without enable_early_stop' in " ".join(
        noted.out.split()
    )


def test_the_newest_exports_of_the_latest_are_kept(trained, tmp_path):
    project = Project(tmp_path / "p")
    assert project.run(f"train {FLAGS.format('latest')} --set export_config.exports_to_keep=2").code == 0
    assert exported_steps(project.folder / "model/export/latest") == [2, 3]


def test_without_an_evaluation_there_is_no_best(trained, tmp_path):
    project = Project(tmp_path / "p")
    plain = f"{NONE} --set eval_input_path="
    assert "best evaluation" not in project.run(f"train {plain}").out
    found = project.run(f"export {BEST} --set eval_input_path= --export_dir here")
    assert found.code == 0, found.message
    assert "no evaluation has determined what is best" in " ".join(found.out.split())
    assert exported_steps(project.folder / "here") == [3]
