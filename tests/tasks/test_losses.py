"""Losses of single rows and of sessions, and those that look at other tasks, against NumPy in float64."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.layers.context import Build
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.build import build_tasks
from easymtl.tasks.labelled import Labelled
from tests.tasks.loss_checks import NAN, Rows, assert_loss, loss_and_gradient, random_rows, slope, task_of

SESSION = 'session_name: "session"'


def softplus(x):
    return np.logaddexp(0, x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cross_entropy(logits, labels):
    return softplus(logits) - logits * labels


def smooth(labels, share):
    return labels * (1 - share) + 0.5 * share


def present(rows):
    return ~np.isnan(rows.labels) & (rows.inside != 0)


def mean(losses, weights):
    counts = weights != 0
    return (losses[counts] * weights[counts]).sum() / max(counts.sum(), 1)


def weights_of(rows):
    return np.where(present(rows), rows.weights, 0)


def labels_of(rows):
    return np.where(np.isnan(rows.labels), 0, rows.labels)


def focal(logits, labels, gamma, alpha=None, smoothing=0.0):
    p = sigmoid(logits)
    factors = (1 - (labels * p + (1 - labels) * (1 - p))) ** gamma
    if alpha is not None:
        factors = factors * (labels * alpha + (1 - labels) * (1 - alpha))
    return factors * cross_entropy(logits, smooth(labels, smoothing))


def focal_reference(rows):
    return lambda s: mean(focal(s, labels_of(rows), 1.5, 0.3, 0.1), weights_of(rows))


def hardest_focal_reference(rows):
    def value(s):
        weighted = focal(s, labels_of(rows), 2) * weights_of(rows)
        kept = np.sort(weighted)[::-1][: int(np.rint(present(rows).sum() * 0.4))]
        return kept.sum() / np.count_nonzero(kept)

    return value


def f1_reference(rows):
    labels, inside = labels_of(rows), present(rows)

    def value(s):
        found, number, positives = sigmoid(s)[inside].sum(), inside.sum(), labels[inside].sum()
        factor = found / (2 * positives + (number - positives) - (number - found) + 1e-8)
        return mean(np.where(labels == 1, 1, factor) * cross_entropy(s, smooth(labels, 0.2)), weights_of(rows))

    return value


def kl_reference(rows):
    y = np.clip(labels_of(rows), 1e-300, 1 - 1e-16)
    own = y * np.log(y) + (1 - y) * np.log(1 - y)
    return lambda s: mean(cross_entropy(s, y) + own, weights_of(rows))


def ziln_reference(rows):
    labels, weights = labels_of(rows), weights_of(rows)

    def value(logits):
        s, mu, raw = logits.T
        positive = labels > 0
        y, sigma = np.where(positive, labels, 1), np.clip(softplus(raw), 1e-7**0.5, 2)
        regression = np.log(y * sigma * np.sqrt(2 * np.pi)) + (np.log(y) - mu) ** 2 / (2 * sigma**2)
        return (
            0.5 * mean(cross_entropy(s, positive), weights)
            + 2 * mean(regression, weights * positive)
            + 0.1 * mean(mu**2, weights)
            + 0.2 * mean(raw**2, weights)
        )

    return value


def session_lists(rows, counts):
    return [np.flatnonzero(counts & (rows.sessions == key)) for key in np.unique(rows.sessions[counts])]


def log_softmax(s):
    return s - s.max() - np.log(np.exp(s - s.max()).sum())


def list_reference(rows, targets, temperature=1.0):
    lists = session_lists(rows, weights_of(rows) != 0)

    def value(s):
        losses = [
            -(rows.weights[place] * targets(rows.labels[place]) * log_softmax(s[place] / temperature)).sum()
            for place in lists
        ]
        return sum(losses) / max(len(losses), 1)

    return value


def softmax(x):
    return np.exp(log_softmax(x))


def distilled(places):
    gains = np.log1p(20) - np.log(np.clip(places, 1, 20))
    return gains / gains.sum()


def jrc_reference(rows, same_label=True, alpha=0.3):
    labels, inside = labels_of(rows).astype(int), present(rows)

    def value(logits):
        log_p = logits - np.logaddexp(logits[:, 0], logits[:, 1])[:, None]
        calibration = mean(-log_p[np.arange(len(labels)), labels], weights_of(rows))
        total = 0.0
        for place in session_lists(rows, inside):
            weights = np.full(len(place), rows.weights[place].mean()) if same_label else rows.weights[place]
            for own, weight in zip(place, weights):
                others = place if same_label else [row for row in place if row == own or labels[row] != labels[own]]
                column = logits[:, labels[own]]
                total += weight * (np.logaddexp.reduce(column[others]) - column[own])
        return alpha * calibration + (1 - alpha) * total / max(inside.sum(), 1)

    return value


CASES = {
    "kl": ("KL_DIVERGENCE_LOSS", "", "probabilities", kl_reference),
    "focal": (
        "BINARY_FOCAL_LOSS",
        "binary_focal_loss { gamma: 1.5 alpha: 0.3 label_smoothing: 0.1 }",
        "events",
        focal_reference,
    ),
    "focal, hardest": ("BINARY_FOCAL_LOSS", "binary_focal_loss { ohem_ratio: 0.4 }", "events", hardest_focal_reference),
    "f1": (
        "F1_REWEIGHTED_LOSS",
        "f1_reweighted_loss { f1_beta_square: 2 label_smoothing: 0.2 }",
        "events",
        f1_reference,
    ),
    "ziln": (
        "ZILN_LOSS",
        "ziln_loss { mu_regularization: 0.1 sigma_regularization: 0.2 max_sigma: 2 classification_weight: 0.5 "
        "regression_weight: 2 }",
        "amounts",
        ziln_reference,
    ),
    "list": (
        "LISTWISE_RANK_LOSS",
        f"listwise_rank_loss {{ {SESSION} temperature: 0.7 }}",
        "grades",
        lambda rows: list_reference(rows, lambda y: y, 0.7),
    ),
    "list of logits": (
        "LISTWISE_RANK_LOSS",
        f"listwise_rank_loss {{ {SESSION} temperature: 2 label_is_logits: true }}",
        "numbers",
        lambda rows: list_reference(rows, lambda y: softmax(y / 2), 2),
    ),
    "list with a function": (
        "LISTWISE_RANK_LOSS",
        f'listwise_rank_loss {{ {SESSION} transform_fn: "tf.math.log1p" }}',
        "grades",
        lambda rows: list_reference(rows, np.log1p),
    ),
    "distilled list": (
        "LISTWISE_DISTILL_LOSS",
        f"listwise_distill_loss {{ {SESSION} label_clip_max_value: 20 }}",
        "places",
        lambda rows: list_reference(rows, distilled),
    ),
    "jrc": ("JRC_LOSS", f"jrc_loss {{ {SESSION} alpha: 0.3 }}", "events", jrc_reference),
    "jrc of the other label": (
        "JRC_LOSS",
        f"jrc_loss {{ {SESSION} alpha: 0.3 same_label_loss: false }}",
        "events",
        lambda rows: jrc_reference(rows, same_label=False),
    ),
}
WIDTH = {"ZILN_LOSS": 3, "JRC_LOSS": 2}


def task_and_rows(case: str, seed: int = 0):
    loss_type, parameters, labels, _ = CASES[case]
    width = WIDTH.get(loss_type, 0)
    task = task_of(f"losses {{ loss_type: {loss_type} {parameters} }}", f"num_class: {width or 1}")
    return task, random_rows(labels=labels, width=width, seed=seed)


@pytest.mark.parametrize("case", CASES)
def test_value_and_gradient(case):
    task, rows = task_and_rows(case)
    assert_loss(task, rows, CASES[case][-1](rows))


@pytest.mark.parametrize("case", CASES)
def test_a_masked_sample_equals_a_removed_one_in_any_order(case):
    task, rows = task_and_rows(case, seed=2)
    kept = np.random.default_rng(0).permutation(np.flatnonzero(present(rows)))
    loss, gradient = loss_and_gradient(task, rows)
    alone, alone_gradient = loss_and_gradient(task, rows.take(kept))
    np.testing.assert_allclose(loss, alone, rtol=1e-5)
    np.testing.assert_allclose(gradient[kept], alone_gradient, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(gradient[~present(rows)], 0)


@pytest.mark.parametrize("case", CASES)
def test_no_row_that_counts_gives_0_and_no_gradient(case):
    task, rows = task_and_rows(case)
    width = rows.logits.shape[1:]
    for empty in (
        Rows(np.ones((3, *width)), [1, 0, 1], inside=[0, 0, 0]),
        Rows(np.ones((3, *width)), [NAN, NAN, NAN]),
        Rows(np.ones((3, *width)), [1, 0, 1], weights=[0, 0, 0]),
        Rows(np.ones((0, *width)), np.zeros(0)),
    ):
        loss, gradient = loss_and_gradient(task, empty)
        assert loss == 0
        np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("case", CASES)
def test_extreme_logits_give_finite_losses_and_gradients(case):
    task, rows = task_and_rows(case)
    logits = np.array([-1e4, 1e4, 1e4, -1e4, 0.0])
    logits = np.stack([logits] * rows.logits.shape[1], axis=1) if rows.logits.ndim > 1 else logits
    loss, gradient = loss_and_gradient(task, Rows(logits, [1, 0, 1, 0, 1]))
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("case", [case for case in CASES if "jrc" not in case])
def test_a_row_of_weight_0_has_no_gradient(case):
    task, rows = task_and_rows(case, seed=4)
    gradient = loss_and_gradient(task, rows)[1]
    if case == "f1":
        # It is counted where the factor of the negatives is made, as in EasyRec.
        return
    np.testing.assert_array_equal(gradient[weights_of(rows) == 0], 0)


def sample_weight_cases():
    plain = {"cross entropy": ("BINARY_CROSS_ENTROPY_LOSS", "", "probabilities", None)}
    return plain | CASES


@pytest.mark.parametrize("case", sample_weight_cases())
def test_sample_weights_count_in_every_loss(case):
    loss_type, parameters, labels, _ = sample_weight_cases()[case]
    width = WIDTH.get(loss_type, 0)
    task = task_of(f"losses {{ loss_type: {loss_type} {parameters} }}", f"num_class: {width or 1}")
    rows = random_rows(labels=labels, width=width, seed=5)
    rows.weights[:] = 1
    loss, gradient = loss_and_gradient(task, rows)
    rows.weights[:] = 2
    twice, twice_gradient = loss_and_gradient(task, rows)
    np.testing.assert_allclose(twice, 2 * loss, rtol=1e-5)
    np.testing.assert_allclose(twice_gradient, 2 * gradient, rtol=1e-5, atol=1e-7)


def test_the_scale_of_a_list_is_trained():
    losses = f"losses {{ loss_type: LISTWISE_RANK_LOSS listwise_rank_loss {{ {SESSION} scale_logits: true }} }}"
    task, plain = task_of(losses), task_of(losses.replace("scale_logits: true", ""))
    (scale,) = task.make_variables(Build())
    rows = random_rows(labels="grades")
    assert loss_and_gradient(task, rows)[0] == pytest.approx(loss_and_gradient(plain, rows)[0])
    scale.assign([-2.0])
    rows_twice = Rows(2 * rows.logits, rows.labels, rows.weights, rows.sessions, rows.inside)
    assert loss_and_gradient(task, rows)[0] == pytest.approx(loss_and_gradient(plain, rows_twice)[0], rel=1e-5)


class TestPredictions:
    def test_ziln(self):
        logits = np.array([[0.5, 1.0, 0.2], [-3.0, 2.0, 30.0]])
        found = task_of("losses { loss_type: ZILN_LOSS }", "num_class: 3").predictions({"t": tf.constant(logits)})
        sigma = np.minimum(softplus(logits[:, 2]), 5)
        np.testing.assert_allclose(found["probs_t"], sigmoid(logits[:, 0]), rtol=1e-6)
        expected = sigmoid(logits[:, 0]) * np.exp(logits[:, 1] + sigma**2 / 2)
        np.testing.assert_allclose(found["y_t"], expected, rtol=1e-5)
        assert set(found) == {"probs_t", "y_t", "logits_t"}

    def test_ziln_may_predict_the_log(self):
        task = task_of("losses { loss_type: ZILN_LOSS ziln_loss { return_log_pred_value: true } }", "num_class: 3")
        found = task.predictions({"t": tf.constant([[100.0, 200.0, 0.0]])})["y_t"]
        np.testing.assert_allclose(found, [200 + softplus(0) ** 2 / 2], rtol=1e-6)

    def test_jrc_predicts_the_second_class(self):
        logits = np.array([[0.5, 1.0], [30.0, -30.0]])
        task = task_of(
            f"losses {{ loss_type: JRC_LOSS jrc_loss {{ {SESSION} }} }}", "num_class: 2 metrics_set { auc {} }"
        )
        found = task.predictions({"t": tf.constant(logits)})
        np.testing.assert_allclose(found["probs_t"], sigmoid(logits[:, 1] - logits[:, 0]), rtol=1e-6)
        np.testing.assert_allclose(found["pos_logits_t"], logits[:, 1])
        assert task.predicted == "binary"


def model_of(text: str, data: str = ""):
    pipeline = f"""data_config {{ label_fields: "click" label_fields: "buy" {data} }}
        feature_config {{ features {{ input_names: "city" feature_type: IdFeature }} }} model_config {{ {text} }}"""
    return build_tasks(text_format.Parse(pipeline, Pipeline()))


class TestOrderCalibration:
    towers = """dbmtl { task_towers { tower_name: "click" } task_towers { tower_name: "buy" weight: 2
        relation_tower_names: "click" losses { loss_type: CLASSIFICATION weight: 0.5 }
        losses { loss_type: ORDER_CALIBRATE_LOSS weight: 0.8 } } }"""

    def test_order_calibration_has_the_weight_of_the_tower_too(self):
        _, buy = model_of(self.towers)
        logits = {"click": tf.constant([0.0, 1.0, -1.0]), "buy": tf.constant([1.0, 0.0, 2.0])}
        numbers = {"click": tf.constant([1.0, 0, 1]), "buy": tf.constant([0.0, 0, NAN])}
        losses = buy.losses(logits, Labelled(numbers))
        assert list(losses) == ["cross_entropy_loss_buy", "order_calibrate_loss_buy"] == buy.loss_names
        np.testing.assert_allclose(losses["order_calibrate_loss_buy"], 2 * 0.8 * (sigmoid(1) - 0.5) / 2, rtol=1e-5)


class TestDistillation:
    soft = np.array([0.2, 0.9, NAN, 0.5])
    logits = np.array([0.3, -1.0, 5.0, 2.0])

    def loss(self, entry: str, logits=None, data: str = "", tower: str = "", **columns):
        (task,) = model_of(
            f'kd {{ soft_label_name: "soft" loss_weight: 0.6 {entry} }} '
            f'simple_multi_task {{ task_towers {{ tower_name: "t" {tower} weight: 7 }} }}',
            data,
        )
        numbers = {"click": np.full(4, NAN), "soft": self.soft, **columns}
        numbers = {name.replace("__", "=="): tf.constant(values, tf.float32) for name, values in numbers.items()}
        assert {column.name for column in task.number_columns} <= set(numbers)
        tensor = tf.constant(self.logits if logits is None else logits, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            name, value = list(task.losses({"t": tensor}, Labelled(numbers)).items())[-1]
        assert name == task.loss_names[-1]
        return name, float(value), tape.gradient(value, tensor).numpy()

    def check(self, entry, function):
        _, value, gradient = self.loss(entry)

        def total(s):
            return 0.6 * np.delete(function(s, np.where(np.isnan(self.soft), 0.5, self.soft)), 2).mean()

        np.testing.assert_allclose(value, total(self.logits), rtol=1e-5)
        np.testing.assert_allclose(gradient, slope(total, self.logits), atol=1e-5)

    def test_cross_entropy_with_temperature(self):
        entry = 'pred_name: "logits_t" label_is_logits: false loss_type: BINARY_CROSS_ENTROPY_LOSS temperature: 2'
        self.check(entry, lambda s, q: cross_entropy(s / 2, sigmoid(np.log(q / (1 - q)) / 2)))
        self.check(entry.replace("label_is_logits: false", ""), lambda s, q: cross_entropy(s / 2, sigmoid(q / 2)))

    def test_a_probability_is_compared_by_its_logit(self):
        entry = 'label_is_logits: false loss_type: BINARY_CROSS_ENTROPY_LOSS pred_name: "%s_t" pred_is_logits: %s'
        assert self.loss(entry % ("logits", "true"))[1] == self.loss(entry % ("probs", "false"))[1]

    def test_kl_divergence(self):
        def divergence(s, q):
            q, p = sigmoid(np.log(q / (1 - q)) / 3), sigmoid(s / 3)
            return q * np.log(q / p) + (1 - q) * np.log((1 - q) / (1 - p))

        entry = 'pred_name: "logits_t" label_is_logits: false loss_type: KL_DIVERGENCE_LOSS temperature: 3'
        self.check(entry, divergence)

    def test_the_other_cross_entropy_reads_probabilities_as_easyrec_does(self):
        entry = 'pred_name: "logits_t" label_is_logits: false loss_type: CROSS_ENTROPY_LOSS temperature: 2'
        self.check(entry, lambda s, q: cross_entropy(s / 2, sigmoid(np.log(q + 1e-7) / 2)))

    def test_squared_error_of_what_is_named(self):
        self.check('pred_name: "logits_t" loss_type: L2_LOSS', lambda s, q: (s - q) ** 2)
        self.check('pred_name: "probs_t" loss_type: L2_LOSS', lambda s, q: (sigmoid(s) - q) ** 2)

    def test_pairs_within_sessions(self):
        name, value, _ = self.loss('pred_name: "logits_t" loss_type: PAIR_WISE_LOSS')
        assert name == "kd_loss_logits_t_soft"
        pairs = [(1, 0), (1, 3), (3, 0)]
        expected = np.mean([softplus(self.logits[low] - self.logits[high]) for high, low in pairs])
        np.testing.assert_allclose(value, 0.6 * expected, rtol=1e-5)

    def test_its_own_space_and_the_sample_weight_count_and_no_label_is_needed(self):
        entry = """pred_name: "logits_t" loss_type: L2_LOSS loss_name: "teacher" task_space_indicator_name: "city"
            task_space_indicator_value: "bj" out_task_space_weight: 0.5"""
        columns = {"w": [1.0, 2, 1, 0], "city__bj": [1.0, 0, 1, 1]}
        name, value, gradient = self.loss(entry, data='sample_weight: "w"', **columns)
        assert name == "teacher"
        np.testing.assert_allclose(value, 0.6 * ((0.3 - 0.2) ** 2 + 2 * 0.5 * 1.9**2) / 2, rtol=1e-5)
        np.testing.assert_array_equal(gradient[2:], 0)
