"""The combinations of gradients against their formulas in NumPy, on the gradients themselves and not on products."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.optimize import minimize, minimize_scalar

from easymtl.protos.train_pb2 import TaskBalancing
from easymtl.training.balancing.combination import Gradients
from easymtl.training.balancing.combinations import (
    COMBINATIONS,
    cagrad_coefficients,
    gradnorm_weights,
    pareto_weights,
    pcgrad_coefficients,
)
from tests.training.balancing.test_solvers import gradients

SEED = np.array([3, 7])


def combination(name: str, num_tasks: int, text: str = ""):
    from google.protobuf import text_format

    settings = text_format.Parse(f"{name} {{ {text} }}", TaskBalancing())
    return COMBINATIONS[name](getattr(settings, name), [f"t{index}" for index in range(num_tasks)])


def known(matrix: np.ndarray, losses=None, seed=SEED) -> Gradients:
    losses = np.ones(len(matrix)) if losses is None else losses
    return Gradients(tf.constant(matrix @ matrix.T), tf.constant(losses, tf.float32), seed)


def coefficients(name: str, matrix: np.ndarray, text: str = "") -> np.ndarray:
    return combination(name, len(matrix), text)(known(matrix)).coefficients.numpy()


ALL = sorted(COMBINATIONS)


@pytest.mark.parametrize("name", ALL)
def test_one_task_alone_is_fixed(name):
    np.testing.assert_allclose(coefficients(name, gradients(0, 1)), [1.0], rtol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_equal_tasks_are_fixed(name):
    matrix = np.repeat(gradients(0, 1), 3, axis=0)
    np.testing.assert_allclose(coefficients(name, matrix), np.ones(3), rtol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_a_task_without_a_gradient_does_not_stand_in_the_way(name):
    matrix = gradients(4, 3)
    without = coefficients(name, matrix[[0, 2]])
    matrix[1] = 0
    found = coefficients(name, matrix)
    if name == "gradnorm":
        without = np.ones(2)
    if name != "pcgrad":  # Its order of three tasks is another one than that of two.
        np.testing.assert_allclose(found[[0, 2]], without, rtol=1e-5)
    assert np.all(np.isfinite(found))


@pytest.mark.parametrize("name", ALL)
def test_no_gradient_at_all_gives_finite_coefficients(name):
    assert np.all(np.isfinite(coefficients(name, np.zeros((3, 4)))))


def pcgrad_by_hand(matrix: np.ndarray, order: np.ndarray) -> np.ndarray:
    result = np.zeros(matrix.shape[1])
    for task, gradient in enumerate(matrix):
        moved = gradient.copy()
        for other in order[task]:
            product = moved @ matrix[other]
            if other != task and product < 0:
                moved -= product / (matrix[other] @ matrix[other]) * matrix[other]
        result += moved
    return result


@pytest.mark.parametrize("num_tasks", [2, 3, 6])
def test_pcgrad_projects_as_the_paper_does(num_tasks):
    matrix = gradients(5, num_tasks, size=4)
    order = np.stack([np.random.default_rng(task).permutation(num_tasks) for task in range(num_tasks)]).astype(np.int32)
    found = pcgrad_coefficients(tf.constant(matrix @ matrix.T), tf.constant(order)).numpy() @ matrix
    np.testing.assert_allclose(found, pcgrad_by_hand(matrix, order), rtol=1e-9, atol=1e-12)


def test_pcgrad_of_two_conflicting_gradients_by_hand():
    matrix = np.array([[1.0, 0.0], [-1.0, 1.0]])
    # (1, 0) + (1, 0)·(-1, 1)/2 taken away = (1/2, 1/2); (-1, 1) without its part along (1, 0) = (0, 1).
    np.testing.assert_allclose(coefficients("pcgrad", matrix) @ matrix, [0.5, 1.5], rtol=1e-6)


def test_pcgrad_leaves_gradients_that_agree_alone():
    np.testing.assert_array_equal(coefficients("pcgrad", np.array([[1.0, 0.0], [1.0, 1.0]])), [1.0, 1.0])


def test_pcgrad_meets_the_tasks_in_another_order_in_another_step():
    method = combination("pcgrad", 5)
    matrix = gradients(5, 5, size=3)
    found = {
        method(known(matrix, seed=tf.constant([3, step], tf.int64))).coefficients.numpy().tobytes() for step in range(8)
    }
    again = {
        method(known(matrix, seed=tf.constant([3, step], tf.int64))).coefficients.numpy().tobytes() for step in range(8)
    }
    assert found == again and len(found) > 1


def test_mgda_is_twice_the_nearest_point_of_the_line_between_two_gradients():
    matrix = gradients(3, 2)
    share = minimize_scalar(lambda w: np.sum((w * matrix[0] + (1 - w) * matrix[1]) ** 2), bounds=(0, 1)).x
    np.testing.assert_allclose(coefficients("mgda", matrix), [2 * share, 2 - 2 * share], atol=1e-4)


@pytest.mark.parametrize("num_tasks", [2, 3, 5])
@pytest.mark.parametrize("radius", [0.2, 0.5, 0.9])
def test_cagrad_is_the_best_worst_direction_within_its_radius(num_tasks, radius):
    matrix = gradients(11, num_tasks, size=3)
    mean = matrix.mean(axis=0)
    reach = radius * np.linalg.norm(mean)
    active = tf.ones([num_tasks], tf.bool)
    found = cagrad_coefficients(tf.constant(matrix @ matrix.T), active, radius).numpy() @ matrix
    assert np.linalg.norm(found - mean) == pytest.approx(reach, rel=1e-6)
    # The problem itself, not its dual: max over d of the least g_k · d with |d - g_0| <= c |g_0|.
    limits = [{"type": "ineq", "fun": lambda x: matrix @ x[:-1] - x[-1]}]
    limits.append({"type": "ineq", "fun": lambda x: reach**2 - np.sum((x[:-1] - mean) ** 2)})
    start = np.append(mean, (matrix @ mean).min())
    best = minimize(
        lambda x: -x[-1], start, method="SLSQP", constraints=limits, options={"ftol": 1e-13, "maxiter": 500}
    )
    assert (matrix @ found).min() == pytest.approx(-best.fun, rel=1e-4, abs=1e-4)


def test_cagrad_without_a_radius_is_the_sum():
    np.testing.assert_allclose(coefficients("cagrad", gradients(1, 4), "c: 0"), np.ones(4), rtol=1e-6)


def test_nash_fulfils_its_condition_and_averages_1():
    matrix = gradients(6, 4)
    found = coefficients("nash_mtl", matrix).astype(np.float64)
    products = found * (matrix @ (found @ matrix))
    np.testing.assert_allclose(products, products[0], rtol=1e-5)
    assert found.mean() == pytest.approx(1)


def test_nash_does_not_care_for_the_scale_of_a_loss():
    matrix = gradients(6, 3)
    scale = np.array([[100.0], [1.0], [0.01]])
    one = coefficients("nash_mtl", matrix) @ matrix
    other = coefficients("nash_mtl", matrix * scale) @ (matrix * scale)
    np.testing.assert_allclose(one / np.linalg.norm(one), other / np.linalg.norm(other), rtol=1e-4)


def test_nash_keeps_its_last_solution():
    method = combination("nash_mtl", 3, "update_every: 4")
    assert method.update_every == 4
    np.testing.assert_array_equal(method.last().numpy(), np.ones(3))
    found = method(known(gradients(6, 3)))
    [(variable, value)] = found.changes
    variable.assign(value)
    np.testing.assert_array_equal(method.last().numpy(), found.coefficients.numpy())


def pareto_by_scipy(gram: np.ndarray, floors: np.ndarray) -> float:
    limits = {"type": "eq", "fun": lambda w: w.sum() - 1}
    size = len(gram)
    start = floors + (1 - floors.sum()) / size
    bounds = [(floor, 1) for floor in floors]
    options = {"ftol": 1e-15, "maxiter": 500}
    return minimize(
        lambda w: w @ gram @ w, start, method="SLSQP", bounds=bounds, constraints=limits, options=options
    ).fun


@pytest.mark.parametrize("floors", [(0.0, 0.0, 0.0), (0.2, 0.2, 0.2), (0.5, 0.1, 0.0), (0.4, 0.3, 0.3)])
def test_pareto_weights_are_the_best_above_their_floors(floors):
    floors = np.array(floors)
    matrix = gradients(8, 3, size=3)
    gram = matrix @ matrix.T
    weights = pareto_weights(tf.constant(gram), tf.ones([3], tf.bool), tf.constant(floors)).numpy()
    assert weights.sum() == pytest.approx(1) and np.all(weights >= floors - 1e-12)
    assert weights @ gram @ weights == pytest.approx(pareto_by_scipy(gram, floors), rel=1e-5)
    # Karush, Kuhn and Tucker: the slope is the same wherever a weight is above its floor, and no less elsewhere.
    slope = gram @ weights
    above = weights > floors + 1e-6
    if above.any():
        np.testing.assert_allclose(slope[above], slope[above][0], rtol=1e-4)
        assert np.all(slope >= slope[above].max() * (1 - 1e-4))


def test_a_floor_is_that_of_its_tower():
    matrix = np.array([[10.0, 0.0], [0.1, 0.1]])
    found = coefficients("pareto", matrix, 'min_weight: 0.1 floors { tower_name: "t0" min_weight: 0.4 }')
    np.testing.assert_allclose(found, [0.8, 1.2], rtol=1e-5)


def test_gradnorm_makes_one_step_of_gradient_descent_on_its_loss():
    random = np.random.default_rng(0)
    weights, norms, left = (tf.constant(random.uniform(0.5, 2, 4), tf.float32) for _ in range(3))
    alpha, rate = 1.5, 0.01
    with tf.GradientTape() as tape:
        tape.watch(weights)
        each = weights * norms
        mean = tf.stop_gradient(tf.reduce_mean(each))
        target = mean * (left / tf.reduce_mean(left)) ** alpha
        loss = tf.reduce_sum(tf.abs(each - target)) / mean
    moved = weights - rate * tape.gradient(loss, weights)
    expected = 4 * moved / tf.reduce_sum(moved)
    np.testing.assert_allclose(gradnorm_weights(weights, norms, left, alpha, rate), expected, rtol=1e-5)


def test_gradnorm_gives_more_to_the_task_with_the_small_gradient_and_to_the_one_that_lags():
    method = combination("gradnorm", 2)
    found = method(known(np.array([[4.0, 0.0], [0.0, 1.0]])))
    moved = {variable.name.split("/")[-1].split(":")[0]: value.numpy() for variable, value in found.changes}
    assert moved["weight"][1] > 1 > moved["weight"][0]
    np.testing.assert_array_equal(moved["first_loss"], [1, 1])
    lags = gradnorm_weights(tf.ones(2), tf.ones(2), tf.constant([0.5, 1.0]), 1.5, 0.025).numpy()
    assert lags[1] > 1 > lags[0]


@pytest.mark.parametrize("name", ALL)
def test_a_gradient_that_is_not_finite_raises_nothing(name):
    """The step finds it by the norm, and says more than an exception of a kernel could."""
    matrix = gradients(0, 3)
    matrix[1, 1] = np.nan
    assert coefficients(name, matrix).shape == (3,)
