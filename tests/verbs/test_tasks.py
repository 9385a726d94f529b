"""`--tasks`: the commands work on the model that a config with those towers alone would make."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from easymtl.config import load_config
from easymtl.serving import export as exporting
from easymtl.serving.parity import Parity
from easymtl.serving.proof_process import ProofProcess
from tests.errors.project import CONFIG, Project, replaced

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op")]

MMOE = replaced(
    CONFIG,
    ("dbmtl {", "mmoe { num_expert: 3"),
    ("bottom_dnn", "expert_dnn"),
    ('relation_tower_names: "ctr"', ""),
    ('export_config { exporter_type: "none" }\n', ""),
)
"""Its gates and output layers are named after the places of their towers."""
_CTR = MMOE[MMOE.index("    task_towers") : MMOE.index("    task_towers", MMOE.index('"ctr"'))]
BY_HAND = replaced(MMOE, (_CTR, ""))
TASKS = "--pipeline_config x.config --tasks stay,cvr"


@pytest.fixture(scope="module", autouse=True)
def without_another_process():
    """Leaves out the proof in a process of its own, which costs seconds and is tested in tests/serving."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporting, "check_parity", lambda *_: Parity(0, 0.0))
        patch.setattr(ProofProcess, "ahead", lambda: None)
        yield


def run(project, command):
    outcome = project.run(command)
    assert outcome.code == 0, outcome.message
    return outcome.out


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = Project(tmp_path_factory.mktemp("tasks"), MMOE)
    run(made, f"train {TASKS}")
    return made


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory):
    made = Project(tmp_path_factory.mktemp("by_hand"), BY_HAND)
    run(made, "train --pipeline_config x.config")
    return made


def weights(project) -> dict[str, np.ndarray]:
    (checkpoint,) = (project.folder / "model" / "checkpoints").iterdir()
    (index,) = checkpoint.glob("*.index")
    reader = tf.train.load_checkpoint(str(index.with_suffix("")))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def test_training_is_that_of_a_config_with_those_towers(project, by_hand):
    chosen, written = weights(project), weights(by_hand)
    assert chosen.keys() == written.keys()
    assert {"mmoe/gate_1/dnn/kernel", "dnn_output_1/kernel"} & chosen.keys()
    for name, value in chosen.items():
        np.testing.assert_array_equal(value, written[name], err_msg=name)


def test_model_dir_keeps_the_choice(project, by_hand):
    resolved = project.folder / "model" / "pipeline.config"
    assert resolved.read_text() == (by_hand.folder / "model" / "pipeline.config").read_text()
    assert len(load_config(str(resolved)).pipeline.model_config.mmoe.task_towers) == 2
    run(project, "eval --pipeline_config model/pipeline.config")


def test_evaluation_has_those_tasks_alone(project):
    run(project, f"eval {TASKS} --output result.json")
    result = json.loads((project.folder / "result.json").read_text())
    assert {"auc_cvr", "mean_squared_error_stay"} <= result.keys()
    assert not [name for name in result if "ctr" in name]
    assert "Wrote model/eval_result.json" in run(project, f"eval {TASKS}"), "it is the choice of the checkpoint"


def test_scores_and_savedmodel_have_those_tasks_alone(project):
    run(project, f"export {TASKS}")
    run(project, f"predict {TASKS} --input eval.csv --output scores.parquet")
    folder = max((project.folder / "model" / "export" / "final").glob("[0-9]*"))
    run(project, f"predict {TASKS} --input eval.csv --output by_model.parquet --saved_model {folder}")
    scores, by_model = (pq.read_table(project.folder / f"{name}.parquet") for name in ("scores", "by_model"))
    assert scores.column_names == by_model.column_names == ["logits_cvr", "probs_cvr", "y_stay"]
    for name in scores.column_names:
        np.testing.assert_allclose(scores[name], by_model[name], rtol=1e-5, atol=1e-6)
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    assert set(signature.structured_outputs) == {"probs_cvr", "logits_cvr", "y_stay"}
    inputs = signature.structured_input_signature[1]
    assert set(inputs) == {"user", "tags", "price"}, "labels are no inputs, whoever learns them"


def test_training_goes_on_with_the_same_choice(project, tmp_path):
    copy = Project(tmp_path / "copy", MMOE)
    shutil.copytree(project.folder / "model", copy.folder / "model")
    out = run(copy, f"train {TASKS} --set train_config.num_steps=3")
    assert "Continuing from" in out


@pytest.mark.parametrize("verb", ["train", "eval", "export"])
@pytest.mark.parametrize("tasks", ["", " --tasks cvr", " --tasks ctr,cvr"])
def test_another_choice_in_the_same_model_dir(project, verb, tasks):
    outcome = project.run(f"{verb} --pipeline_config x.config{tasks}")
    assert outcome.code == 2
    assert "model/pipeline.config" in outcome.message


def test_check_tells_the_choice(project):
    assert "ok. mmoe with 2 tasks (cvr, stay)." in run(project, f"check {TASKS}")
