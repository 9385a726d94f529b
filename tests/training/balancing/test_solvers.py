"""The small problems behind the methods, against SciPy and against their optimality conditions."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.optimize import minimize

from easymtl.training.balancing.solvers import nash_weights, nearest_weights


def gradients(seed: int, num_tasks: int, size: int = 20) -> np.ndarray:
    """Returns gradients `[tasks, size]` of unequal lengths, of which some conflict."""
    random = np.random.default_rng(seed)
    return random.normal(size=(num_tasks, size)) * random.uniform(0.1, 3.0, size=(num_tasks, 1))


def solved(gram, linear=None, factor=1.0, active=None, iterations=1000) -> np.ndarray:
    size = len(gram)
    linear = np.zeros(size) if linear is None else linear
    active = np.ones(size, bool) if active is None else active
    return nearest_weights(*map(tf.constant, (gram, linear, np.float64(factor), active)), iterations).numpy()


def best_on_the_simplex(value, size: int) -> float:
    """Returns the least value that SciPy finds from several starts."""
    random = np.random.default_rng(0)
    starts = [np.full(size, 1 / size), *random.dirichlet(np.ones(size), 4)]
    limits = {"bounds": [(0, 1)] * size, "constraints": {"type": "eq", "fun": lambda w: w.sum() - 1}}
    options = {"ftol": 1e-14, "maxiter": 500}
    return min(minimize(value, start, method="SLSQP", options=options, **limits).fun for start in starts)


@pytest.mark.parametrize("num_tasks", [2, 3, 5, 8])
@pytest.mark.parametrize("seed", range(3))
def test_the_shortest_vector_is_that_of_scipy(seed, num_tasks):
    matrix = gradients(seed, num_tasks)
    gram = matrix @ matrix.T
    weights = solved(gram)
    assert np.all(weights >= 0) and weights.sum() == pytest.approx(1)
    assert weights @ gram @ weights == pytest.approx(best_on_the_simplex(lambda w: w @ gram @ w, num_tasks), rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_the_shortest_vector_has_the_same_product_with_all_that_take_part(seed):
    matrix = gradients(seed, 4)
    weights = solved(matrix @ matrix.T)
    products = matrix @ (weights @ matrix)
    least = products[weights > 1e-9]
    np.testing.assert_allclose(least, least[0], rtol=1e-4)
    assert np.all(products >= least.min() * (1 - 1e-4))


@pytest.mark.parametrize(
    ("first", "second", "share"),
    [
        ((1.0, 0.0), (0.0, 1.0), 0.5),
        ((2.0, 0.0), (0.0, 1.0), 0.2),
        ((1.0, 0.0), (3.0, 0.0), 1.0),
        ((1.0, 0.0), (3.0, 1.0), 1.0),
        ((3.0, 1.0), (1.0, 0.0), 0.0),
        ((1.0, 0.0), (-3.0, 0.0), 0.75),
    ],
)
def test_two_gradients_have_a_closed_form_that_one_step_finds(first, second, share):
    matrix = np.array([first, second])
    np.testing.assert_allclose(solved(matrix @ matrix.T, iterations=1), [share, 1 - share], atol=1e-9)


@pytest.mark.parametrize("num_tasks", [2, 3, 6])
@pytest.mark.parametrize("factor", [0.05, 0.5, 3.0])
def test_a_linear_part_is_weighed_against_the_length(num_tasks, factor):
    matrix = gradients(7, num_tasks)
    gram = matrix @ matrix.T
    linear = gram.mean(axis=1)

    def value(weights: np.ndarray) -> float:
        return linear @ weights + factor * np.sqrt(weights @ gram @ weights)

    assert value(solved(gram, linear, factor)) == pytest.approx(
        best_on_the_simplex(value, num_tasks), rel=1e-5, abs=1e-5
    )


def test_equal_gradients_have_equal_weights():
    np.testing.assert_array_equal(solved(np.full((3, 3), 2.5)), np.full(3, 1 / 3))


def test_what_is_not_active_has_no_weight():
    matrix = gradients(1, 3)
    matrix[1] = 0
    two = matrix[[0, 2]]
    weights = solved(matrix @ matrix.T, active=np.array([True, False, True]))
    np.testing.assert_allclose(weights[[0, 2]], solved(two @ two.T), rtol=1e-12)
    assert weights[1] == 0


def nash(gram, active=None) -> np.ndarray:
    active = np.ones(len(gram), bool) if active is None else active
    return nash_weights(tf.constant(gram), tf.constant(active)).numpy()


@pytest.mark.parametrize("num_tasks", [1, 2, 3, 8])
@pytest.mark.parametrize("seed", range(3))
def test_nash_weights_fulfil_the_first_order_condition(seed, num_tasks):
    matrix = gradients(seed, num_tasks)
    gram = matrix @ matrix.T
    weights = nash(gram)
    assert np.all(weights > 0)
    np.testing.assert_allclose(gram @ weights, 1 / weights, rtol=1e-7)


def test_nash_weights_of_conflicting_and_of_unequal_gradients():
    for matrix in (np.array([[1.0, 0.2], [-1.0, 0.1]]), np.array([[1e4, 0.0, 1.0], [1e-4, 1e-4, 0.0]])):
        gram = matrix @ matrix.T
        weights = nash(gram)
        np.testing.assert_allclose(gram @ weights, 1 / weights, rtol=1e-6)


def test_exactly_opposed_gradients_have_finite_nash_weights():
    weights = nash(np.array([[1.0, -1.0], [-1.0, 1.0]]))
    assert np.all(np.isfinite(weights))
    assert weights[0] == pytest.approx(weights[1])


def test_nash_leaves_out_what_is_not_active():
    matrix = gradients(2, 3)
    matrix[0] = 0
    weights = nash(matrix @ matrix.T, np.array([False, True, True]))
    two = matrix[1:]
    np.testing.assert_allclose(weights[1:], nash(two @ two.T), rtol=1e-9)
