"""The counterfactual risks of ESCM²: against NumPy in float64, and unbiased over draws of clicks."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.build import build_tasks
from easymtl.tasks.counterfactual import doubly_robust, imputation_error, inverse_propensity
from easymtl.tasks.labelled import Labelled
from easymtl.tasks.task import Task

NUM_ROWS = 64
MIN_PROPENSITY = 0.2


def tasks_of(more: str = "", cvr: str = "", data: str = "", weight: float = 0.3) -> dict[str, Task]:
    pipeline = text_format.Parse(
        f"""data_config {{ label_fields: "click" label_fields: "order" {data} }} model_config {{ escm2 {{
            ctr_tower {{ tower_name: "ctr" }} cvr_tower {{ tower_name: "cvr" weight: 0.5 {cvr} }}
            min_propensity: {MIN_PROPENSITY} counterfactual_weight: {weight} global_weight: 0.7 {more} }} }}""",
        Pipeline(),
    )
    return {task.name: task for task in build_tasks(pipeline)}


@pytest.fixture
def random():
    return np.random.default_rng(3)


@pytest.fixture
def logits(random):
    names = ("ctr", "cvr", "cvr_imputation")
    return {name: tf.constant(random.normal(-0.5, 1.5, [NUM_ROWS, 1]), tf.float32) for name in names}


@pytest.fixture
def numbers(random):
    click = (random.random(NUM_ROWS) < 0.5).astype(np.float32)
    order = np.where(click > 0, random.random(NUM_ROWS) < 0.4, np.nan).astype(np.float32)
    return {"click": click, "order": order}


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def cross_entropy(label, p):
    return -(label * np.log(p) + (1 - label) * np.log1p(-p))


def parts(logits, numbers):
    """Returns click, inverse propensity, loss and imputed loss in float64."""
    ctr, cvr, imputed = (sigmoid(logits[name][:, 0]) for name in ("ctr", "cvr", "cvr_imputation"))
    order = np.nan_to_num(numbers["order"])
    return numbers["click"], 1 / np.maximum(ctr, MIN_PROPENSITY), cross_entropy(order, cvr), cross_entropy(imputed, cvr)


def losses(task, logits, numbers):
    return {name: float(value) for name, value in task.losses(logits, Labelled(numbers)).items()}


def test_the_ips_risk(logits, numbers):
    click, inverse, loss, _ = parts(logits, numbers)
    found = losses(tasks_of()["cvr"], logits, numbers)
    assert set(found) == {"cross_entropy_loss_cvr", "ips_loss_cvr"}
    np.testing.assert_allclose(found["ips_loss_cvr"], 0.5 * 0.3 * np.mean(click * inverse * loss), rtol=1e-5)


def test_the_dr_risk_and_what_the_imputation_descends(logits, numbers):
    click, inverse, loss, imputed = parts(logits, numbers)
    found = losses(tasks_of("counterfactual: DR")["cvr"], logits, numbers)
    risk = np.mean(imputed + click * inverse * (loss - imputed))
    np.testing.assert_allclose(found["dr_loss_cvr"], 0.5 * 0.3 * risk, rtol=1e-5)
    error = np.mean(click * inverse * (loss - imputed) ** 2)
    np.testing.assert_allclose(found["imputation_loss_cvr"], 0.5 * 0.3 * error, rtol=1e-5)


def test_the_global_risk_is_that_of_esmm_with_a_weight(logits, numbers):
    p = sigmoid(logits["ctr"][:, 0]) * sigmoid(logits["cvr"][:, 0])
    expected = 0.5 * 0.7 * np.mean(cross_entropy(np.nan_to_num(numbers["order"]), p))
    np.testing.assert_allclose(
        losses(tasks_of()["cvr"], logits, numbers)["cross_entropy_loss_cvr"], expected, rtol=1e-5
    )


def test_the_risk_of_the_click_is_plain(logits, numbers):
    expected = np.mean(cross_entropy(numbers["click"], sigmoid(logits["ctr"][:, 0])))
    np.testing.assert_allclose(
        losses(tasks_of()["ctr"], logits, numbers)["cross_entropy_loss_ctr"], expected, rtol=1e-5
    )


def test_sample_weights_count(logits, numbers):
    numbers["w"] = np.linspace(0, 2, NUM_ROWS, dtype=np.float32)
    click, inverse, loss, _ = parts(logits, numbers)
    found = losses(tasks_of(data='sample_weight: "w"')["cvr"], logits, numbers)["ips_loss_cvr"]
    np.testing.assert_allclose(
        found, 0.5 * 0.3 * np.sum(numbers["w"] * click * inverse * loss) / (NUM_ROWS - 1), rtol=1e-5
    )


def test_a_value_has_its_own_loss(logits, numbers):
    click, inverse, *_ = parts(logits, numbers)
    value, imputed = (logits[name][:, 0].numpy().astype(float) for name in ("cvr", "cvr_imputation"))
    loss, other = (value - np.nan_to_num(numbers["order"])) ** 2, (value - imputed) ** 2
    found = losses(tasks_of("counterfactual: DR", "loss_type: L2_LOSS")["cvr"], logits, numbers)
    risk = np.mean(other + click * inverse * (loss - other))
    np.testing.assert_allclose(found["dr_loss_cvr"], 0.5 * 0.3 * risk, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "moved"),
    [("ips_loss_cvr", {"cvr"}), ("dr_loss_cvr", {"cvr"}), ("imputation_loss_cvr", {"cvr_imputation"})],
)
def test_each_risk_moves_its_own_tower_alone(logits, numbers, name, moved):
    task = tasks_of("counterfactual: IPS" if name.startswith("ips") else "counterfactual: DR")["cvr"]
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = task.losses(logits, Labelled(numbers))[name]
    zero = tf.UnconnectedGradients.ZERO
    found = tape.gradient(loss, logits, unconnected_gradients=zero)
    assert {name for name, gradient in found.items() if np.any(gradient)} == moved


def test_dr_teaches_the_conversion_on_rows_without_a_click_and_ips_does_not(logits, numbers):
    for more, name, is_taught in (("", "ips_loss_cvr", False), ("counterfactual: DR", "dr_loss_cvr", True)):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = tasks_of(more)["cvr"].losses(logits, Labelled(numbers))[name]
        gradient = tape.gradient(loss, logits["cvr"]).numpy()[:, 0]
        assert np.any(gradient[numbers["click"] == 0]) == is_taught


def test_a_row_that_does_not_tell_of_its_click_counts_nowhere(logits, numbers):
    task = tasks_of("counterfactual: DR")["cvr"]
    shorter = {name: value[:-1] for name, value in numbers.items()}
    expected = losses(task, {name: value[:-1] for name, value in logits.items()}, shorter)
    numbers["click"][-1] = np.nan
    found = losses(task, logits, numbers)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5)


def test_a_weight_of_zero_leaves_the_terms_out(logits, numbers):
    assert set(losses(tasks_of(weight=0)["cvr"], logits, numbers)) == {"cross_entropy_loss_cvr"}


def test_predictions_are_those_of_esmm(logits):
    tasks = tasks_of("counterfactual: DR")
    found = {name for task in tasks.values() for name in task.predictions(logits)}
    assert found == {f"{kind}_{name}" for kind in ("probs", "logits") for name in ("ctr", "cvr", "ctcvr")}


class TestUnbiased:
    """The mean of a risk over draws of the clicks is the mean of the losses of all rows, clicked or not."""

    NUM_DRAWS = 20_000

    @pytest.fixture
    def rows(self, random):
        propensity = random.uniform(0.1, 0.9, 50)
        # Those who would convert are clicked more often: the mean over the clicked rows is not that over all.
        loss = 0.2 + 2 * propensity + random.uniform(0, 0.5, 50)
        return propensity, loss, loss + random.normal(0, 0.3, 50)

    def draws(self, random, propensity):
        return (random.random([self.NUM_DRAWS, len(propensity)]) < propensity).astype(np.float64)

    def check(self, risks, expected):
        risks = np.mean(risks, axis=1)
        assert abs(risks.mean() - expected) < 4 * risks.std() / np.sqrt(self.NUM_DRAWS)

    def test_the_plain_mean_over_clicked_rows_is_biased(self, random, rows):
        propensity, loss, _ = rows
        clicks = self.draws(random, propensity)
        naive = (clicks * loss).sum(1) / clicks.sum(1)
        assert naive.mean() - loss.mean() > 0.1

    def test_ips_with_the_true_propensities(self, random, rows):
        propensity, loss, _ = rows
        self.check(inverse_propensity(loss, self.draws(random, propensity), propensity), loss.mean())

    def test_dr_with_the_true_propensities_whatever_is_imputed(self, random, rows):
        propensity, loss, imputed = rows
        clicks = self.draws(random, propensity)
        risks = doubly_robust(loss, imputed, clicks, propensity)
        self.check(risks, loss.mean())
        ips = inverse_propensity(loss, clicks, propensity)
        assert np.mean(risks, axis=1).std() < 0.5 * np.mean(ips, axis=1).std()

    def test_dr_with_the_true_losses_whatever_the_propensities(self, random, rows):
        propensity, loss, _ = rows
        risks = doubly_robust(loss, loss, self.draws(random, propensity), propensity**2)
        np.testing.assert_allclose(np.mean(risks, axis=1), loss.mean())

    def test_the_error_of_the_imputation_is_that_over_all_rows(self, random, rows):
        propensity, loss, imputed = rows
        errors = imputation_error(loss, imputed, self.draws(random, propensity), propensity)
        self.check(errors, np.mean((loss - imputed) ** 2))
