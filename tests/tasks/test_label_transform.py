"""The transform of a regression's label: the loss sees it, predictions and metrics do not."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.task_pb2 import LabelTransform
from easymtl.tasks.build import build_tasks
from easymtl.tasks.evaluation import Evaluation
from easymtl.tasks.label_transform import Transform
from easymtl.tasks.labelled import Labelled
from easymtl.tasks.task import Task

NAN = float("nan")
SECONDS = np.array([0.0, 1.0, 59.0, 836.0, 86400.0, 1e7])
FUNCTIONS = {
    "divide_by: 60": (lambda y: y / 60, lambda s: s * 60),
    "function: LOG1P": (np.log1p, np.expm1),
    "function: SQRT": (np.sqrt, lambda s: np.maximum(s, 0) ** 2),
    "divide_by: 60 function: LOG1P": (lambda y: np.log1p(y / 60), lambda s: np.expm1(s) * 60),
    "divide_by: 0.5 function: SQRT": (lambda y: np.sqrt(y / 0.5), lambda s: np.maximum(s, 0) ** 2 * 0.5),
}


def stay(transform: str, model: str = "", tower: str = "") -> Task:
    text = f"""data_config {{ label_fields: "seconds" }} model_config {{ {model} simple_multi_task {{ task_towers {{
        tower_name: "stay" loss_type: L2_LOSS label_transform {{ {transform} }} {tower} }} }} }}"""
    (task,) = build_tasks(text_format.Parse(text, Pipeline()))
    return task


@pytest.mark.parametrize("transform", FUNCTIONS)
def test_the_loss_is_that_of_the_transformed_label(transform):
    forward, _ = FUNCTIONS[transform]
    logits = tf.constant([0.5, -1.0, 3.0, 2.0, 10.0, 7.0])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        labelled = Labelled({"seconds": tf.constant([*SECONDS[:5], NAN], tf.float32)})
        (loss,) = stay(transform).losses({"stay": logits}, labelled).values()
    errors = logits.numpy().astype(np.float64)[:5] - forward(SECONDS[:5])
    np.testing.assert_allclose(loss, np.square(errors).mean(), rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(loss, logits), [*(2 * errors / 5), 0], rtol=1e-4)


@pytest.mark.parametrize("transform", FUNCTIONS)
def test_predictions_are_in_the_units_of_the_label(transform):
    forward, inverse = FUNCTIONS[transform]
    scores = np.array([-30.0, -0.5, 0.0, 0.7, 12.0])
    found = stay(transform).predictions({"stay": tf.constant(scores[:, np.newaxis], tf.float32)})
    assert list(found) == ["y_stay"]
    np.testing.assert_allclose(found["y_stay"], inverse(scores), rtol=1e-5, atol=1e-6)
    exact = stay(transform).predictions({"stay": tf.constant(forward(SECONDS), tf.float32)})["y_stay"]
    np.testing.assert_allclose(exact, SECONDS, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("function", LabelTransform.Function.values())
@pytest.mark.parametrize("divisor", [1e-30, 0.1, 1.0, 60.0, 1e30])
def test_no_finite_score_is_an_infinite_prediction(function, divisor):
    transform = Transform(LabelTransform(function=function, divide_by=divisor))
    scores = [-3.4e38, -90, -1, 0, 1, 18, 88.6, 88.8, 1e4, 1.8e19, 1.9e19, 3.4e38]
    found = transform.inverse(tf.constant(scores, tf.float32)).numpy()
    assert np.isfinite(found).all()
    assert (np.diff(found) >= 0).all()


def test_metrics_are_in_the_units_of_the_label():
    task = stay("divide_by: 60 function: LOG1P", tower="metrics_set { mean_absolute_error {} }")
    predictions = task.predictions({"stay": tf.constant([1.0, 2.0])})
    evaluation = Evaluation([task])
    labels = np.array([100.0, 300.0], np.float32)
    evaluation.add({name: value.numpy() for name, value in predictions.items()}, {"seconds": labels})
    expected = np.abs(60 * np.expm1([1.0, 2.0]) - labels).mean()
    assert evaluation.result()["mean_absolute_error_stay"] == pytest.approx(expected, rel=1e-6)


def test_a_teacher_speaks_in_the_units_of_the_label_too():
    kd = 'kd { loss_name: "kd" pred_name: "y_stay" soft_label_name: "teacher" loss_type: L2_LOSS }'
    numbers = {"seconds": tf.constant([NAN, NAN]), "teacher": tf.constant([99.0, NAN])}
    losses = stay("function: LOG1P", kd).losses({"stay": tf.constant([1.0, 2.0])}, Labelled(numbers))
    np.testing.assert_allclose(losses["kd"], (1 - np.log(100)) ** 2, rtol=1e-6)
    assert float(losses["l2_loss_stay"]) == 0


def test_without_a_transform_nothing_is_changed():
    text = (
        'data_config { label_fields: "s" } model_config { mmoe { task_towers { tower_name: "t" loss_type: L2_LOSS } } }'
    )
    (task,) = build_tasks(text_format.Parse(text, Pipeline()))
    assert task.transform is None
    assert task.predictions({"t": tf.constant([-5.0])})["y_t"].numpy().tolist() == [-5.0]
