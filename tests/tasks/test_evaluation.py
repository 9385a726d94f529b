"""Every metric over several batches, against scikit-learn, NumPy and EasyRec (tests/data/golden_metrics)."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format
from sklearn import metrics as reference

from easymtl.config import names as config_names
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.build import build_tasks
from easymtl.tasks.evaluation import Evaluation
from easymtl.tasks.metrics import METRICS

FOLDER = Path(__file__).parents[1] / "data" / "golden_metrics"
NAN = float("nan")
NEED_BOTH_CLASSES = {"auc", "gauc", "session_auc", "pr_auc", "normalized_entropy"}
KEYED = {"gauc": 'uid_field: "user"', "session_auc": 'session_id_field: "session"'}


def evaluation_of(tower: str, data: str = "") -> Evaluation:
    text = f"""data_config {{ label_fields: "y" {data} }}
        model_config {{ simple_multi_task {{ task_towers {{ tower_name: "t" {tower} }} }} }}"""
    return Evaluation(build_tasks(text_format.Parse(text, Pipeline())))


def all_metrics(names, weighted=False) -> str:
    flag = "weighted: true" if weighted else ""
    return " ".join(f"metrics_set {{ {name} {{ {KEYED.get(name, '')} }} {flag} }}" for name in names)


def add_in_batches(evaluation: Evaluation, size: int, predictions, numbers, keys=None):
    num_rows = len(next(iter(numbers.values())))
    for start in range(0, num_rows, size):
        part = slice(start, start + size)
        evaluation.add(
            {name: value[part] for name, value in predictions.items()},
            {name: value[part] for name, value in numbers.items()},
            {name: pa.array(value[part]) for name, value in (keys or {}).items()},
        )


class TestEvent:
    names = [name for name, rule in config_names.METRICS.items() if "binary" in rule.tasks]

    @pytest.fixture
    def rows(self):
        random = np.random.default_rng(5)
        num_rows = 400
        probabilities = random.beta(2, 3, num_rows).round(2).astype(np.float32)
        labels = (random.random(num_rows) < probabilities).astype(np.float32)
        weights = random.choice([0.0, 0.5, 2.0], num_rows).astype(np.float32)
        users = random.integers(0, 40, num_rows).astype(str)
        return labels, probabilities, weights, users

    def expected(self, labels, predictions, weights, users):
        labels, predictions = labels.astype(float), predictions.astype(float)
        one, half = labels > 0, predictions > 0.5
        precisions, recalls, _ = reference.precision_recall_curve(one, predictions, sample_weight=weights)
        base = np.average(labels, weights=weights)
        log_loss = reference.log_loss(one, np.clip(predictions, 1e-7, 1 - 1e-7), sample_weight=weights)
        squared = reference.mean_squared_error(labels, predictions, sample_weight=weights)
        aucs = [
            reference.roc_auc_score(one[users == u], predictions[users == u], sample_weight=weights[users == u])
            for u in np.unique(users)
            if len(set(one[users == u])) == 2
        ]
        return {
            "auc": reference.roc_auc_score(one, predictions, sample_weight=weights),
            "gauc": np.mean(aucs),
            "session_auc": np.mean(aucs),
            "pr_auc": reference.average_precision_score(one, predictions, sample_weight=weights),
            "max_f1": np.nanmax(2 * precisions * recalls / (precisions + recalls)),
            "accuracy": reference.accuracy_score(one, half, sample_weight=weights),
            "precision": reference.precision_score(one, half, sample_weight=weights),
            "recall": reference.recall_score(one, half, sample_weight=weights),
            "mean_squared_error": squared,
            "root_mean_squared_error": np.sqrt(squared),
            "mean_absolute_error": reference.mean_absolute_error(labels, predictions, sample_weight=weights),
            "log_loss": log_loss,
            "normalized_entropy": log_loss / -(base * np.log(base) + (1 - base) * np.log(1 - base)),
            "calibration": np.average(predictions, weights=weights) / base,
        }

    @pytest.mark.parametrize("batch_size", [7, 400])
    def test_plain_metrics_count_every_row_once(self, rows, batch_size):
        labels, probabilities, weights, users = rows
        evaluation = evaluation_of(all_metrics(self.names), 'sample_weight: "sw"')
        assert evaluation.key_fields == ["user", "session"]
        numbers = {"y": labels, "sw": weights}
        keys = {"user": users, "session": users}
        add_in_batches(evaluation, batch_size, {"probs_t": probabilities}, numbers, keys)
        result = evaluation.result()
        expected = self.expected(labels, probabilities, np.ones(len(labels)), users)
        assert set(result) == {f"{name}_t" for name in expected} == {f"{name}_t" for name in self.names}
        for name, value in expected.items():
            assert result[f"{name}_t"] == pytest.approx(value, rel=1e-9), name
        assert evaluation.warnings == []

    def test_weighted_metrics_use_weights_and_space(self, rows):
        labels, probabilities, weights, users = rows
        tower = all_metrics(self.names, weighted=True)
        evaluation = evaluation_of(
            f'{tower} task_space_indicator_label: "clicked" out_task_space_weight: 0', 'sample_weight: "sw"'
        )
        clicked = (np.arange(len(labels)) % 3 > 0).astype(np.float32)
        numbers = {"y": labels, "sw": weights, "clicked": clicked}
        keys = {"user": users, "session": users}
        add_in_batches(evaluation, 64, {"probs_t": probabilities}, numbers, keys)
        result = evaluation.result()
        kept = (weights > 0) & (clicked > 0)
        expected = self.expected(labels[kept], probabilities[kept], weights[kept].astype(float), users[kept])
        for name, value in expected.items():
            assert result[f"weighted_{name}_t"] == pytest.approx(value, rel=1e-9), name

    def test_rows_without_a_label_are_left_out(self):
        evaluation = evaluation_of("metrics_set { auc {} } metrics_set { calibration {} }")
        predictions = {"probs_t": np.array([0.9, 0.1, 0.2, 0.6], np.float32)}
        add_in_batches(evaluation, 3, predictions, {"y": np.array([NAN, 0, 1, 1], np.float32)})
        result = evaluation.result()
        assert result["auc_t"] == 1
        assert result["calibration_t"] == pytest.approx((0.1 + 0.2 + 0.6) / 2)

    @pytest.mark.parametrize(
        ("labels", "undefined"),
        [
            ([0, 0], {*NEED_BOTH_CLASSES, "max_f1", "recall", "calibration"}),
            ([1, 1], NEED_BOTH_CLASSES),
            ([NAN, NAN], set(names)),
        ],
    )
    def test_undefined_metrics_are_nan_with_a_named_reason(self, labels, undefined):
        evaluation = evaluation_of(all_metrics(self.names))
        keys = {"user": ["a", "a"], "session": ["a", "b"]}
        predictions = {"probs_t": np.array([0.2, 0.7], np.float32)}
        add_in_batches(evaluation, 2, predictions, {"y": np.array(labels, np.float32)}, keys)
        result = evaluation.result()
        assert {name for name in self.names if math.isnan(result[f"{name}_t"])} == undefined
        assert len(evaluation.warnings) == len(undefined)
        for name in undefined:
            assert any(warning.startswith(f"{name}_t is not defined: ") for warning in evaluation.warnings)

    def test_no_rows_at_all(self):
        evaluation = evaluation_of(all_metrics(self.names) + all_metrics(["auc"], weighted=True))
        assert all(math.isnan(value) for value in evaluation.result().values())

    def test_precision_without_predicted_events_is_undefined(self):
        evaluation = evaluation_of("metrics_set { precision {} }")
        add_in_batches(evaluation, 2, {"probs_t": np.array([0.2, 0.5])}, {"y": np.array([1.0, 0.0])})
        assert math.isnan(evaluation.result()["precision_t"])
        assert "0.5" in evaluation.warnings[0]


def test_broken_predictions_make_metrics_undefined_and_are_counted():
    evaluation = evaluation_of("metrics_set { auc {} } metrics_set { log_loss {} }")
    add_in_batches(evaluation, 3, {"probs_t": np.array([0.2, NAN, 0.5])}, {"y": np.array([1.0, 0.0, 1.0])})
    assert all(math.isnan(value) for value in evaluation.result().values())
    assert "1 of 3 predictions" in evaluation.warnings[0]


def test_result_may_be_asked_for_again_after_more_rows():
    evaluation = evaluation_of("metrics_set { accuracy {} }")
    evaluation.add({"probs_t": np.array([0.9])}, {"y": np.array([1.0])})
    assert evaluation.result() == {"accuracy_t": 1}
    evaluation.add({"probs_t": np.array([0.9])}, {"y": np.array([0.0])})
    assert evaluation.result() == {"accuracy_t": 0.5}


def test_keys_may_be_dictionaries_of_their_own_numbers_and_nulls():
    tower = 'metrics_set { gauc { uid_field: "user" } }'
    labels = np.array([1, 0, 0, 1, 1, 0], np.float32)
    predictions = np.array([0.9, 0.1, 0.8, 0.3, 0.2, 0.4], np.float32)
    texts = ["a", "b", "a", "b", None, None]
    expected = np.mean([1, 1, 0])
    forms = {
        "plain": lambda part: pa.array(part, pa.string()),
        "dictionary": lambda part: pa.array(part, pa.string()).dictionary_encode(),
        "numbers": lambda part: pa.array([None if text is None else ord(text) for text in part], pa.int64()),
    }
    for make in forms.values():
        evaluation = evaluation_of(tower)
        for part in (slice(0, 1), slice(1, 5), slice(5, 6)):
            keys = {"user": make(texts[part])}
            evaluation.add({"probs_t": predictions[part]}, {"y": labels[part]}, keys)
        assert evaluation.result()["gauc_t"] == expected


class TestClasses:
    def test_accuracy_topk_and_log_loss(self):
        random = np.random.default_rng(3)
        probabilities = random.dirichlet([1, 1, 1, 1], 60).astype(np.float32)
        labels = random.integers(0, 4, 60).astype(np.float32)
        tower = (
            "num_class: 4 metrics_set { accuracy {} } metrics_set { log_loss {} }"
            " metrics_set { recall_at_topk { topk: 2 } } metrics_set { precision_at_topk { topk: 2 } }"
        )
        evaluation = evaluation_of(tower)
        add_in_batches(evaluation, 25, {"probs_t": probabilities}, {"y": labels})
        result = evaluation.result()
        top2 = reference.top_k_accuracy_score(labels, probabilities, k=2)
        assert result["accuracy_t"] == pytest.approx(reference.accuracy_score(labels, probabilities.argmax(1)))
        assert result["recall_at_topk_t"] == pytest.approx(top2)
        assert result["precision_at_topk_t"] == pytest.approx(top2 / 2)
        assert result["log_loss_t"] == pytest.approx(reference.log_loss(labels, probabilities), rel=1e-5)

    def test_auc_of_two_classes_is_that_of_the_second(self):
        probabilities = np.array([[0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], np.float32)
        evaluation = evaluation_of("num_class: 2 metrics_set { auc {} } metrics_set { accuracy {} }")
        add_in_batches(evaluation, 3, {"probs_t": probabilities}, {"y": np.array([0, 1, 1.0])})
        result = evaluation.result()
        assert result["auc_t"] == 1
        assert result["accuracy_t"] == pytest.approx(2 / 3)

    def test_label_that_is_no_class_is_named(self):
        evaluation = evaluation_of("num_class: 3 metrics_set { log_loss {} }")
        add_in_batches(evaluation, 1, {"probs_t": np.full((1, 3), 1 / 3)}, {"y": np.array([7.0])})
        assert math.isnan(evaluation.result()["log_loss_t"])
        assert "7" in evaluation.warnings[0]


class TestValue:
    def test_errors_calibration_and_order(self):
        random = np.random.default_rng(4)
        labels = random.gamma(1, 30, 80).astype(np.float32)
        values = (labels + random.normal(0, 20, 80)).astype(np.float32)
        names = [name for name, rule in config_names.METRICS.items() if "value" in rule.tasks]
        evaluation = evaluation_of(f"loss_type: L2_LOSS {all_metrics(names)}")
        add_in_batches(evaluation, 30, {"y_t": values}, {"y": labels})
        labels, values = labels.astype(float), values.astype(float)
        right = [(labels[i] - labels[j]) * (values[i] - values[j]) > 0 for i in range(80) for j in range(i)]
        squared = reference.mean_squared_error(labels, values)
        expected = {
            "mean_squared_error_t": squared,
            "root_mean_squared_error_t": math.sqrt(squared),
            "mean_absolute_error_t": reference.mean_absolute_error(labels, values),
            "calibration_t": values.mean() / labels.mean(),
            "xauc_t": np.mean(right),
        }
        assert evaluation.result() == pytest.approx(expected, rel=1e-9)

    def test_order_of_equal_labels_is_undefined(self):
        evaluation = evaluation_of("loss_type: SIGMOID_L2_LOSS metrics_set { xauc {} }")
        add_in_batches(evaluation, 2, {"y_t": np.array([0.2, 0.7])}, {"y": np.array([0.5, 0.5])})
        assert math.isnan(evaluation.result()["xauc_t"])
        assert "all labels are equal" in evaluation.warnings[0]


def test_every_metric_that_a_config_may_name_is_computed():
    assert set(METRICS) == set(config_names.METRICS)


def test_tasks_are_kept_apart_by_name():
    text = """data_config { label_fields: "a" label_fields: "b" } model_config { simple_multi_task {
        task_towers { tower_name: "x" label_name: "b" metrics_set { auc {} } }
        task_towers { tower_name: "y" label_name: "a" metrics_set { auc {} } metrics_set { recall {} } }
        task_towers { tower_name: "z" label_name: "a" } } }"""
    evaluation = Evaluation(build_tasks(text_format.Parse(text, Pipeline())))
    assert list(evaluation.metrics) == ["auc_x", "auc_y", "recall_y"]
    predictions = {"probs_y": np.array([0.1, 0.9]), "probs_x": np.array([0.1, 0.9])}
    evaluation.add(predictions, {"a": np.array([0.0, 1.0]), "b": np.array([1.0, 0.0])})
    assert evaluation.result() == {"auc_x": 0, "auc_y": 1, "recall_y": 1}


class TestGolden:
    @pytest.fixture(scope="class")
    def rows(self):
        with (FOLDER / "predictions.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    @pytest.fixture(scope="class")
    def golden(self):
        return json.loads((FOLDER / "metrics.json").read_text())

    def evaluate(self, metric, kind, rows):
        classes = np.stack([rows[f"cls_logit{i}"].astype(np.float64) for i in range(4)], axis=1)
        tower, predictions, label = {
            "binary": ("", {"probs_t": rows["prob"].astype(np.float32)}, "label"),
            "multiclass": ("num_class: 4", {"probs_t": np.exp(classes) / np.exp(classes).sum(1, keepdims=True)}, "cls"),
            "regression": ("loss_type: L2_LOSS", {"y_t": rows["y_pred"].astype(np.float32)}, "y"),
        }[kind]
        evaluation = evaluation_of(f"{tower} metrics_set {{ {metric} }}")
        keys = {field: list(rows[field]) for field in evaluation.key_fields}
        add_in_batches(evaluation, 64, predictions, {"y": rows[label].astype(np.float32)}, keys)
        return evaluation.result()

    def test_metrics_that_are_defined_alike_equal_those_of_easyrec(self, rows, golden):
        compared = 0
        for entry in golden["easyrec"]:
            if entry["metric"].startswith(("auc", "max_f1")):
                continue
            result = self.evaluate(entry["metric"], entry["kind"], rows)
            assert result == pytest.approx(entry["values"], rel=2e-6), entry["metric"]
            compared += 1
        assert compared == 14

    def test_auc_and_max_f1_are_exact(self, rows, golden):
        exact = golden["reference_not_from_easyrec"]
        assert self.evaluate("auc {}", "binary", rows)["auc_t"] == pytest.approx(exact["exact_auc"], abs=1e-7)
        best = exact["max_f1_over_all_prob_thresholds"]
        assert self.evaluate("max_f1 {}", "binary", rows)["max_f1_t"] == pytest.approx(best, abs=1e-6)
