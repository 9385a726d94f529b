"""Funnels from training to scores: a resumed run is the uninterrupted one, a SavedModel scores as its checkpoint."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.serving import export as exporting
from easymtl.serving.parity import Parity
from easymtl.serving.scoring import SavedModelScorer
from easymtl.tasks.build import build_tasks
from easymtl.training.evaluation import RankerScorer, evaluate
from easymtl.training.restore import load_ranker
from tests.training import small_runs
from tests.training.small_runs import small_config, train, write_data

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


@pytest.fixture(params=MODELS)
def model(request, monkeypatch):
    """Puts one model in the place of the small runs' own; returns its name."""
    before, _, after = small_runs.CONFIG.partition("  mmoe {{")
    rest = after[after.index("  embedding_regularization") :]
    body = MODELS[request.param].replace("{", "{{").replace("}", "}}")
    monkeypatch.setattr(small_runs, "CONFIG", f"{before}  {body}\n{rest}")
    return request.param


def weights(result) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(result.checkpoint.prefix)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def test_a_resumed_training_is_the_uninterrupted_one(model, tmp_path):
    folders = [tmp_path / name for name in ("whole", "parts")]
    for folder in folders:
        folder.mkdir()
        write_data(folder)
    whole, _ = train(folders[0])
    train(folders[1], "train_config.num_steps=3")
    parts, _ = train(folders[1])
    assert dict(whole.metrics) == dict(parts.metrics)
    assert set(whole.metrics) > RESULTS[model]
    expected, found = weights(whole), weights(parts)
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_a_saved_model_scores_as_its_checkpoint_without_labels(model, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "check_parity", lambda folder, columns, expected: Parity(0, 0.0))
    write_data(tmp_path)
    result, _ = train(tmp_path, "eval_input_path=")
    pipeline = small_config(tmp_path).pipeline
    exported = exporting.export(pipeline, result.checkpoint, tmp_path / "export")
    assert set(exported.inputs) == {"item", "tags", "price"}
    assert not exported.placement.without_kernel
    scorers = (
        RankerScorer(load_ranker(pipeline, result.checkpoint), tf.float32),
        SavedModelScorer(exported.path, pipeline),
    )
    first, second = (evaluate(pipeline, build_tasks(pipeline), scorer).metrics for scorer in scorers)
    assert RESULTS[model] <= set(second)
    for name in RESULTS[model]:
        assert second[name] == pytest.approx(first[name], rel=1e-5)
