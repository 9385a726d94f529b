"""Order calibration: relu(p of a task - p of the one before it), against NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.build import build_tasks
from easymtl.tasks.labelled import Labelled

AITM = """
    data_config { label_fields: "a" label_fields: "b" label_fields: "c" }
    model_config { aitm { calibration_weight: %s
      task_towers { tower_name: "first" }
      task_towers { tower_name: "second" weight: 0.5 }
      task_towers { tower_name: "third" } } }
"""


@pytest.fixture
def logits():
    values = np.random.default_rng(5).normal(size=[3, 40, 1])
    return {name: tf.constant(value, tf.float32) for name, value in zip(("first", "second", "third"), values)}


@pytest.fixture
def numbers():
    return {name: np.array([1.0, 0.0] * 20, np.float32) for name in "abc"}


def tasks_of(weight: float = 0.6):
    return {task.name: task for task in build_tasks(text_format.Parse(AITM % weight, Pipeline()))}


def test_each_task_of_a_chain_is_held_below_the_one_before_it(logits, numbers):
    p = {name: 1 / (1 + np.exp(-value.numpy()[:, 0].astype(float))) for name, value in logits.items()}
    tasks = tasks_of()
    assert tasks["first"].loss_names == ["cross_entropy_loss_first"]
    for name, before, weight in (("second", "first", 0.5), ("third", "second", 1.0)):
        found = tasks[name].losses(logits, Labelled(numbers))[f"calibration_loss_{name}"]
        np.testing.assert_allclose(found, weight * 0.6 * np.mean(np.maximum(p[name] - p[before], 0)), rtol=1e-5)


def test_rows_in_order_have_no_gradient_and_the_others_pull_both_tasks(logits, numbers):
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = tasks_of()["second"].losses(logits, Labelled(numbers))["calibration_loss_second"]
    found = tape.gradient(loss, logits, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    is_wrong = (logits["second"] > logits["first"]).numpy()
    np.testing.assert_array_equal(found["second"].numpy() > 0, is_wrong)
    np.testing.assert_array_equal(found["first"].numpy() < 0, is_wrong)
    np.testing.assert_array_equal(found["third"], 0)


def test_rows_without_a_label_do_not_count(logits, numbers):
    numbers["b"] = np.array([1, np.nan] * 20, np.float32)
    p = {name: 1 / (1 + np.exp(-value.numpy()[:, 0].astype(float))) for name, value in logits.items()}
    found = tasks_of()["second"].losses(logits, Labelled(numbers))["calibration_loss_second"]
    expected = 0.5 * 0.6 * np.mean(np.maximum(p["second"] - p["first"], 0)[::2])
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_weight_of_zero_leaves_it_out():
    assert tasks_of(weight=0)["second"].terms == []
