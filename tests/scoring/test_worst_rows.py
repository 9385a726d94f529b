"""The rows with the largest loss of each task."""

import math

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.worst_rows import WorstRows, row_losses
from easymtl.tasks.build import build_tasks

CONFIG = """
data_config { label_fields: ["click", "kind", "seconds"] }
model_config { simple_multi_task {
  task_towers { tower_name: "ctr" label_name: "click" }
  task_towers { tower_name: "kind" label_name: "kind" num_class: 3 }
  task_towers { tower_name: "stay" label_name: "seconds" loss_type: L2_LOSS
    task_space_indicator_label: "click" out_task_space_weight: 0 }
} }
"""


@pytest.fixture(scope="module")
def tasks():
    return build_tasks(text_format.Parse(CONFIG, Pipeline()))


def test_losses_are_those_of_their_formulas(tasks):
    ctr, kind, stay = tasks
    losses, scores = row_losses(ctr, np.array([1, 0, np.nan, 0]), np.array([0.25, 0.25, 0.5, 1.0]))
    assert losses[:2].tolist() == pytest.approx([math.log(4), math.log(4 / 3)]) and scores[0] == 0.25
    assert math.isnan(losses[2]) and losses[3] == pytest.approx(math.log(1e7), rel=1e-3), "a sure mistake is finite"
    losses, scores = row_losses(kind, np.array([2, np.nan]), np.array([[0.5, 0.3, 0.2], [1, 0, 0]]))
    assert losses[0] == pytest.approx(math.log(5)) and math.isnan(losses[1]) and scores[0] == 0.2
    losses, _ = row_losses(stay, np.array([3.0, np.nan]), np.array([1.0, 1.0]))
    assert losses[0] == 4 and math.isnan(losses[1])


def test_values_with_a_transform_are_compared_behind_it():
    text = CONFIG.replace("out_task_space_weight: 0", "label_transform { function: LOG1P }")
    stay = build_tasks(text_format.Parse(text, Pipeline()))[2]
    losses, scores = row_losses(stay, np.array([math.e - 1, 0.0]), np.array([0.0, math.e**3 - 1]))
    assert losses.tolist() == pytest.approx([1, 9]) and scores[0] == 0


def test_the_worst_rows_of_all_batches_are_kept_with_their_columns(tasks):
    random = np.random.default_rng(5)
    number = 100
    numbers = {
        "click": random.integers(0, 2, number).astype(np.float32),
        "kind": random.integers(0, 3, number).astype(np.float32),
        "seconds": random.normal(size=number).astype(np.float32),
    }
    numbers["click"][3] = np.nan
    scores = {
        "probs_ctr": random.random(number).astype(np.float32),
        "probs_kind": random.dirichlet(np.ones(3), number).astype(np.float32),
        "y_stay": random.normal(size=number).astype(np.float32),
    }
    user, label = pa.array([f"u{row}" for row in range(number)]).dictionary_encode(), pa.array(np.arange(number))
    worst = WorstRows(tasks, 5, ["user", "label"])
    for start in (0, 30, 60, 90):
        part = slice(start, start + 30)
        cut = ({name: value[part] for name, value in columns.items()} for columns in (scores, numbers))
        worst.add(*cut, {"user": user[part], "label": label[part]})
    table = worst.table()
    assert table.schema.names == ["task", "rank", "row", "label", "score", "loss", "user", "input_label"]
    found = table.to_pylist()
    assert [(row["task"], row["rank"]) for row in found] == [
        (t, r) for t in ("ctr", "kind", "stay") for r in range(1, 6)
    ]
    for task, prediction, field in zip(tasks, scores.values(), numbers):
        losses, _ = row_losses(task, numbers[field], prediction)
        in_space = numbers["click"] == 1 if task.name == "stay" else np.ones(number, bool)
        places = np.flatnonzero(in_space & ~np.isnan(losses))
        expected = places[np.argsort(-losses[places])][:5]
        own = [row for row in found if row["task"] == task.name]
        assert [row["row"] for row in own] == expected.tolist()
        assert [row["user"] for row in own] == [f"u{row}" for row in expected]
        assert [row["input_label"] for row in own] == expected.tolist()
        assert [row["loss"] for row in own] == pytest.approx(losses[expected].tolist())
        assert [row["label"] for row in own] == numbers[field][expected].tolist()
