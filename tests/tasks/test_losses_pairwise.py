"""Losses of pairs against NumPy in float64 that looks at all pairs one by one."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.tasks import pairs
from easymtl.tasks.losses import LOSSES, LossInputs
from tests.tasks.loss_checks import NAN, Rows, assert_loss, loss_and_gradient, random_rows, task_of

SESSION = 'session_name: "session"'


def softplus(x):
    return np.logaddexp(0, x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def focal(difference, gamma, alpha=1.0):
    return alpha * (1 - sigmoid(difference)) ** gamma * softplus(-difference)


def everything(difference):
    return np.ones_like(difference, bool)


def reference(rows, loss, scale=1.0, by_session=True, hardest=1.0, counts=everything, labels=lambda y: y, scores=None):
    """Returns the function of the logits: Σ w_i loss(s_i - s_j, y_i - y_j) / number of pairs with w_i != 0."""
    y = labels(rows.labels)

    def value(logits):
        s = (scores or (lambda x: x / scale))(logits)
        present = ~np.isnan(rows.labels) & (rows.inside != 0)
        pair = present[:, None] & present[None] & (y[:, None] > y[None])
        if by_session:
            pair &= rows.sessions[:, None] == rows.sessions[None]
        high, low = np.nonzero(pair)
        difference = s[high] - s[low]
        kept = counts(difference)
        weighted = (rows.weights[high] * loss(difference, y[high] - y[low]))[kept]
        if hardest == 1:
            number = np.count_nonzero(rows.weights[high][kept])
        else:
            weighted = np.sort(weighted)[::-1][: int(np.rint(len(weighted) * hardest))]
            number = np.count_nonzero(weighted > 0)
        return weighted.sum() / max(number, 1)

    return value


CASES = {
    "pair_wise": ("PAIR_WISE_LOSS", "pairwise_loss", "", {}, lambda d, y: softplus(-d)),
    "pair_wise with margin and temperature": (
        "PAIR_WISE_LOSS",
        "pairwise_loss",
        "margin: 0.2 temperature: 0.5",
        {"scale": 0.5},
        lambda d, y: softplus(-(d - 0.2)),
    ),
    "logistic": ("PAIRWISE_LOGISTIC_LOSS", "pairwise_logistic_loss", "", {}, lambda d, y: softplus(-d)),
    "logistic with margin": (
        "PAIRWISE_LOGISTIC_LOSS",
        "pairwise_logistic_loss",
        "hinge_margin: 0.7 temperature: 2",
        {"scale": 2},
        lambda d, y: softplus(-(d - 0.7)),
    ),
    "logistic with the labels' margin, hardest": (
        "PAIRWISE_LOGISTIC_LOSS",
        "pairwise_logistic_loss",
        "use_label_margin: true temperature: 2 ohem_ratio: 0.3",
        {"scale": 2, "hardest": 0.3},
        lambda d, y: softplus(-(d - y / 2)),
    ),
    "focal": ("PAIRWISE_FOCAL_LOSS", "pairwise_focal_loss", "", {}, lambda d, y: focal(d, 2)),
    "focal with everything": (
        "PAIRWISE_FOCAL_LOSS",
        "pairwise_focal_loss",
        "gamma: 1.5 alpha: 0.4 hinge_margin: 0.5 temperature: 0.7",
        {"scale": 0.7, "counts": lambda d: d < 0.5},
        lambda d, y: focal(d, 1.5, 0.4),
    ),
    "focal, hardest": (
        "PAIRWISE_FOCAL_LOSS",
        "pairwise_focal_loss",
        "hinge_margin: 1 ohem_ratio: 0.45",
        {"hardest": 0.45, "counts": lambda d: d < 1},
        lambda d, y: focal(d, 2),
    ),
    "hinge": ("PAIRWISE_HINGE_LOSS", "pairwise_hinge_loss", "", {}, lambda d, y: np.maximum(y - d, 0)),
    "hinge with margin": (
        "PAIRWISE_HINGE_LOSS",
        "pairwise_hinge_loss",
        "use_label_margin: false margin: 0.3 temperature: 3",
        {"scale": 3, "labels": lambda y: y / 3},
        lambda d, y: np.maximum(0.3 - d, 0),
    ),
    "hinge of labels that are no logits, hardest": (
        "PAIRWISE_HINGE_LOSS",
        "pairwise_hinge_loss",
        "label_is_logits: false temperature: 3 ohem_ratio: 0.5",
        {"scale": 3, "hardest": 0.5},
        lambda d, y: np.maximum(y - d, 0),
    ),
    "hinge with exponent": (
        "PAIRWISE_HINGE_LOSS",
        "pairwise_hinge_loss",
        "use_exponent: true",
        {"labels": sigmoid, "scores": sigmoid},
        lambda d, y: np.maximum(np.exp(y - d) - 1, 0),
    ),
}


def loss_text(case: str, session: str = SESSION) -> str:
    loss_type, field, parameters, _, _ = CASES[case]
    return f"losses {{ loss_type: {loss_type} {field} {{ {parameters} {session} }} }}"


OVER_THE_BATCH = (
    "pair_wise",
    "logistic with the labels' margin, hardest",
    "focal with everything",
    "focal, hardest",
    "hinge with exponent",
)
"""What pairs are asked for: sums, those that count, the hardest; each loss is a function of a pair, wherever it is."""


@pytest.mark.parametrize(("case", "session"), [*((c, SESSION) for c in CASES), *((c, "") for c in OVER_THE_BATCH)])
def test_value_and_gradient(case, session):
    rows = random_rows(labels="numbers" if "hinge" in case or "label" in case else "grades")
    *_, options, loss = CASES[case]
    task = task_of(loss_text(case, session))
    assert task.key_fields == (["session"] if session else [])
    assert_loss(task, rows, reference(rows, loss, by_session=bool(session), **options))


@pytest.mark.parametrize(
    ("case", "session", "at_once"),
    [
        ("pair_wise", SESSION, 7),
        ("pair_wise", "", 1),
        ("logistic with the labels' margin, hardest", "", 130),
        ("focal, hardest", SESSION, 7),
        ("focal, hardest", "", 1),
    ],
)
def test_pairs_taken_in_pieces_are_the_same(case, session, at_once, monkeypatch):
    rows = random_rows(seed=1)
    whole = loss_and_gradient(task_of(loss_text(case, session)), rows)
    monkeypatch.setattr(pairs, "PAIRS_AT_ONCE", at_once)
    in_pieces = loss_and_gradient(task_of.__wrapped__(loss_text(case, session)), rows)
    np.testing.assert_allclose(in_pieces[0], whole[0], rtol=1e-5)
    np.testing.assert_allclose(in_pieces[1], whole[1], atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_a_masked_sample_equals_a_removed_one(case):
    rows = random_rows(seed=2)
    kept = ~np.isnan(rows.labels) & (rows.inside != 0)
    task = task_of(loss_text(case))
    loss, gradient = loss_and_gradient(task, rows)
    alone, alone_gradient = loss_and_gradient(task, rows.take(kept))
    np.testing.assert_allclose(loss, alone, rtol=1e-6)
    np.testing.assert_allclose(gradient[kept], alone_gradient, atol=1e-7)
    np.testing.assert_array_equal(gradient[~kept], 0)


@pytest.mark.parametrize("case", CASES)
def test_no_pair_gives_0_and_no_gradient(case):
    task = task_of(loss_text(case))
    for rows in (
        Rows([1.0, 2.0, 3.0], [1, 1, 1]),
        Rows([1.0, 2.0, 3.0], [0, 1, 2], sessions=[1, 2, 3]),
        Rows([1.0, 2.0, 3.0], [0, 1, 2], inside=[0, 0, 0]),
        Rows([1.0, 2.0, 3.0], [0, NAN, NAN]),
        Rows([1.0, 2.0, 3.0], [0, 1, 2], weights=[1, 0, 0]),
        Rows(np.zeros(0), np.zeros(0)),
    ):
        loss, gradient = loss_and_gradient(task, rows)
        assert loss == 0
        np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("case", CASES)
def test_extreme_logits_give_finite_losses_and_gradients(case):
    rows = Rows([-1e4, 1e4, 3e4, -3e4, 0], [1, 0, 2, 1, 0])
    loss, gradient = loss_and_gradient(task_of(loss_text(case)), rows)
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()


def test_sessions_are_told_apart_wherever_their_rows_stand():
    rows = random_rows(seed=3)
    order = np.random.default_rng(0).permutation(len(rows.labels))
    task = task_of(loss_text("pair_wise"))
    loss, gradient = loss_and_gradient(task, rows)
    shuffled, shuffled_gradient = loss_and_gradient(task, rows.take(order))
    np.testing.assert_allclose(shuffled, loss, rtol=1e-6)
    np.testing.assert_allclose(shuffled_gradient, gradient[order], atol=1e-7)


def test_a_sample_of_weight_0_weighs_nothing_but_is_still_below_others():
    task = task_of(loss_text("pair_wise"))
    loss, gradient = loss_and_gradient(task, Rows([0.0, 0.0, 0.0], [2, 1, 0], weights=[1, 0, 0]))
    np.testing.assert_allclose(loss, np.log(2), rtol=1e-6)
    np.testing.assert_allclose(gradient, [-0.5, 0.25, 0.25], rtol=1e-6)
    # Alone with one below it, it has no pair that weighs.
    loss, gradient = loss_and_gradient(task, Rows([0.0, 0.0], [1, 0], weights=[0, 1]))
    assert loss == 0
    np.testing.assert_array_equal(gradient, 0)


def test_a_message_without_session_name_takes_all_pairs_of_the_batch():
    rows = random_rows()
    with_message = loss_and_gradient(task_of("losses { loss_type: PAIR_WISE_LOSS pairwise_loss { margin: 0 } }"), rows)
    without = loss_and_gradient(task_of("losses { loss_type: PAIR_WISE_LOSS }"), rows)
    assert with_message[0] == without[0]


@pytest.mark.parametrize(("reduction", "divisor"), [("NONZERO_WEIGHT_MEAN", 3), ("BATCH_MEAN", 5), ("SUM", 1)])
def test_reductions_count_pairs(reduction, divisor):
    # Pairs 0 > 1, 0 > 2, 0 > 3 weigh 2; 1 > 2 and 1 > 3 weigh 0.
    rows = Rows([0.0] * 4, [2, 1, 0, 0], weights=[2, 0, 1, 1])
    task = task_of("losses { loss_type: PAIR_WISE_LOSS }", model=f"loss_reduction: {reduction}")
    np.testing.assert_allclose(loss_and_gradient(task, rows)[0], 3 * 2 * np.log(2) / divisor, rtol=1e-6)


def test_ties_at_the_border_of_the_hardest_share_what_is_left():
    # Four equal pairs, half of which count: each by one half.
    task = task_of("losses { loss_type: PAIRWISE_LOGISTIC_LOSS pairwise_logistic_loss { ohem_ratio: 0.5 } }")
    loss, gradient = loss_and_gradient(task, Rows([0.0] * 4, [1, 1, 0, 0]))
    np.testing.assert_allclose(loss, np.log(2), rtol=1e-6)
    np.testing.assert_allclose(gradient, [-0.25, -0.25, 0.25, 0.25], rtol=1e-6)


@pytest.mark.parametrize("case", ["pair_wise", "logistic with the labels' margin, hardest"])
@pytest.mark.parametrize(("session", "num_in_session"), [(SESSION, 10), (SESSION, 1000), ("", 1000)])
def test_no_tensor_has_the_size_of_the_batch_squared(case, session, num_in_session, monkeypatch):
    num_rows, limit = 1000, 1 << 15
    sizes = []
    loss = task_of(loss_text(case, session)).tower.losses[0]
    kind = pairs.PairsOfSessions if session else pairs.PairsOfBatch
    original = kind._piece

    def piece(self, scores, index):
        found = original(self, scores, index)
        sizes.append(int(tf.size(found.weights)))
        return found

    monkeypatch.setattr(kind, "_piece", piece)
    monkeypatch.setattr(pairs, "PAIRS_AT_ONCE", limit)
    random = np.random.default_rng(0)
    inputs = LossInputs(
        logits=tf.constant(random.normal(size=num_rows), tf.float32),
        labels=tf.constant(random.integers(0, 2, num_rows), tf.float32),
        weights=tf.ones(num_rows),
        loss=loss,
        keys={"session": tf.constant(random.permutation(num_rows) // num_in_session, tf.int64)},
    )
    (found,) = LOSSES[loss.loss_type].sums(inputs)
    assert np.isfinite(float(found.total))
    most_pairs = num_rows * num_in_session // 4 + 1
    assert max(sizes) <= min(limit, most_pairs) < num_rows**2 / 20
