"""Data that kept a share of the negatives: probabilities by the formula, metrics by what all rows say."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.build import build_tasks
from easymtl.tasks.evaluation import Evaluation
from easymtl.tasks.labelled import Labelled
from easymtl.tasks.sampling import of_all_rows

METRICS = " ".join(f"metrics_set {{ {name} {{ }} }}" for name in ("auc", "calibration", "log_loss", "pr_auc"))
RATE = 0.1


def tasks_of(*towers: str):
    text = " ".join(f"task_towers {{ {tower} }}" for tower in towers)
    labels = ", ".join(f'"{name}"' for name in ("click", "buy")[: len(towers)])
    return build_tasks(
        text_format.Parse(
            f"data_config {{ label_fields: [{labels}] }} model_config {{ simple_multi_task {{ {text} }} }}", Pipeline()
        )
    )


def predictions(tasks, logits) -> dict[str, np.ndarray]:
    moved = of_all_rows({name: tf.constant(one, tf.float32) for name, one in logits.items()}, tasks)
    return {name: one.numpy() for task in tasks for name, one in task.predictions(moved).items()}


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def corrected(logit, rate):
    q = sigmoid(logit)
    return q / (q + (1 - q) / rate)


CLICK = f'tower_name: "click" negative_sampling_rate: {RATE} {METRICS}'
BUY = f'tower_name: "buy" parent: "click" negative_sampling_rate: 0.5 {METRICS}'


@pytest.mark.parametrize("logit", [-30.0, -2.0, 0.0, 3.0, 30.0])
def test_a_probability_is_the_one_in_all_rows_and_the_logit_goes_with_it(logit):
    found = predictions(tasks_of(CLICK), {"click": np.full([1, 1], logit)})
    np.testing.assert_allclose(found["probs_click"], corrected([logit], RATE), rtol=1e-5)
    np.testing.assert_allclose(found["logits_click"], [logit + np.log(RATE)], rtol=1e-6)


def test_of_two_logits_the_one_of_the_event_is_moved():
    tower = 'tower_name: "click" num_class: 2 losses { loss_type: JRC_LOSS jrc_loss { session_name: "s" } } '
    found = predictions(tasks_of(tower + f"negative_sampling_rate: {RATE}"), {"click": np.array([[1.0, 0.5]])})
    np.testing.assert_allclose(found["probs_click"], corrected([-0.5], RATE), rtol=1e-5)


def test_in_a_funnel_each_rate_is_of_the_rows_where_the_parent_happened():
    found = predictions(tasks_of(CLICK, BUY), {"click": np.array([[0.3]]), "buy": np.array([[-0.7]])})
    click, given = corrected([0.3], RATE), corrected([-0.7], 0.5)
    np.testing.assert_allclose(found["probs_click"], click, rtol=1e-5)
    np.testing.assert_allclose(found["probs_buy_given_click"], given, rtol=1e-5)
    np.testing.assert_allclose(found["probs_buy"], click * given, rtol=1e-5)


def test_losses_are_those_of_the_data_as_they_are():
    logits = {"click": tf.constant([[0.3], [-2.0]])}
    labelled = Labelled({"click": tf.constant([1.0, 0.0])}, {})
    (plain,), (sampled,) = (tasks_of(tower) for tower in (CLICK.replace(f"{RATE}", "1"), CLICK))
    for name, loss in plain.losses(logits, labelled).items():
        np.testing.assert_array_equal(sampled.losses(logits, labelled)[name], loss)


@pytest.fixture(scope="module")
def world():
    """All rows of a funnel with known probabilities, which rows were kept, and of which the second label was."""
    random = np.random.default_rng(3)
    num_rows = 400_000
    logit, given = random.normal(-2.5, 1.2, num_rows), random.normal(-1, 1, num_rows)
    click = random.random(num_rows) < sigmoid(logit)
    buy = click & (random.random(num_rows) < sigmoid(given))
    kept = random.random(num_rows) < np.where(click, 1, RATE)
    told = random.random(num_rows) < np.where(click & ~buy, 0.5, 1)
    return logit, given, click, buy, told, kept


def measured(world, rates: tuple[float, float], rows, eval_rates="", is_told=False) -> dict[str, float]:
    """Returns the metrics of rows, by networks that have learnt what is true of data with these rates."""
    logit, given, click, buy, told, _ = world
    labels = np.where(told | (not is_told), buy, np.nan)
    towers = [
        f'tower_name: "click" negative_sampling_rate: {rates[0]} {METRICS} {eval_rates}',
        f'tower_name: "buy" parent: "click" negative_sampling_rate: {rates[1]} {METRICS} {eval_rates}',
    ]
    tasks = tasks_of(*towers)
    learnt = {"click": logit[rows, None] - np.log(rates[0]), "buy": given[rows, None] - np.log(rates[1])}
    evaluation = Evaluation(tasks)
    evaluation.add(
        predictions(tasks, learnt),
        {"click": click[rows].astype(np.float32), "buy": labels[rows].astype(np.float32)},
    )
    return evaluation.result()


def test_metrics_of_a_sample_are_those_of_all_rows(world):
    kept = world[-1]
    whole, found = measured(world, (1, 1), np.ones_like(kept)), measured(world, (RATE, 0.5), kept, is_told=True)
    assert set(found) == set(whole) and "calibration_buy_given_click" in found
    for name, value in whole.items():
        assert found[name] == pytest.approx(value, rel=0.02), name
        if name.startswith("calibration"):
            assert value == pytest.approx(1, abs=0.02), "what was learnt is true"
    as_if_all = measured(world, (RATE, 0.5), kept, "eval_negative_sampling_rate: 1")
    assert as_if_all["calibration_click"] < 0.5, "uncorrected, a sample has too many positives"


def test_evaluation_data_may_hold_all_rows(world):
    whole = np.ones_like(world[-1])
    found = measured(world, (RATE, 0.5), whole, "eval_negative_sampling_rate: 1")
    for name, value in measured(world, (1, 1), whole).items():
        assert found[name] == pytest.approx(value, rel=1e-4), name


def test_weights_of_rows_multiply():
    space = 'task_space_indicator_label: "click" in_task_space_weight: 3'
    (task,) = tasks_of(f"{CLICK} metrics_set {{ calibration {{ }} weighted: true }} {space}")
    evaluation = Evaluation([task])
    evaluation.add({"probs_click": np.array([0.5, 0.5])}, {"click": np.array([1.0, 0.0], np.float32)})
    counts = evaluation.thresholds()["click"]
    assert (counts.true_positives[0], counts.false_positives[0]) == (1, pytest.approx(10)), "curves count so, too"
    found = evaluation.result()
    assert found["calibration_click"] == pytest.approx(0.5 / (1 / 11))
    assert found["weighted_calibration_click"] == pytest.approx(0.5 / (3 / 13))
