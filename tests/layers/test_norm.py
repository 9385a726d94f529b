"""Batch norm: the textbook formulas, honest moving statistics, any precision and any number of rows."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.layers.context import Build, Call, Pending
from easymtl.layers.norm import CONVERGED, EPSILON, MOMENTUM, BatchNorm, LayerNorm

TRAINING = Call(training=True, seed=np.array([0, 1]))
WIDTH = 3


def make_norm(debias: bool = True) -> BatchNorm:
    return BatchNorm(Build(bn_debias=debias), ["bn"], WIDTH)


def batches(number: int, rows: int = 7) -> list[np.ndarray]:
    random = np.random.default_rng(number)
    return [random.normal(3.0, 2.0, [rows, WIDTH]).astype(np.float32) for _ in range(number)]


def normalized(x: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return (x - mean) / np.sqrt(variance + EPSILON)


def test_training_normalizes_with_the_statistics_of_the_batch():
    norm = make_norm()
    norm.scale.assign([2.0, 1.0, 0.5])
    norm.offset.assign([0.1, -1.0, 3.0])
    [x] = batches(1)
    expected = normalized(x, x.mean(0), x.var(0)) * [2.0, 1.0, 0.5] + [0.1, -1.0, 3.0]
    np.testing.assert_allclose(norm(tf.constant(x), TRAINING), expected, atol=1e-5)


def test_moving_statistics_are_corrected_for_their_start():
    norm = make_norm()
    mean, variance = np.zeros(WIDTH), np.zeros(WIDTH)
    for count, x in enumerate(batches(5), start=1):
        norm(tf.constant(x), TRAINING)
        mean = MOMENTUM * mean + (1 - MOMENTUM) * x.mean(0)
        variance = MOMENTUM * variance + (1 - MOMENTUM) * x.var(0)
        found = norm.statistics()
        np.testing.assert_allclose(found[0], mean / (1 - MOMENTUM**count), rtol=2e-5)
        np.testing.assert_allclose(found[1], variance / (1 - MOMENTUM**count), rtol=2e-5)


def test_after_one_batch_evaluation_equals_training():
    norm = make_norm()
    [x] = batches(1)
    trained = norm(tf.constant(x), TRAINING)
    np.testing.assert_allclose(norm(tf.constant(x), Call()), trained, atol=1e-4)


def test_without_correction_the_statistics_start_at_0_and_1_and_lag():
    norm = make_norm(debias=False)
    [x] = batches(1)
    norm(tf.constant(x), TRAINING)
    mean, variance = norm.statistics()
    np.testing.assert_allclose(mean, (1 - MOMENTUM) * x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(variance, MOMENTUM + (1 - MOMENTUM) * x.var(0), rtol=1e-5)


@pytest.mark.parametrize("debias", [True, False])
def test_a_new_norm_evaluates_with_mean_0_and_variance_1(debias):
    mean, variance = make_norm(debias).statistics()
    np.testing.assert_array_equal(mean, np.zeros(WIDTH))
    np.testing.assert_array_equal(variance, np.ones(WIDTH))


def test_loaded_statistics_count_as_converged():
    norm = make_norm()
    norm.mean.assign([1.0, 2.0, 3.0])
    norm.variance.assign([4.0, 5.0, 6.0])
    norm.count.assign([CONVERGED])
    mean, variance = norm.statistics()
    np.testing.assert_array_equal(mean, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(variance, [4.0, 5.0, 6.0])
    [x] = batches(1)
    norm(tf.constant(x), TRAINING)
    expected = MOMENTUM * np.array([1.0, 2.0, 3.0]) + (1 - MOMENTUM) * x.mean(0)
    np.testing.assert_allclose(norm.statistics()[0], expected, rtol=1e-5)


def test_evaluation_moves_nothing():
    norm = make_norm()
    for x in batches(2):
        norm(tf.constant(x), TRAINING)
    before = [variable.numpy() for variable in norm.variables]
    norm(tf.constant(batches(1)[0]), Call())
    for variable, value in zip(norm.variables, before):
        np.testing.assert_array_equal(variable, value)


def test_a_batch_of_one_row_trains():
    norm = make_norm()
    norm.offset.assign([1.0, 2.0, 3.0])
    x = tf.constant([[5.0, -5.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = norm(x, TRAINING)
        total = tf.reduce_sum(y * y)
    np.testing.assert_allclose(y, [[1.0, 2.0, 3.0]], atol=1e-6)
    assert np.all(np.isfinite(tape.gradient(total, x)))
    mean, variance = norm.statistics()
    np.testing.assert_allclose(mean, x[0], rtol=1e-5)
    np.testing.assert_allclose(variance, np.zeros(WIDTH), atol=1e-6)


def test_the_gradient_is_that_of_the_formula():
    norm = make_norm()
    norm.scale.assign([2.0, 1.0, 0.5])
    x = tf.constant(batches(1)[0])
    weights = tf.constant(np.random.default_rng(1).normal(size=x.shape).astype(np.float32))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        fused = tf.reduce_sum(norm(x, TRAINING) * weights)
        mean, variance = tf.nn.moments(x, axes=[0])
        plain = tf.reduce_sum((x - mean) / tf.sqrt(variance + EPSILON) * norm.scale * weights)
    np.testing.assert_allclose(tape.gradient(fused, x), tape.gradient(plain, x), atol=1e-5)
    np.testing.assert_allclose(tape.gradient(fused, norm.scale), tape.gradient(plain, norm.scale), rtol=1e-4)


@pytest.mark.parametrize("width", [16, 24])
def test_whole_vectors_of_bfloat16_columns_take_the_kernel_of_bfloat16_and_other_widths_that_of_float32(width):
    norm = BatchNorm(Build(), ["bn"], width)
    graph = (
        tf.function(lambda x: norm(x, TRAINING), autograph=False)
        .get_concrete_function(tf.TensorSpec([None, width], tf.bfloat16))
        .graph
    )
    [kernel] = [operation for operation in graph.get_operations() if operation.type == "FusedBatchNormV3"]
    assert kernel.get_attr("T") == (tf.bfloat16 if width == 16 else tf.float32)
    x = tf.cast(np.random.default_rng(0).normal(1.0, 2.0, [50, width]), tf.bfloat16)
    values = x.numpy().astype(np.float64)
    expected = normalized(values, values.mean(0), values.var(0))
    y = norm(x, TRAINING)
    assert y.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(y, tf.float32), expected, rtol=1e-2, atol=1e-2)


def test_bfloat16_values_have_float32_statistics():
    [x] = batches(1, rows=512)
    low = tf.cast(x, tf.bfloat16)
    norm, exact = make_norm(), make_norm()
    y = norm(low, TRAINING)
    expected = exact(tf.cast(low, tf.float32), TRAINING)
    assert y.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(y, tf.float32), expected, atol=0.02)
    for found, wanted in zip(norm.statistics(), exact.statistics()):
        assert found.dtype == tf.float32
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert norm(low, Call(dtype=tf.bfloat16)).dtype == tf.bfloat16


def test_names_share_the_columns_in_order():
    build = Build(bn_debias=True)
    norm = BatchNorm(build, ["a/bn", "b/bn"], 4)
    norm.scale.assign([1.0, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(build.parameters["a/bn/gamma"].read(), [1.0, 2.0])
    np.testing.assert_array_equal(build.parameters["b/bn/gamma"].read(), [3.0, 4.0])
    norm(tf.ones([2, 4]), TRAINING)
    np.testing.assert_array_equal(build.parameters["b/bn/count"].read(), [1.0])


def test_statistics_of_a_pass_wait_for_its_step_and_a_norm_that_runs_twice_moves_twice():
    at_once, held = make_norm(), make_norm()
    first, second = (tf.constant(x) for x in batches(2))
    pending = Pending()
    call = Call(training=True, seed=TRAINING.seed, pending=pending)
    for x in (first, second):
        at_once(x, TRAINING)
        held(x, call)
    assert not any(np.any(variable) for variable in (held.mean, held.variance, held.count))
    pending.apply()
    for found, wanted in zip(held.variables, at_once.variables):
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(held.count, [2.0])


@pytest.mark.parametrize("count", [1.0, 2.0, 3.0, 10.0, 1000.0, 2.0**24, CONVERGED])
def test_the_correction_has_all_digits_of_float32(count):
    norm = make_norm()
    norm.mean.assign(tf.ones([WIDTH]))
    norm.count.assign([count])
    np.testing.assert_allclose(norm.statistics()[0], np.full(WIDTH, 1 / (1 - MOMENTUM**count)), rtol=3e-7)


def test_all_axes_but_the_last_are_rows():
    flat, square = make_norm(), make_norm()
    x = batches(1, rows=6)[0]
    for call in (TRAINING, Call()):
        expected = flat(tf.constant(x), call)
        np.testing.assert_array_equal(
            tf.reshape(square(tf.constant(x.reshape(2, 3, WIDTH)), call), [6, WIDTH]), expected
        )
    np.testing.assert_array_equal(square.variance, flat.variance)


def test_a_batch_of_no_rows_moves_nothing():
    norm = BatchNorm(Build(), ["bn"], WIDTH, may_be_empty=True)
    norm(tf.constant(batches(1)[0]), TRAINING)
    before = [variable.numpy() for variable in norm.variables]
    assert norm(tf.zeros([0, WIDTH]), TRAINING).shape == [0, WIDTH]
    for variable, value in zip(norm.variables, before):
        np.testing.assert_array_equal(variable, value)


@pytest.mark.parametrize("width", [3, 4, 8])
def test_every_kernel_gives_the_formula_its_gradient_and_its_statistics(width):
    """8 columns are activated by the kernel of the norm, 4 by one of their own, 3 are padded to 4."""
    norm, random = BatchNorm(Build(bn_debias=False), ["bn"], width), np.random.default_rng(width)
    x, scale, offset, upstream = (random.normal(size=size) for size in ([9, width], [width], [width], [9, width]))
    norm.scale.assign(scale)
    norm.offset.assign(offset)
    value = tf.constant(x, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(value)
        result = norm(value, TRAINING, None, tf.nn.relu)
        gradients = tape.gradient(result, [value, norm.scale, norm.offset], tf.constant(upstream, tf.float32))
    centred = normalized(x, x.mean(0), x.var(0))
    expected = np.maximum(centred * scale + offset, 0)
    slopes = upstream * (expected > 0)
    of_scale, of_offset = (slopes * centred).sum(0), slopes.sum(0)
    of_x = (slopes - of_offset / 9 - centred * of_scale / 9) * scale / np.sqrt(x.var(0) + EPSILON)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    for found, formula in zip(gradients, (of_x, of_scale, of_offset)):
        np.testing.assert_allclose(found, formula, atol=2e-5)
    np.testing.assert_allclose(norm.mean, (1 - MOMENTUM) * x.mean(0), atol=1e-6)
    np.testing.assert_allclose(norm.variance, MOMENTUM + (1 - MOMENTUM) * x.var(0), atol=1e-6)


@pytest.mark.parametrize("shape", [[4, 3], [4, 2, 3]])
def test_layer_norm_is_over_the_last_axis_alone(shape):
    norm = LayerNorm(build := Build(), "ln", WIDTH)
    assert list(build.parameters) == ["ln/gamma", "ln/beta"]
    norm.scale.assign([2.0, 1.0, 0.5])
    norm.offset.assign([0.1, -1.0, 3.0])
    x = np.random.default_rng(0).normal(3.0, 2.0, shape)
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    expected = (x - mean) / np.sqrt(variance + EPSILON) * [2.0, 1.0, 0.5] + [0.1, -1.0, 3.0]
    for call in (TRAINING, Call()):
        np.testing.assert_allclose(norm(tf.constant(x, tf.float32), call), expected, atol=1e-5)


def test_layer_norm_keeps_the_precision_of_its_input_and_computes_in_float32():
    norm = LayerNorm(Build(), "ln", 64, epsilon=1e-12)
    x = tf.cast(1000 + np.random.default_rng(0).normal(0, 20, [4, 64]), tf.bfloat16)
    result = norm(x, Call())
    assert result.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(result, tf.float32), norm(tf.cast(x, tf.float32), Call()), atol=0.02)


def test_momentum_and_epsilon_may_be_others():
    norm = BatchNorm(Build(), ["bn"], WIDTH, momentum=0.5, epsilon=0.1)
    first, second = batches(2)
    expected = (first - first.mean(0)) / np.sqrt(first.var(0) + 0.1)
    np.testing.assert_allclose(norm(tf.constant(first), TRAINING), expected, atol=1e-5)
    norm(tf.constant(second), TRAINING)
    mean, variance = norm.statistics()
    np.testing.assert_allclose(mean, (first.mean(0) + 2 * second.mean(0)) / 3, rtol=1e-5)
    x = tf.constant(first)
    np.testing.assert_allclose(norm(x, Call()), (first - mean) / np.sqrt(variance + 0.1), atol=1e-5)
