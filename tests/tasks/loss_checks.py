"""What the tests of losses share: a task of one loss, its loss and gradient, and gradients of NumPy functions."""

from collections.abc import Callable
from functools import cache

import numpy as np
import tensorflow as tf
from google.protobuf import text_format

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.build import build_tasks
from easymtl.tasks.labelled import Labelled
from easymtl.tasks.task import Task

NAN = float("nan")


@cache
def task_of(losses: str, tower: str = "", model: str = "") -> Task:
    """Returns a task with these losses, label "y" and sample weight "w"; rows with "in" 0 are out of its space.

    The same texts give the same task, which is traced once; `task_of.__wrapped__` makes a new one.
    """
    text = f"""
        data_config {{ label_fields: "y" sample_weight: "w" }}
        model_config {{ {model} simple_multi_task {{ task_towers {{
          tower_name: "t" task_space_indicator_label: "in" out_task_space_weight: 0 {tower} {losses} }} }} }}"""
    return build_tasks(text_format.Parse(text, Pipeline()))[0]


class Rows:
    """A batch: logits, labels, weights and sessions, all rows in the task's space unless told otherwise."""

    def __init__(self, logits, labels, weights=None, sessions=None, inside=None):
        self.logits = np.asarray(logits, np.float64)
        self.labels = np.asarray(labels, np.float64)
        self.weights = np.ones(len(self.labels)) if weights is None else np.asarray(weights, np.float64)
        self.sessions = np.zeros(len(self.labels), np.int64) if sessions is None else np.asarray(sessions)
        self.inside = np.ones(len(self.labels)) if inside is None else np.asarray(inside, np.float64)

    def take(self, rows) -> "Rows":
        """Returns some of the rows."""
        columns = (self.logits, self.labels, self.weights, self.sessions, self.inside)
        return Rows(*(column[rows] for column in columns))

    def tensors(self) -> list[tf.Tensor]:
        """Returns logits, labels, weights and whether rows are in the space as float32, and the sessions as int64."""
        numbers = (self.logits, self.labels, self.weights, self.inside)
        return [*(tf.constant(values, tf.float32) for values in numbers), tf.constant(self.sessions, tf.int64)]


def loss_and_gradient(task: Task, rows: Rows) -> tuple[float, np.ndarray]:
    """Returns the loss of a task and its gradient for the logits."""
    loss, gradient = _traced(task)(*rows.tensors())
    return float(loss), gradient.numpy()


@cache
def _traced(task: Task) -> Callable:
    """Returns the loss and its gradient as a traced function of batches of any size."""
    width = [] if task.num_outputs == 1 else [task.num_outputs]
    numbers = tf.TensorSpec([None])

    def both(logits, labels, weights, inside, sessions) -> tuple[tf.Tensor, tf.Tensor]:
        labelled = Labelled({"y": labels, "w": weights, "in": inside}, {"session": sessions})
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = tf.add_n(list(task.losses({"t": logits}, labelled).values()))
        return loss, tape.gradient(loss, logits)

    signature = [tf.TensorSpec([None, *width]), numbers, numbers, numbers, tf.TensorSpec([None], tf.int64)]
    return tf.function(both, input_signature=signature, autograph=False)


def slope(function: Callable[[np.ndarray], float], at: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """Returns the gradient of a function by central differences in float64."""
    at = np.asarray(at, np.float64)
    gradient = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        moved = np.zeros_like(at)
        moved[place] = step
        gradient[place] = (function(at + moved) - function(at - moved)) / (2 * step)
    return gradient


def assert_loss(task: Task, rows: Rows, function: Callable[[np.ndarray], float], rtol: float = 2e-5) -> None:
    """Checks value and gradient of a task's loss against a function of the logits in NumPy."""
    loss, gradient = loss_and_gradient(task, rows)
    np.testing.assert_allclose(loss, function(rows.logits), rtol=rtol, atol=1e-6)
    expected = slope(function, rows.logits)
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=2e-6 * max(1.0, np.abs(expected).max()))


def random_rows(
    num_rows: int = 60, width: int = 0, num_sessions: int = 7, labels: str = "grades", seed: int = 0
) -> Rows:
    """Returns rows of interleaved sessions with weights, some of them 0, some labels missing, some out of space."""
    random = np.random.default_rng(seed)
    drawn = {
        "grades": lambda: random.integers(0, 3, num_rows).astype(float),
        "events": lambda: random.integers(0, 2, num_rows).astype(float),
        "numbers": lambda: random.normal(size=num_rows),
        "probabilities": lambda: random.uniform(size=num_rows),
        "places": lambda: random.integers(-1, 40, num_rows).astype(float),
        "amounts": lambda: np.where(random.uniform(size=num_rows) < 0.5, 0, random.lognormal(size=num_rows)),
    }[labels]()
    drawn[random.uniform(size=num_rows) < 0.1] = NAN
    return Rows(
        random.normal(size=(num_rows, width) if width else num_rows) * 2,
        drawn,
        random.choice([0, 0.5, 1, 2], num_rows),
        random.integers(-5, num_sessions - 5, num_rows) * 10**15,
        random.choice([0, 1, 1, 1], num_rows),
    )
