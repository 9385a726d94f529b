"""Who updates what, at which rate."""

import numpy as np
import tensorflow as tf
from google.protobuf import text_format

from easymtl.protos.optimizer_pb2 import Optimizer as OptimizerConfig
from easymtl.training.optimizers import Optimizers, RowGradient

CONSTANT = "learning_rate { constant_learning_rate { learning_rate: %s } }"
SGD = "momentum_optimizer { %s momentum_optimizer_value: 0.0 } %s"


def make(*texts: str) -> tuple[Optimizers, tf.Variable, tf.Variable]:
    configs = [text_format.Parse(text, OptimizerConfig()) for text in texts]
    table, dense = tf.Variable(tf.zeros([3, 1])), tf.Variable(tf.zeros([2]))
    return Optimizers(configs, [table], [dense]), table, dense


def update(optimizers: Optimizers, table: tf.Variable, dense: tf.Variable, step: int = 0) -> None:
    rates = tf.constant(optimizers.learning_rates(step), tf.float32)
    changes = [RowGradient(table, tf.constant([1]), tf.gather(table, [1]), tf.ones([1, 1]))]
    optimizers.apply([(dense, tf.ones([2]))], changes, rates, tf.constant(step + 1.0))


def test_one_optimizer_serves_tables_and_dense_variables():
    optimizers, table, dense = make(SGD % (CONSTANT % 0.5, ""))
    assert optimizers.learning_rates(0) == (0.5, 0.5)
    update(optimizers, table, dense)
    np.testing.assert_allclose(table, [[0], [-0.5], [0]])
    np.testing.assert_allclose(dense, [-0.5, -0.5])


def test_of_two_optimizers_the_first_is_for_the_tables():
    adagrad = f"adagrad_optimizer {{ {CONSTANT % 0.25} initial_accumulator_value: 0.0 }}"
    optimizers, table, dense = make(adagrad, SGD % (CONSTANT % 2.0, ""))
    assert optimizers.learning_rates(0) == (0.25, 2.0)
    update(optimizers, table, dense)
    np.testing.assert_allclose(table, [[0], [-0.25], [0]])
    np.testing.assert_allclose(dense, [-2.0, -2.0])
    assert set(optimizers.slots_of(table)) == {"Adagrad"}
    assert set(optimizers.slots_of(dense)) == {"Momentum"}


def test_the_multiplier_scales_the_rate_of_the_tables_alone():
    optimizers, table, dense = make(SGD % (CONSTANT % 0.5, "embedding_learning_rate_multiplier: 0.1"))
    update(optimizers, table, dense)
    np.testing.assert_allclose(table, [[0], [-0.05], [0]])
    np.testing.assert_allclose(dense, [-0.5, -0.5])


def test_the_multiplier_works_with_adam_too():
    adam = f"adam_optimizer {{ {CONSTANT % 0.5} }} embedding_learning_rate_multiplier: 0.1"
    optimizers, table, dense = make(adam)
    update(optimizers, table, dense)
    np.testing.assert_allclose(table, [[0], [-0.05], [0]], rtol=1e-5)
    np.testing.assert_allclose(dense, [-0.5, -0.5], rtol=1e-5)


def test_a_multiplier_of_0_keeps_the_tables_as_they_are():
    optimizers, table, dense = make(SGD % (CONSTANT % 0.5, "embedding_learning_rate_multiplier: 0"))
    update(optimizers, table, dense)
    np.testing.assert_array_equal(table, np.zeros([3, 1]))
    assert np.all(dense.numpy() != 0)


def test_each_optimizer_follows_its_own_schedule():
    halving = "initial_learning_rate: 1.0 decay_steps: 2 decay_factor: 0.5"
    staircase = f"learning_rate {{ exponential_decay_learning_rate {{ {halving} }} }}"
    optimizers, _, _ = make(SGD % (staircase, ""), SGD % (CONSTANT % 3.0, ""))
    np.testing.assert_allclose(
        [optimizers.learning_rates(step) for step in (0, 1, 2, 4)], [[1, 3], [1, 3], [0.5, 3], [0.25, 3]]
    )


def test_a_variable_that_is_not_trained_has_no_slots():
    optimizers, _, _ = make(SGD % (CONSTANT % 0.5, ""))
    assert optimizers.slots_of(tf.Variable([1.0])) == {}
