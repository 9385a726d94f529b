"""Losses and predictions of one batch against numbers that EasyRec computed (tests/data/golden_losses)."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.build import build_tasks
from easymtl.tasks.labelled import Labelled
from easymtl.tasks.losses import Output

FOLDER = Path(__file__).parents[1] / "data" / "golden_losses"
ROWS = {"weights_and_spaces": "weights_and_spaces.csv"}
RENAMED = {"mse_t": "mse"}
CASES = sorted(path.parent.name for path in FOLDER.glob("*/losses.json"))


def read_case(case: str):
    pipeline = text_format.Parse((FOLDER / case / "pipeline.config").read_text(), Pipeline())
    names = [field.input_name for field in pipeline.data_config.input_fields]
    with (FOLDER / ROWS.get(case, "one_tower.csv")).open(newline="") as file:
        fields = dict(zip(names, zip(*csv.reader(file))))
    return build_tasks(pipeline), fields, np.load(FOLDER / case / "predictions.npz")


def read_numbers(tasks, fields):
    numbers = {}
    for column in [column for task in tasks for column in task.number_columns]:
        texts = fields[column.field]
        if column.equals is not None:
            texts = [text == column.equals for text in texts]
        numbers[column.name] = np.array(texts, np.float32)
    return numbers


def logits_of(task, predictions):
    if task.output is Output.PROBABILITY:
        return predictions[f"logits_{task.name}"]
    values = predictions[f"y_{task.name}"]
    return np.log(values / (1 - values)) if task.output is Output.RATE else values


def test_there_are_cases():
    assert len(CASES) == 6


@pytest.mark.parametrize("case", CASES)
def test_losses_and_predictions_equal_those_of_easyrec(case):
    tasks, fields, predictions = read_case(case)
    numbers = read_numbers(tasks, fields)
    losses = {}
    for task in tasks:
        logits = logits_of(task, predictions)
        losses |= task.losses({task.name: logits}, Labelled(numbers))
        for name, value in task.predictions({task.name: logits}).items():
            np.testing.assert_allclose(value, predictions[name], rtol=1e-6, atol=2e-7, err_msg=name)
    expected = json.loads((FOLDER / case / "losses.json").read_text())
    assert [RENAMED.get(name, name) for name in losses] == list(expected)
    for name, value in losses.items():
        np.testing.assert_allclose(value, expected[RENAMED.get(name, name)], rtol=1e-6, err_msg=name)
