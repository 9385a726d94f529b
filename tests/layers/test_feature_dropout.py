"""Which rows a feature is dropped in: its share, what it depends on, and what is done to vectors and histories."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.layers.context import Call
from easymtl.layers.feature_dropout import FeatureDropout, scaled, scaled_steps
from easymtl.layers.steps import Rectangle, Segments

ROWS = 20_000
TRAINING = Call(training=True, seed=np.array([3, 4]))


def factors(names="ab", rate=0.3, call=TRAINING, group="all", rows=ROWS) -> dict[str, np.ndarray]:
    found = FeatureDropout(group, names, rate)(tf.constant(rows), call)
    return {name: one.numpy() for name, one in found.items()}


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_each_feature_is_dropped_in_its_share_of_the_rows_and_scaled_up_in_the_others(rate):
    found = factors(rate=rate)
    error = np.sqrt(rate * (1 - rate) / ROWS)
    for one in found.values():
        np.testing.assert_allclose(np.unique(one), [0, 1 / (1 - rate)], rtol=1e-6)
        assert abs(np.mean(one == 0) - rate) < 4 * error
        assert abs(one.mean() - 1) < 4 * error / (1 - rate)
    both = np.mean((found["a"] == 0) & (found["b"] == 0))
    assert abs(both - rate**2) < 4 * np.sqrt(rate**2 * (1 - rate**2) / ROWS), "features are dropped independently"


def test_a_mask_follows_from_seed_step_group_and_name_alone():
    found = factors()
    np.testing.assert_array_equal(factors("xba")["a"], found["a"])
    for other in (factors(group="other"), factors(call=Call(training=True, seed=np.array([3, 5])))):
        assert not np.array_equal(other["a"], found["a"])
    assert not np.array_equal(found["a"], found["b"])


def test_nothing_is_dropped_where_the_model_does_not_train():
    assert all(np.all(one == 1) for one in factors(call=Call()).values())


def test_each_vector_has_the_factor_of_its_feature():
    random = np.random.default_rng(0)
    x, a, b = random.normal(size=[5, 4]), random.normal(size=5), random.normal(size=5)
    found = scaled(tf.constant(x, tf.float32), [3, 1], [tf.constant(a, tf.float32), tf.constant(b, tf.float32)])
    np.testing.assert_allclose(found, np.concatenate([x[:, :3] * a[:, None], x[:, 3:] * b[:, None]], 1), rtol=1e-5)


def test_all_steps_of_a_row_have_the_factor_of_the_row():
    values = np.random.default_rng(0).normal(size=[3, 2, 4]).astype(np.float32)
    lengths, by_row = tf.constant([2, 0, 1]), np.array([2.0, 3.0, 0.0], np.float32)
    square = Rectangle(tf.constant(values), lengths)
    for steps in (square, square.segments()):
        found = scaled_steps(steps, tf.constant(by_row))
        assert isinstance(found, (Rectangle, Segments)) and type(found) is type(steps)
        np.testing.assert_array_equal(found.lengths, lengths)
        np.testing.assert_allclose(found.rectangle().values[0], values[0] * 2, rtol=1e-6)
        np.testing.assert_array_equal(found.rectangle().values[2], np.zeros([2, 4]))
