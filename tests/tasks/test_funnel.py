"""Funnels: p(this) = p(parent) · p(this | parent) in log space, against NumPy in float64."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from sklearn.metrics import log_loss, mean_squared_error, roc_auc_score

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.build import build_tasks, number_columns
from easymtl.tasks.evaluation import Evaluation
from easymtl.tasks.funnel import joint_log_odds
from easymtl.tasks.labelled import Labelled
from easymtl.tasks.task import Task

NAN = float("nan")
CHAIN = """
    task_towers { tower_name: "order" label_name: "order" parent: "cart" metrics_set { auc {} } weight: 0.5 }
    task_towers { tower_name: "click" label_name: "click" metrics_set { auc {} } }
    task_towers { tower_name: "cart" label_name: "cart" parent: "click" metrics_set { auc {} } }
    task_towers {
      tower_name: "time" label_name: "time" parent: "click" loss_type: L2_LOSS metrics_set { mean_squared_error {} }
    }
"""
ESMM = """
    ctr_tower { tower_name: "ctr" label_name: "click" metrics_set { auc {} } }
    cvr_tower { tower_name: "cvr" label_name: "order" metrics_set { auc {} } weight: 0.5 }
"""


def tasks_of(model: str, data: str = "") -> dict[str, Task]:
    labels = "".join(f'label_fields: "{name}" ' for name in ("click", "cart", "order", "time"))
    pipeline = text_format.Parse(f"data_config {{ {labels} {data} }} model_config {{ {model} }}", Pipeline())
    return {task.name: task for task in build_tasks(pipeline)}


def chain(data: str = "") -> dict[str, Task]:
    return tasks_of(f"simple_multi_task {{ {CHAIN} }}", data)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


@pytest.fixture
def random():
    return np.random.default_rng(7)


@pytest.fixture
def logits(random):
    return {name: random.normal(0, 2, [200, 1]).astype(np.float32) for name in ("click", "cart", "order", "time")}


@pytest.fixture
def numbers(random):
    click = (random.random(200) < 0.5).astype(np.float32)
    cart = np.where(click > 0, random.random(200) < 0.6, NAN).astype(np.float32)
    order = np.where(cart > 0, random.random(200) < 0.5, NAN).astype(np.float32)
    time = np.where(click > 0, random.normal(3, 1, 200), NAN).astype(np.float32)
    return {"click": click, "cart": cart, "order": order, "time": time}


def probabilities(logits):
    given = {name: sigmoid(value[:, 0]) for name, value in logits.items()}
    cart = given["click"] * given["cart"]
    return {"click": given["click"], "cart": cart, "order": cart * given["order"]}


class TestLogOdds:
    EXTREMES = np.array([-80.0, -30.0, -5.0, 0.0, 5.0, 30.0, 80.0])

    @pytest.fixture
    def pairs(self):
        parent, given = np.meshgrid(self.EXTREMES, self.EXTREMES)
        return parent.ravel(), given.ravel()

    def odds(self, parent, given):
        both = [tf.constant(x, tf.float32) for x in (parent, given)]
        return joint_log_odds(*((tf.math.log_sigmoid(x), tf.math.log_sigmoid(-x)) for x in both))

    def test_rare_and_sure_events_keep_their_digits(self, pairs):
        parent, given = (np.asarray(x, np.longdouble) for x in pairs)
        not_parent, not_given = 1 / (1 + np.exp(parent)), 1 / (1 + np.exp(given))
        p = 1 / (1 + np.exp(-parent)) / (1 + np.exp(-given))
        expected = np.log(p) - np.log(not_parent + not_given - not_parent * not_given)
        np.testing.assert_allclose(self.odds(*pairs), expected.astype(float), rtol=1e-5, atol=1e-5)

    def test_its_sigmoid_is_the_product(self, pairs):
        np.testing.assert_allclose(
            tf.sigmoid(self.odds(*pairs)), sigmoid(pairs[0]) * sigmoid(pairs[1]), rtol=2e-5, atol=1e-30
        )

    def test_the_gradient_of_the_cross_entropy_is_finite_and_right(self, pairs):
        parent, given = (tf.constant(x, tf.float32) for x in pairs)
        for label in (0.0, 1.0):
            with tf.GradientTape() as tape:
                tape.watch([parent, given])
                found_odds = self.odds(parent, given)
                loss = tf.nn.sigmoid_cross_entropy_with_logits(tf.fill(found_odds.shape, label), found_odds)
            found = tape.gradient(loss, [parent, given])
            a, b = (np.asarray(x, np.longdouble) for x in pairs)
            not_a, not_b, p_a, p_b = (
                1 / (1 + np.exp(a)),
                1 / (1 + np.exp(b)),
                1 / (1 + np.exp(-a)),
                1 / (1 + np.exp(-b)),
            )
            neither = not_a + not_b - not_a * not_b
            expected = (-not_a, -not_b) if label else (p_a * p_b * not_a / neither, p_a * p_b * not_b / neither)
            for gradient, value in zip(found, expected):
                np.testing.assert_allclose(gradient, value.astype(float), rtol=1e-4, atol=1e-6)


def test_the_probability_of_a_task_is_the_product_along_its_chain(logits):
    found = {name: value for task in chain().values() for name, value in task.predictions(logits).items()}
    for name, expected in probabilities(logits).items():
        np.testing.assert_allclose(found[f"probs_{name}"], expected, rtol=1e-5)
        np.testing.assert_allclose(tf.sigmoid(found[f"logits_{name}"]), expected, rtol=1e-5)
    np.testing.assert_allclose(found["probs_order_given_cart"], sigmoid(logits["order"][:, 0]), rtol=1e-5)
    np.testing.assert_allclose(found["probs_cart_given_click"], sigmoid(logits["cart"][:, 0]), rtol=1e-5)
    np.testing.assert_allclose(
        found["y_time"], sigmoid(logits["click"][:, 0]) * logits["time"][:, 0], rtol=1e-5, atol=1e-6
    )
    np.testing.assert_array_equal(found["y_time_given_click"], logits["time"][:, 0])


def test_a_task_is_never_likelier_than_its_parent(logits):
    found = {name: value for task in chain().values() for name, value in task.predictions(logits).items()}
    assert np.all(found["probs_order"] <= found["probs_cart"])
    assert np.all(found["probs_cart"] <= found["probs_click"])


def test_what_needs_the_parent_did_not_happen_where_the_parent_did_not():
    numbers = {
        "click": np.array([0, 0, 1, 1, 1, 1, NAN, 1], np.float32),
        "cart": np.array([NAN, 1, 0, 1, 1, 1, 1, NAN], np.float32),
        "order": np.array([NAN, 1, NAN, 0, 1, NAN, 1, 1], np.float32),
    }
    tasks = chain()
    np.testing.assert_array_equal(tasks["cart"].labels(numbers), [0, 0, 0, 1, 1, 1, NAN, NAN])
    np.testing.assert_array_equal(tasks["order"].labels(numbers), [0, 0, 0, 0, 1, NAN, NAN, NAN])
    np.testing.assert_array_equal(tasks["order"].weights(numbers), [1, 1, 1, 1, 1, 0, 0, 0])


def test_the_columns_of_all_ancestors_are_read():
    assert [column.name for column in chain()["order"].number_columns] == ["order", "cart", "click"]
    assert {column.name for column in number_columns(chain().values())} == {"click", "cart", "order", "time"}


def test_the_loss_is_over_all_rows(logits, numbers):
    tasks, p = chain(), probabilities(logits)
    labels = {"click": numbers["click"], **{name: np.nan_to_num(numbers[name]) for name in ("cart", "order")}}
    found = {name: value for task in tasks.values() for name, value in task.losses(logits, Labelled(numbers)).items()}
    for name, weight in {"click": 1, "cart": 1, "order": 0.5}.items():
        expected = weight * log_loss(labels[name], p[name])
        np.testing.assert_allclose(found[f"cross_entropy_loss_{name}"], expected, rtol=1e-5)
    time = p["click"] * logits["time"][:, 0]
    np.testing.assert_allclose(
        found["l2_loss_time"], mean_squared_error(np.nan_to_num(numbers["time"]), time), rtol=1e-5
    )


def test_sample_weights_count(logits, numbers):
    tasks = chain('sample_weight: "w"')
    numbers["w"] = np.linspace(0.5, 2, 200, dtype=np.float32)
    found = tasks["cart"].losses(logits, Labelled(numbers))["cross_entropy_loss_cart"]
    p, y = probabilities(logits)["cart"], np.nan_to_num(numbers["cart"])
    losses = -(y * np.log(p) + (1 - y) * np.log1p(-p))
    np.testing.assert_allclose(found, np.mean(numbers["w"] * losses), rtol=1e-5)


def test_rows_without_a_click_teach_both_towers_and_rows_that_do_not_tell_none(logits):
    numbers = {"click": np.array([0, 1, NAN], np.float32), "cart": np.array([NAN, NAN, 1], np.float32)}
    variables = {name: tf.constant(logits[name][:3]) for name in ("click", "cart")}
    with tf.GradientTape() as tape:
        tape.watch(variables)
        loss = tf.add_n(list(chain()["cart"].losses(variables, Labelled(numbers)).values()))
    for gradient in tape.gradient(loss, variables).values():
        assert gradient[0] != 0
        np.testing.assert_array_equal(gradient[1:], 0)


def test_metrics_are_of_the_joint_over_all_rows_and_of_the_given_where_the_parent_happened(logits, numbers):
    tasks = chain()
    evaluation = Evaluation(list(tasks.values()))
    predictions = {k: v.numpy() for task in tasks.values() for k, v in task.predictions(logits).items()}
    for rows in (slice(0, 90), slice(90, 200)):
        part = {name: value[rows] for name, value in numbers.items()}
        evaluation.add({name: value[rows] for name, value in predictions.items()}, part)
    found, p = evaluation.result(), probabilities(logits)
    assert list(found) == list(evaluation.metrics)
    assert found["auc_cart"] == pytest.approx(roc_auc_score(np.nan_to_num(numbers["cart"]), p["cart"]), rel=1e-6)
    in_cart = numbers["cart"] > 0
    expected = roc_auc_score(numbers["order"][in_cart], logits["order"][in_cart, 0])
    assert found["auc_order_given_cart"] == pytest.approx(expected)
    clicked = numbers["click"] > 0
    expected = mean_squared_error(numbers["time"][clicked], logits["time"][clicked, 0])
    assert found["mean_squared_error_time_given_click"] == pytest.approx(expected)
    assert set(found) == {
        *(f"auc_{name}" for name in ("click", "cart", "order", "cart_given_click", "order_given_cart")),
        *(f"mean_squared_error_{name}" for name in ("time", "time_given_click")),
    }


class TestESMM:
    def test_it_is_a_parent_under_names_of_its_own(self, logits, numbers):
        esmm = tasks_of(f"esmm {{ {ESMM} }}")
        towers = ESMM.replace("ctr_tower", "task_towers").replace("cvr_tower {", 'task_towers { parent: "ctr"')
        same = tasks_of(f"simple_multi_task {{ {towers} }}")
        values = {"ctr": logits["click"], "cvr": logits["order"]}
        for name, task in esmm.items():
            losses = task.losses(values, Labelled(numbers))
            for loss, value in same[name].losses(values, Labelled(numbers)).items():
                np.testing.assert_array_equal(losses[loss], value)
        found, others = esmm["cvr"].predictions(values), same["cvr"].predictions(values)
        assert set(found) == {f"{kind}_{name}" for kind in ("probs", "logits") for name in ("ctcvr", "cvr")}
        np.testing.assert_array_equal(found["probs_ctcvr"], others["probs_cvr"])
        np.testing.assert_array_equal(found["probs_cvr"], others["probs_cvr_given_ctr"])

    def test_p_ctcvr_is_p_ctr_times_p_cvr(self, logits):
        tasks = tasks_of(f"esmm {{ {ESMM} }}")
        values = {"ctr": logits["click"], "cvr": logits["order"]}
        found = {k: v for task in tasks.values() for k, v in task.predictions(values).items()}
        np.testing.assert_allclose(found["probs_ctcvr"], found["probs_ctr"] * found["probs_cvr"], rtol=1e-5)

    def test_metrics_have_the_names_of_the_dialect(self, logits, numbers):
        tasks = tasks_of(f"esmm {{ {ESMM} }}")
        evaluation = Evaluation(list(tasks.values()))
        values = {"ctr": logits["click"], "cvr": logits["order"]}
        predictions = {k: v.numpy() for task in tasks.values() for k, v in task.predictions(values).items()}
        order = (numbers["order"] > 0).astype(np.float32)
        evaluation.add(predictions, {"click": numbers["click"], "order": order})
        found, clicked = evaluation.result(), numbers["click"] > 0
        p = sigmoid(values["ctr"][:, 0]) * sigmoid(values["cvr"][:, 0])
        assert set(found) == {"auc_ctr", "auc_ctcvr", "auc_cvr_masked"}
        assert found["auc_ctcvr"] == pytest.approx(roc_auc_score(order, p))
        assert found["auc_cvr_masked"] == pytest.approx(roc_auc_score(order[clicked], values["cvr"][clicked, 0]))

    def test_a_value_is_expected_over_all_rows(self, logits, numbers):
        towers = ESMM.replace('"order"', '"time" loss_type: L2_LOSS').replace("weight: 0.5", "").split("metrics_set")
        tasks = tasks_of(f"esmm {{ {'metrics_set'.join(towers[:2])} metrics_set {{ mean_squared_error {{}} }} }} }}")
        values = {"ctr": logits["click"], "cvr": logits["time"]}
        found = tasks["cvr"].predictions(values)
        assert set(found) == {"y_ctcvr", "y_cvr"}
        np.testing.assert_allclose(found["y_ctcvr"], sigmoid(values["ctr"][:, 0]) * values["cvr"][:, 0], rtol=1e-5)
        loss = tasks["cvr"].losses(values, Labelled(numbers))["l2_loss_cvr"]
        expected = mean_squared_error(np.nan_to_num(numbers["time"]), found["y_ctcvr"])
        np.testing.assert_allclose(loss, expected, rtol=1e-5)
