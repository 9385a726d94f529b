"""Metrics against EasyRec's, where both define them alike.

An auc is exact here and one of 200 thresholds there: there the same predictions are put through thresholds, too.
Left out are max_f1, which compares thresholds with logits there, and the means of losses over batches of unequal size.
"""

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
from google.protobuf import text_format

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.build import build_tasks
from easymtl.tasks.evaluation import Evaluation
from tests.parity.comparison import Comparison, Result

NUM_THRESHOLDS = 200
_EPSILON = 1e-7
_TOWERS = {"binary": "", "multiclass": "num_class: 4", "regression": "loss_type: L2_LOSS"}


def auc_of_thresholds(labels: np.ndarray, predictions: np.ndarray, number: int = NUM_THRESHOLDS) -> float:
    """Returns the area under the ROC curve through that many even thresholds, by trapezoids."""
    inner = np.arange(1, number - 1) / (number - 1)
    thresholds = np.concatenate([[-_EPSILON], inner, [1 + _EPSILON]]).astype(np.float32)
    above = predictions.astype(np.float32)[np.newaxis] > thresholds[:, np.newaxis]
    is_one = labels > 0.5
    true_rate = above[:, is_one].mean(axis=1)
    false_rate = above[:, ~is_one].mean(axis=1)
    return float(np.sum((false_rate[:-1] - false_rate[1:]) * (true_rate[:-1] + true_rate[1:]) / 2))


def compare_metrics(
    comparison: Comparison, moment: str, found: Mapping[str, float], thresholded: Mapping[str, float]
) -> None:
    """Compares a case's `metrics_<moment>` with what was found; aucs with those of thresholds."""
    expected = comparison.json("metrics.json").get(f"metrics_{moment}", {})
    for name, value in expected.items():
        if name.startswith(("loss/", "max_f1")) or value is None:
            continue
        ours = thresholded.get(name, found.get(name, np.nan))
        comparison.compare("metrics", f"metrics:{moment} {name}", ours, value)


def run_metrics_case(folder: Path, case: str) -> Result:
    """Computes every metric of `metrics.json` from the rows of `predictions.csv`."""
    comparison = Comparison(folder, case)
    with (folder / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    golden = json.loads((folder / "metrics.json").read_text())
    left_out = set()
    for index, entry in enumerate(golden["easyrec"]):
        if entry["metric"].startswith("max_f1"):
            left_out.add("max_f1")
            continue
        found = _thresholded(entry, columns) or _evaluate(entry, columns)
        for name, value in entry["values"].items():
            comparison.compare("metrics", f"metrics:{index} {entry['metric']} {name}", found.get(name, np.nan), value)
    comparison.notes.append(f"left out: {', '.join(sorted(left_out))}, of logits there")
    return comparison.result()


def _thresholded(entry: dict, columns: Mapping[str, np.ndarray]) -> dict[str, float]:
    if not entry["metric"].startswith("auc"):
        return {}
    number = re.search(r"num_thresholds: *(\d+)", entry["metric"])
    labels, predictions = columns["label"].astype(float), columns["prob"].astype(np.float64)
    return {"auc_t": auc_of_thresholds(labels, predictions, int(number[1]) if number else NUM_THRESHOLDS)}


def _evaluate(entry: dict, columns: Mapping[str, np.ndarray]) -> dict[str, float]:
    kind = entry["kind"]
    text = f"""data_config {{ label_fields: "y" }} model_config {{ simple_multi_task {{ task_towers {{
        tower_name: "t" {_TOWERS[kind]} metrics_set {{ {entry["metric"]} }} }} }} }}"""
    evaluation = Evaluation(build_tasks(text_format.Parse(text, Pipeline())))
    label, predictions = {
        "binary": lambda: ("label", {"probs_t": columns["prob"].astype(np.float32)}),
        "multiclass": lambda: ("cls", {"probs_t": _softmax(columns)}),
        "regression": lambda: ("y", {"y_t": columns["y_pred"].astype(np.float32)}),
    }[kind]()
    keys = {field: pa.array(columns[field]) for field in evaluation.key_fields}
    evaluation.add(predictions, {"y": columns[label].astype(np.float32)}, keys)
    return evaluation.result()


def _softmax(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    logits = np.stack([columns[f"cls_logit{index}"].astype(np.float64) for index in range(4)], axis=1)
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
