"""Final scores: formulas over predictions in float64, against NumPy; and their metrics, against scikit-learn."""

import math

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from easymtl.config.final_scores import names_of_several, score_names
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.build import build_tasks
from easymtl.tasks.evaluation import Evaluation
from easymtl.tasks.final_scores import FinalScores

NAN = float("nan")
TOWERS = """
    task_towers { tower_name: "ctr" label_name: "click" metrics_set { auc {} } metrics_set { log_loss {} } }
    task_towers { tower_name: "watch" label_name: "time" loss_type: L2_LOSS metrics_set { xauc {} } }
"""
ALL_KINDS = """simple_multi_task {
    task_towers { tower_name: "click" label_name: "click" }
    task_towers { tower_name: "cart" label_name: "cart" parent: "click" }
    task_towers { tower_name: "spent" label_name: "time" parent: "cart" loss_type: L2_LOSS }
    task_towers { tower_name: "kind" label_name: "order" num_class: 3 }
    task_towers { tower_name: "value" label_name: "time" num_class: 3 loss_type: ZILN_LOSS }
    task_towers { tower_name: "share" label_name: "time" loss_type: SIGMOID_L2_LOSS }
    task_towers { tower_name: "both" label_name: "order" num_class: 2
      losses { loss_type: JRC_LOSS jrc_loss { session_name: "s" } } }
}"""
ESMM = """esmm {
    ctr_tower { tower_name: "ctr" label_name: "click" }
    cvr_tower { tower_name: "cvr" label_name: "order" }
}"""


def pipeline_of(model: str, **formulas: str) -> Pipeline:
    labels = "".join(f'label_fields: "{name}" ' for name in ("click", "cart", "order", "time"))
    scores = "".join(f'final_score {{ name: "{name}" expression: "{text}" }}' for name, text in formulas.items())
    text = f"data_config {{ {labels} }} export_config {{ {scores} }} model_config {{ {model} }}"
    return text_format.Parse(text, Pipeline())


@pytest.mark.parametrize("model", [ALL_KINDS, ESMM])
def test_names_are_those_of_the_predictions(model):
    pipeline = pipeline_of(model)
    tasks = build_tasks(pipeline)
    logits = {task.name: tf.zeros([5, task.num_outputs]) for task in tasks}
    predictions = {name: value for task in tasks for name, value in task.predictions(logits).items()}
    numbers, several = score_names(pipeline), names_of_several(pipeline)
    is_class = {"y_kind"}
    outputs = {name for name, value in predictions.items() if value.shape == [5] and name not in is_class}
    assert set(numbers.values()) == outputs
    assert set(several) - {task.name for task in tasks} == set(predictions) - outputs


def test_names_of_tasks_in_a_funnel():
    names = score_names(pipeline_of(ALL_KINDS))
    assert (names["cart"], names["cart_given_click"]) == ("probs_cart", "probs_cart_given_click")
    assert (names["spent"], names["value"]) == ("y_spent", "y_value")
    assert "kind" not in names
    of_esmm = score_names(pipeline_of(ESMM))
    assert (of_esmm["cvr"], of_esmm["ctcvr"]) == ("probs_cvr", "probs_ctcvr")


def test_values_against_numpy():
    formulas = {
        "rank": "ctr^1.2 * cvr * log1p(y_watch)",
        "all": "abs(-cvr) + exp(ctr) - log(cvr) / sqrt(watch) + sigmoid(logits_ctr)",
        "most": "max(ctr, cvr, 0.3) - min(0.5, ctr) + pow(y=2, x=cvr) + ctr**-1",
        "later": "rank * 2 + 0 * all",
    }
    towers = "".join(f'task_towers {{ tower_name: "{name}" }}' for name in ("ctr", "cvr"))
    watch = 'task_towers { tower_name: "watch" loss_type: L2_LOSS }'
    scores = FinalScores(pipeline_of(f"simple_multi_task {{ {towers} {watch} }}", **formulas))
    random = np.random.default_rng(3)
    logits = random.normal(-3, 2, 200).astype(np.float32)
    ctr, cvr = expit(logits), random.beta(1, 20, 200).astype(np.float32)
    watch = random.gamma(2, 30, 200).astype(np.float32)
    found = scores({"probs_ctr": ctr, "logits_ctr": logits, "probs_cvr": cvr, "y_watch": watch, "other": watch})
    p, q, y = ctr.astype(float), cvr.astype(float), watch.astype(float)
    expected = {
        "rank": p**1.2 * q * np.log1p(y),
        "all": q + np.exp(p) - np.log(q) / np.sqrt(y) + expit(logits.astype(float)),
        "most": np.maximum(np.maximum(p, q), 0.3) - np.minimum(0.5, p) + q**2 + 1 / p,
        "later": p**1.2 * q * np.log1p(y) * 2,
    }
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert found[name].dtype == tf.float32
        # To the last digit of a float32, as only float64 gives it.
        np.testing.assert_allclose(found[name], values.astype(np.float32), rtol=1.2e-7)


def test_what_has_no_value_is_nan_and_what_is_too_large_infinite():
    model = 'simple_multi_task { task_towers { tower_name: "w" loss_type: L2_LOSS } }'
    scores = FinalScores(pipeline_of(model, a="log(w)", b="w^0.5", c="exp(w * 50)", d="1 / (w - 2)"))
    found = scores({"y_w": tf.constant([-1.0, 2.0])})
    assert math.isnan(found["a"][0]) and math.isnan(found["b"][0])
    assert found["a"][1] == np.float32(np.log(2)) and found["c"][1] == np.inf and found["d"][1] == np.inf


class TestEvaluation:
    def evaluation(self):
        tasks = build_tasks(pipeline_of(f"simple_multi_task {{ {TOWERS} }}"))
        return Evaluation(tasks, scores=["rank"])

    def test_a_score_is_held_against_every_label_by_its_order(self):
        evaluation, random = self.evaluation(), np.random.default_rng(1)
        rank = (100 * random.normal(size=300)).astype(np.float32)
        click = (random.random(300) < 0.3).astype(np.float32)
        click[::7] = NAN
        time = rank.round(-2)
        predictions = {"probs_ctr": np.full(300, 0.5, np.float32), "y_watch": np.zeros(300, np.float32), "rank": rank}
        for part in (slice(0, 100), slice(100, 300)):
            numbers = {"click": click[part], "time": time[part]}
            evaluation.add({name: value[part] for name, value in predictions.items()}, numbers)
        result = evaluation.result()
        labelled = ~np.isnan(click)
        assert result["auc_rank_for_ctr"] == pytest.approx(roc_auc_score(click[labelled], rank[labelled]))
        assert result["auc_ctr"] == 0.5
        assert result["xauc_rank_for_watch"] == 1.0
        assert not any(name.startswith("log_loss_rank") for name in result)
        wide = rank.astype(np.float64)
        assert [result[f"{name}_rank"] for name in ("mean", "min", "max")] == [wide.mean(), wide.min(), wide.max()]

    def test_rows_without_a_value_are_told(self):
        evaluation = self.evaluation()
        rank = np.array([1, NAN, 2], np.float32)
        predictions = {"probs_ctr": rank * 0 + 0.5, "y_watch": np.arange(3.0), "rank": rank}
        predictions["probs_ctr"] = np.full(3, 0.5)
        evaluation.add(predictions, {"click": np.array([0.0, 1, 0]), "time": np.arange(3.0)})
        result = evaluation.result()
        assert math.isnan(result["mean_rank"]) and math.isnan(result["auc_rank_for_ctr"])
        assert "mean_rank, min_rank, max_rank are not defined: 1 of 3 predictions are NaN or infinite." in (
            evaluation.warnings
        )

    def test_a_model_without_the_output_is_told(self):
        with pytest.raises(UserError, match='has no output "rank", which'):
            self.evaluation().add({"probs_ctr": np.zeros(1), "y_watch": np.zeros(1)}, {})
