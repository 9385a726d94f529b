"""Funnels from training to scores: a resumed run is the uninterrupted one, a SavedModel scores as its checkpoint."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from easymtl.checkpoints.restore import load_ranker
from easymtl.scoring.evaluation import evaluate
from easymtl.scoring.scorer import RankerScorer
from easymtl.serving import export as exporting
from easymtl.serving.parity import Parity
from easymtl.serving.saved_model_scorer import SavedModelScorer
from easymtl.tasks.build import build_tasks
from easymtl.training import events
from easymtl.training.result import TrainingResult
from tests.training import small_runs
from tests.training.small_runs import of_kind, small_config, train, write_data

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op")]

DNN = "dnn { hidden_units: 4 dropout_ratio: 0.2 } metrics_set { auc { } }"
PAIR = f"""
    groups {{ input: "all" dnn {{ hidden_units: 6 }} }}
    ctr_tower {{ tower_name: "ctr" label_name: "click" {DNN} }}
    cvr_tower {{ tower_name: "cvr" label_name: "buy" {DNN} }}
"""
TOWERS = f"""
    task_towers {{ tower_name: "ctr" label_name: "click" {DNN} }}
    task_towers {{ tower_name: "cvr" label_name: "buy" {DNN} }}
"""
WITH_PARENT = TOWERS.replace('"cvr"', '"cvr" parent: "ctr"')
MODELS = {
    "esmm": f"esmm {{ {PAIR} }}",
    "escm2": f"escm2 {{ {PAIR} counterfactual: DR }}",
    "aitm": f"aitm {{ {TOWERS} }}",
    "parent": f"mmoe {{ expert_dnn {{ hidden_units: 6 }} num_expert: 2 {WITH_PARENT} }}",
}
RESULTS = {
    "esmm": {"auc_ctr", "auc_ctcvr", "auc_cvr_masked"},
    "escm2": {"auc_ctr", "auc_ctcvr", "auc_cvr_masked"},
    "aitm": {"auc_ctr", "auc_cvr"},
    "parent": {"auc_ctr", "auc_cvr", "auc_cvr_given_ctr"},
}


@dataclass(frozen=True)
class Whole:
    """A training of one model that has ended, to be read only."""

    model: str
    folder: Path
    result: TrainingResult


@pytest.fixture(scope="module", params=MODELS)
def whole(request, tmp_path_factory):
    """A training with one model in the place of the small runs' own, where it stays while tests use it."""
    before, _, after = small_runs.CONFIG.partition("  mmoe {{")
    rest = after[after.index("  embedding_regularization") :]
    body = MODELS[request.param].replace("{", "{{").replace("}", "}}")
    folder = tmp_path_factory.mktemp(request.param)
    write_data(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_runs, "CONFIG", f"{before}  {body}\n{rest}")
        yield Whole(request.param, folder, train(folder)[0])


def weights(result) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(result.checkpoint.prefix)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def test_a_resumed_training_is_the_uninterrupted_one(whole, tmp_path):
    folder = shutil.copytree(whole.folder, tmp_path / "parts")
    shutil.rmtree(folder / "model" / "checkpoints" / whole.result.checkpoint.path.name)
    parts, told = train(folder)
    assert [event.step for event in of_kind(told, events.Progress)] == [4, 5, 6]
    assert dict(whole.result.metrics) == dict(parts.metrics)
    assert set(whole.result.metrics) > RESULTS[whole.model]
    expected, found = weights(whole.result), weights(parts)
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_a_saved_model_scores_as_its_checkpoint_without_labels(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "check_parity", lambda *_: Parity(0, 0.0))
    checkpoint = whole.result.checkpoint
    pipeline = small_config(whole.folder).pipeline
    exported = exporting.export(pipeline, checkpoint, tmp_path / "export")
    assert set(exported.inputs) == {"item", "tags", "price"}
    assert not exported.placement["serving_default"].without_kernel
    scorers = (
        RankerScorer(load_ranker(pipeline, checkpoint), tf.float32),
        SavedModelScorer(exported.path, pipeline),
    )
    first, second = (evaluate(pipeline, build_tasks(pipeline), scorer).metrics for scorer in scorers)
    assert RESULTS[whole.model] <= set(second)
    for name in RESULTS[whole.model]:
        assert second[name] == pytest.approx(first[name], rel=1e-5)
