"""Losses and metrics of packages go through the same task, weights and passes as our own."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from sklearn.metrics import mean_pinball_loss

from easymtl.errors import UserError
from easymtl.extensions import Loss, Metric, Parameter
from easymtl.features.numbers import NumberColumn
from easymtl.protos.task_pb2 import TaskTower
from easymtl.tasks.labelled import Labelled
from easymtl.tasks.losses import kind_of, reach_of
from easymtl.tasks.metrics import MetricInputs
from easymtl.tasks.reach import EACH_ROW, Together
from easymtl.tasks.task import Task
from easymtl.tasks.tower_metrics import build_metrics

QUANTILE = Parameter("quantile", float, range="(0, 1)")
X = np.random.default_rng(3)
LOGITS, LABELS = (X.normal(size=20).astype(np.float32) for _ in range(2))
WEIGHTS = X.uniform(0.5, 2, 20).astype(np.float32)


def pinball(inputs):
    difference = inputs.labels - inputs.logits
    return tf.maximum(inputs.parameters.quantile * difference, (inputs.parameters.quantile - 1) * difference)


def behind_the_best(inputs):
    """How far a row is behind the best of its session."""
    sessions, places = tf.unique(inputs.keys[inputs.parameters.field])
    best = tf.math.unsorted_segment_max(inputs.logits, places, tf.size(sessions))
    return tf.gather(best, places) - inputs.logits


@pytest.fixture
def installed(packages):
    packages.module(
        "team", pinball=pinball, behind=behind_the_best, column=lambda i: pinball(i)[:, None], one=lambda i: 1.0
    )
    packages.install("Pinball", Loss("team:pinball", [QUANTILE], predicts="value"))
    packages.install("Column", Loss("team:column", [QUANTILE], predicts="value"))
    packages.install("One", Loss("team:one"))
    packages.install("Behind", Loss("team:behind", [Parameter("field", str)], session="field"))
    return packages


def task(losses: str, more: str = "") -> Task:
    tower = text_format.Parse(f'tower_name: "t" {losses} {more}', TaskTower())
    return Task(tower, NumberColumn("label", "label"))


def custom(name: str, parameters: str = "", more: str = "") -> str:
    return f'losses {{ loss_type: CUSTOM custom {{ name: "{name}" {parameters} }} {more} }}'


def labelled(**keys) -> Labelled:
    return Labelled({"label": tf.constant(LABELS)}, keys)


def test_a_loss_is_the_mean_of_what_its_function_returns_with_the_weights_of_loss_and_tower(installed):
    parameters = 'parameters { key: "quantile" number: 0.9 }'
    made = task(custom("Pinball", parameters, "weight: 3"), "weight: 0.5")
    (name, value), *rest = made.losses({"t": tf.constant(LOGITS)}, labelled()).items()
    assert (name, rest) == ("Pinball_t", [])
    np.testing.assert_allclose(value, 1.5 * mean_pinball_loss(LABELS, LOGITS, alpha=0.9), rtol=1e-5)
    assert made.predicted == "value"
    np.testing.assert_allclose(made.predictions({"t": tf.constant(LOGITS)})["y_t"], LOGITS)


def test_two_losses_of_one_package_have_parameters_of_their_own(installed):
    low, high = (custom("Pinball", f'parameters {{ key: "quantile" number: {q} }}') for q in (0.1, 0.8))
    found = task(f"{low} {high} losses {{ loss_type: L2_LOSS }}").losses({"t": tf.constant(LOGITS)}, labelled())
    assert list(found) == ["Pinball_t", "Pinball_t_2", "l2_loss_t"]
    np.testing.assert_allclose(found["Pinball_t"], mean_pinball_loss(LABELS, LOGITS, alpha=0.1), rtol=1e-5)
    np.testing.assert_allclose(found["Pinball_t_2"], mean_pinball_loss(LABELS, LOGITS, alpha=0.8), rtol=1e-5)


def test_a_missing_label_and_its_gradient_are_nothing(installed):
    made = task(custom("Pinball", 'parameters { key: "quantile" number: 0.9 }'))
    labels = LABELS.copy()
    labels[:10] = np.nan
    logits = tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        found = made.losses({"t": logits}, Labelled({"label": tf.constant(labels)}, {}))["Pinball_t"]
    np.testing.assert_allclose(found, mean_pinball_loss(LABELS[10:], LOGITS[10:], alpha=0.9), rtol=1e-5)
    gradient = tape.gradient(found, logits).numpy()
    assert not gradient[:10].any() and gradient[10:].all()


@pytest.mark.parametrize(
    ("losses", "shape"),
    [(custom("Column", 'parameters { key: "quantile" number: 0.9 }'), r"\(20, 1\)"), (custom("One"), r"\(\)")],
)
def test_a_loss_that_is_none_of_each_row_is_refused(installed, losses, shape):
    says = f"of team-models 1.2.0 returns a tensor of shape {shape}; it has to return the loss of each row"
    with pytest.raises(UserError, match=says):
        task(losses).losses({"t": tf.constant(LOGITS)}, labelled())


def test_a_loss_within_sessions_sees_them_whole(installed):
    made = task(custom("Behind", 'parameters { key: "field" text: "user" }'))
    assert made.key_fields == ["user"]
    (reach,) = made.reaches.values()
    assert (reach.together, reach.session) == (Together.SESSION, "user")
    users = np.arange(20) % 3
    best = np.array([LOGITS[users == user].max() for user in range(3)])[users]
    (found,) = made.losses({"t": tf.constant(LOGITS)}, labelled(user=tf.constant(users))).values()
    np.testing.assert_allclose(found, np.mean(best - LOGITS), rtol=1e-5)


def test_a_loss_of_rows_alone_adds_up_however_they_are_cut(installed):
    tower = text_format.Parse(custom("Pinball", 'parameters { key: "quantile" number: 0.9 }'), TaskTower())
    assert reach_of(tower.losses[0]) == EACH_ROW
    assert kind_of(tower.losses[0]).name == "Pinball"


def metrics(text: str, predicted: str = "value"):
    return build_metrics(text_format.Parse(text, TaskTower()).metrics_set, predicted, 1, "tower")


def inputs_of(metric, groups=None) -> MetricInputs:
    return MetricInputs(LABELS.astype(float), LOGITS.astype(float), WEIGHTS.astype(float), groups, metric.parameters)


def test_a_metric_is_computed_by_its_function(packages):
    packages.module(
        "team", share=lambda inputs: inputs.mean(inputs.labels < inputs.parameters.factor * inputs.predictions)
    )
    packages.install("Share", Metric("team:share", [Parameter("factor", float, default=1.0)], tasks=("value",)))
    plain, weighted = metrics(
        'metrics_set { custom { name: "Share" } } '
        'metrics_set { custom { name: "Share" parameters { key: "factor" number: 2 } } weighted: true }'
    )
    assert (plain.name, weighted.name) == ("Share", "weighted_Share")
    found = plain.kind.compute(inputs_of(plain))
    np.testing.assert_allclose(found, np.average(LABELS < LOGITS, weights=WEIGHTS))
    found = weighted.kind.compute(inputs_of(weighted))
    np.testing.assert_allclose(found, np.average(LABELS < 2 * LOGITS, weights=WEIGHTS))
    with pytest.raises(UserError, match="metric Share cannot be computed on its prediction"):
        metrics('metrics_set { custom { name: "Share" } }', "binary")


def test_a_metric_has_the_groups_that_its_parameter_names(packages):
    packages.module("team", groups=lambda inputs: len(set(inputs.groups)), many=lambda inputs: inputs.labels)
    packages.install("Groups", Metric("team:groups", [Parameter("field", str)], groups="field"))
    packages.install("Many", Metric("team:many"))
    text = 'metrics_set { custom { name: "Groups" parameters { key: "field" text: "user" } } }'
    (metric,) = metrics(text, "binary")
    assert metric.key_field == "user"
    assert metric.kind.compute(inputs_of(metric, np.arange(20) % 3)) == 3.0
    (metric,) = metrics('metrics_set { custom { name: "Many" } }', "binary")
    with pytest.raises(UserError, match=r'metric "Many" of team-models 1.2.0 returns an array of shape \(20,\)'):
        metric.kind.compute(inputs_of(metric))
