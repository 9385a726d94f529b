"""Functions of block graphs over tensors: their values, their shapes before there is a batch, and their faults."""

import inspect

import numpy as np
import pytest
import tensorflow as tf

from easymtl.config.expressions import BLOCKS, parse_lambda
from easymtl.layers.block_functions import FUNCTIONS, call_function, function_shape
from easymtl.layers.shapes import Array, History, ShapeFault, Value, vector
from easymtl.layers.steps import Rectangle, Steps

X = np.random.default_rng(3).normal(size=[3, 4]).astype(np.float32)
Y = np.random.default_rng(4).normal(size=[3, 4]).astype(np.float32)
LENGTHS = np.array([2, 0, 3], np.int32)
CUBE = np.stack([X, Y], axis=1)


def history() -> Rectangle:
    values = np.where(np.arange(3)[None, :, None] < LENGTHS[:, None, None], 1.5, np.nan) * np.ones([3, 3, 4])
    return Rectangle(tf.constant(values, tf.float32), tf.constant(LENGTHS))


def run(text: str, *arguments, dtype: tf.DType = tf.float32) -> Value:
    given = [tf.constant(one) if isinstance(one, np.ndarray) else one for one in arguments]
    return call_function(parse_lambda(text, len(given)), given, dtype)


def shape(text: str, *shapes):
    return function_shape(parse_lambda(text, len(shapes)), shapes)


def test_every_function_of_the_grammar_is_here_with_its_parameters_in_order():
    assert set(FUNCTIONS) == set(BLOCKS.functions)
    for name, signature in BLOCKS.functions.items():
        found = list(inspect.signature(FUNCTIONS[name]).parameters)
        expected = list(signature.parameters)
        assert found[: len(expected)] == expected, name


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("lambda x: tf.add_n(x)", [X, Y], X + Y),
        ("lambda x: tf.concat(x, axis=1)", [X, Y], np.concatenate([X, Y], axis=1)),
        ("lambda x: tf.concat([x[1], x[0]], -1)", [X, Y], np.concatenate([Y, X], axis=1)),
        ("lambda x: tf.stack(x, axis=1)", [X, Y], CUBE),
        ("lambda x: tf.reduce_sum(x, axis=1)", CUBE, CUBE.sum(axis=1)),
        ("lambda x: tf.reduce_sum(x, axis=1, keepdims=True)", X, X.sum(axis=1, keepdims=True)),
        ("lambda x: tf.reduce_mean(x, [1, 2])", CUBE, CUBE.mean(axis=(1, 2))),
        ("lambda x: tf.reduce_max(x, axis=-1)", X, X.max(axis=1)),
        ("lambda x: tf.squeeze(tf.expand_dims(x, axis=1), axis=1)", X, X),
        ("lambda x: tf.transpose(x, perm=[0, 2, 1])", CUBE, CUBE.transpose(0, 2, 1)),
        ("lambda x: tf.reshape(x, [-1, 8])", CUBE, CUBE.reshape(3, 8)),
        ("lambda x: tf.reshape(x, [-1, 2 * 4])", CUBE, CUBE.reshape(3, 8)),
        ("lambda x: tf.unstack(tf.reshape(x, [-1, 2, 4]), axis=1)[1]", CUBE, Y),
        ("lambda x: tf.split(x, 2, axis=1)[1]", X, X[:, 2:]),
        ("lambda x: tf.gather(x, [2, 0], axis=1)", X, X[:, [2, 0]]),
        ("lambda x: tf.gather(x, [2, 0], 1)", X, X[:, [2, 0]]),
        ("lambda x: (x[0] + x[1]) * 2 - x[0] / 4", [X, Y], (X + Y) * 2 - X / 4),
        ("lambda x: -x ** 2", X, -(X**2)),
        ("lambda x: 1 - x", X, 1 - X),
        ("lambda x: x * 2 ** 10 * 2 ** -1", X, X * 512),
        ("lambda x: tf.math.sigmoid(x) + tf.nn.relu(x)", X, 1 / (1 + np.exp(-X)) + np.maximum(X, 0)),
        ("lambda x: tf.nn.softmax(x)", X, np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)),
        ("lambda x: tf.matmul(x[0], x[1], transpose_b=True)", [X, Y], X @ Y.T),
        ("lambda x: tf.cast(x > 0, tf.float32)", X, (X > 0).astype(np.float32)),
        ("lambda x: tf.where(tf.not_equal(x, 0), x, tf.zeros_like(x))", X, X),
        ("lambda x: tf.maximum(x[0], x[1])", [X, Y], np.maximum(X, Y)),
        ("lambda x: x[:, 1:3]", X, X[:, 1:3]),
        ("lambda x: x[..., 0]", CUBE, CUBE[..., 0]),
        ("lambda x: x[:, 0]", CUBE, X),
        ("lambda x: tf.square(x)", X, X**2),
    ],
)
def test_functions_compute_what_they_say(text, given, expected):
    given = [tf.constant(one) for one in given] if isinstance(given, list) else given
    np.testing.assert_allclose(run(text, given), expected, rtol=1e-6, atol=1e-6)


def test_lists_are_made_joined_and_taken_apart():
    x, y = tf.constant(X), tf.constant(Y)
    assert run("lambda x: [x]", x) == [x]
    assert run("lambda x: [x, x]", x) == [x, x]
    assert run("lambda x: x[0] + [x[1]]", [[x, x], y]) == [x, x, y]
    assert run("lambda x, i: [x[0][i], x[1]]", [[x, y], x], 1) == [y, x]
    assert run("lambda x, i: x[i + 1]", [x, y], 0) is y


def test_steps_are_handed_on_as_steps_and_computed_with_as_tensors():
    given = (history(), tf.constant(LENGTHS), tf.constant(X))
    assert run("lambda x: x[0]", given) is given[0]
    assert isinstance(run("lambda x: [x[0], x[2]]", given)[0], Steps)
    result = run("lambda x: tf.reduce_sum(x[0], axis=1)", given)
    np.testing.assert_allclose(result, 1.5 * LENGTHS[:, None] * np.ones([3, 4]))
    np.testing.assert_allclose(run("lambda x: x[:, 0]", given[0])[1], np.zeros(4))


def test_values_of_two_precisions_meet_in_the_one_of_the_call():
    x = tf.constant(X)
    for text in ("x[0] + x[1]", "tf.add_n(x)", "tf.concat(x, axis=1)", "tf.maximum(x=x[0], y=x[1])"):
        result = run(f"lambda x: {text}", [x, tf.cast(x, tf.bfloat16)], dtype=tf.bfloat16)
        assert result.dtype == tf.bfloat16, text


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("lambda x: x", History(4), History(4)),
        ("lambda x: x[0]", (History(4), Array((None,), tf.int32), None), History(4)),
        ("lambda x: x[2]", (History(4), Array((None,), tf.int32), None), None),
        ("lambda x: [x, x]", vector(4), [vector(4), vector(4)]),
        ("lambda x: (x,)", vector(4), (vector(4),)),
        ("lambda x: tf.stack(x, axis=1)", [vector(4)] * 3, Array((None, 3, 4))),
        ("lambda x: tf.reshape(x, [-1, 24])", Array((None, 3, 8)), vector(24)),
        ("lambda x: tf.reduce_sum(x, axis=1)", History(4), vector(4)),
        ("lambda x: tf.unstack(tf.reshape(x, [-1, 26, 16]), axis=1)", vector(416), [vector(16)] * 26),
        ("lambda x: tf.not_equal(x, 0)", Array((None, 3), tf.int64), Array((None, 3), tf.bool)),
        ("lambda x: tf.cast(x, tf.int32)", vector(3), Array((None, 3), tf.int32)),
    ],
)
def test_shapes_are_known_before_there_is_a_batch(text, given, expected):
    assert shape(text, given) == expected


@pytest.mark.parametrize(
    ("text", "given", "says"),
    [
        ("lambda x: x[3]", [vector(4)] * 2, "[3] is not in the list of 2"),
        ("lambda x: x[0, 1]", [vector(4)] * 2, "a list has one index: write [0][1] for a value in a list in a list"),
        ("lambda x: x[0]", vector(4), "[0] of a tensor is a row of the batch; columns are [:, 0]"),
        ("lambda x: x[0]", None, "an index is applied to what is no list or tensor"),
        ("lambda x: x[0.5]", [vector(4)], "an index is no whole number"),
        ("lambda x: 1", vector(4), "its result is 1, which depends on no input"),
        ("lambda x: x + 9**9**9", vector(4), "9**387420489 is too large a number"),
        ("lambda x: x + (2**1000)**1000", vector(4), "**1000 is too large a number"),
        ("lambda x: x + (-2)**1000000", vector(4), "-2**1000000 is too large a number"),
        ("lambda x: tf.split(x, 1000000000, axis=1)", vector(4), "1000000000 pieces are too many: 10,000 are possible"),
        ("lambda x: tf.split(x, tf.tile([1], [20000]))", vector(4), "20000 pieces are too many"),
        ("lambda x: tf.unstack(x, num=1000000000)", vector(4), "1000000000 pieces are too many"),
        ("lambda x: tf.unstack(tf.tile(x, [1, 20000]), axis=1)", vector(4), "80000 pieces are too many"),
        ("lambda x: [x, x]", [vector(4)] * 5000, "makes a list of more than 10,000 values, those of lists in it"),
        (f"lambda x: {'[' * 21}x{']' * 21}", vector(4), "puts lists into lists, more than 20 deep"),
        ("lambda x: tf.add_n(x)", [vector(4), vector(3)], 'cannot compute "lambda x: tf.add_n(x)": '),
        ("lambda x: x[0] + [x[1]]", [vector(4), vector(3)], 'a list has no "+"; stack or add up its values before'),
        ("lambda x: tf.unstack(x)", vector(4), 'cannot compute "lambda x: tf.unstack(x)": Cannot infer argument `num`'),
    ],
)
def test_what_cannot_be_computed_is_told(text, given, says):
    with pytest.raises(ShapeFault) as caught:
        shape(text, given)
    assert says in str(caught.value)
    assert "{{node" not in str(caught.value) and "\n" not in str(caught.value)
