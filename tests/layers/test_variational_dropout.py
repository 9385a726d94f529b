"""Variational dropout against its formula, and its ranking of features."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.layers.context import Build, Call, name_seed
from easymtl.layers.variational_dropout import TEMPERATURE, VariationalDropout

WIDTHS = {"a": 2, "b": 1, "c": 3}
SEED = np.array([3, 4])


@pytest.fixture(params=[False, True], ids=["by feature", "by element"])
def dropout(request):
    layer = VariationalDropout(Build(), "logit_p", WIDTHS, request.param)
    layer.logits.assign(np.linspace(-1.5, 2.0, layer.logits.shape[0]))
    return layer


def spread(layer, factors):
    return factors if layer.is_elementwise else np.repeat(factors, [*WIDTHS.values()], axis=-1)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_training_is_the_formula_of_the_noise_that_was_drawn(dropout):
    x = np.random.default_rng(0).normal(size=[5, 6])
    count = dropout.logits.shape[0]
    drawn = tf.random.stateless_uniform([5, count], SEED + name_seed(0, "logit_p"), 1e-7, 1 - 1e-7)
    u = np.asarray(drawn, np.float64)
    z = sigmoid((dropout.logits.numpy() + np.log(u / (1 - u))) / TEMPERATURE)
    found = dropout(tf.constant(x, tf.float32), Call(training=True, seed=SEED))
    np.testing.assert_allclose(found, x * spread(dropout, 1 - z), atol=2e-4)
    assert len(np.unique(z)) > count, "each row has noise of its own"


def test_evaluation_takes_the_expectation_and_the_penalty_is_what_is_kept(dropout):
    x = np.random.default_rng(0).normal(size=[5, 6])
    p = sigmoid(dropout.logits.numpy().astype(np.float64))
    np.testing.assert_allclose(dropout(tf.constant(x, tf.float32), Call()), x * spread(dropout, 1 - p), rtol=1e-5)
    np.testing.assert_allclose(dropout.penalty(), np.sum(1 - p), rtol=1e-6)
    rates = dropout.rates()
    assert list(rates) == [*WIDTHS]
    np.testing.assert_allclose(np.concatenate([*rates.values()]), p, rtol=1e-6)
    assert [len(own) for own in rates.values()] == ([*WIDTHS.values()] if dropout.is_elementwise else [1, 1, 1])


def test_what_is_never_kept_has_no_effect_and_the_rate_learns(dropout):
    dropout.logits.assign(tf.fill(dropout.logits.shape, 30.0))
    x = tf.ones([4, 6])
    np.testing.assert_allclose(dropout(x, Call(training=True, seed=SEED)), np.zeros([4, 6]), atol=1e-6)
    dropout.logits.assign(tf.zeros(dropout.logits.shape))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(dropout(x, Call(training=True, seed=SEED)))
    assert np.all(tape.gradient(total, dropout.logits) <= 0), "a higher rate keeps less"


def test_a_worker_without_rows_has_no_share_in_the_gradient(dropout):
    with tf.GradientTape() as tape:
        found = dropout(tf.zeros([0, 6]), Call(training=True, seed=SEED))
        loss = tf.reduce_sum(found)
    assert found.shape == [0, 6] and not np.any(tape.gradient(loss, dropout.logits))
