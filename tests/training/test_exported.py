"""Which step `exporter_type: best` exports."""

import math

import pytest
from google.protobuf import text_format

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.training.exported import exported_step
from easymtl.tuning.objectives import counted_evaluation

PIPELINE = """
model_config {{ simple_multi_task {{
  task_towers {{ tower_name: "a" metrics_set {{ auc {{}} }} metrics_set {{ log_loss {{}} }} }}
}} }}
export_config {{ exporter_type: "best" {} }}
"""
LOSS = 'best_exporter_metric: "log_loss_a"'


def chosen(export, best, last, metric="auc_a", bigger=True):
    """Returns the step that is exported of a best one, 40, and a last one, 100, as a checkpoint and a study say it."""
    pipeline = text_format.Parse(PIPELINE.format(export), Pipeline())
    name = "auc" if metric == "auc_a" else metric
    found = {"metric": name, "bigger": bigger, "value": best, "step": 40}
    state = {"step": 100, "metrics": {metric: last}, "best": found}
    history = [
        {"step": 40, "metrics": {metric: best}, "is_best": True},
        {"step": 100, "metrics": {metric: None if math.isnan(last) else last}, "is_best": False},
    ]
    step = exported_step(pipeline, state)
    assert counted_evaluation(pipeline, history)["step"] == step
    return step


@pytest.mark.parametrize(
    ("export", "best", "last", "step"),
    [
        ("", 0.701, 0.7, 40),
        ("", 0.7, 0.7, 40),
        ("best_margin: 0.01", 0.705, 0.7, 100),
        ("best_margin: 0.01", 0.715, 0.7, 40),
        ("best_margin: 0.01", 0.705, math.nan, 40),
    ],
)
def test_the_best_step_is_exported_where_the_last_is_not_as_good(export, best, last, step):
    assert chosen(export, best, last) == step


def test_of_an_error_less_is_better():
    assert chosen(f"{LOSS} best_margin: 0.1", 0.3, 0.35, "log_loss_a", False) == 100
    assert chosen(f"{LOSS} best_margin: 0.1", 0.3, 0.45, "log_loss_a", False) == 40


def test_what_is_best_may_not_be_known_or_be_so_in_another_metric():
    pipeline = text_format.Parse(PIPELINE.format("best_margin: 1"), Pipeline())
    assert exported_step(pipeline, {"step": 7}) is None
    assert exported_step(pipeline, {"step": 7, "best": {"value": None}}) is None
    other = {"metric": "loss", "bigger": False, "value": 0.5, "step": 3}
    assert exported_step(pipeline, {"step": 7, "best": other, "metrics": {"auc_a": 0.6}}) == 3
