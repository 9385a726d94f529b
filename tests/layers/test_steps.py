"""Steps in both layouts: the same vectors, weights and sums, and the same gradients."""

from contextlib import nullcontext

import numpy as np
import pytest
import tensorflow as tf

from easymtl.layers.segments import known_sizes
from easymtl.layers.steps import Rectangle, Segments, Steps, alike, joined

LENGTHS = [2, 0, 3, 1]
ROWS = np.repeat(np.arange(len(LENGTHS), dtype=np.int32), LENGTHS)


@pytest.fixture
def flat() -> np.ndarray:
    return np.random.default_rng(3).normal(size=[len(ROWS), 4]).astype(np.float32)


def in_segments(flat) -> Segments:
    return Segments(tf.convert_to_tensor(flat), tf.constant(ROWS), tf.constant(LENGTHS, tf.int32))


def in_rectangle(flat) -> Rectangle:
    """Padding holds NaN, which must not reach anything."""
    values = np.full([len(LENGTHS), 5, flat.shape[1]], np.nan, np.float32)
    for row, length in enumerate(LENGTHS):
        values[row, :length] = flat[row == ROWS]
    return Rectangle(tf.constant(values), tf.constant(LENGTHS, tf.int32))


def attended(steps: Steps, query: tf.Tensor) -> tf.Tensor:
    scores = tf.reduce_sum(steps.spread(query) * steps.flat, axis=1)
    return steps.sum(steps.flat * steps.softmax(scores)[:, tf.newaxis])


def reference(flat, query) -> np.ndarray:
    result = np.zeros_like(query)
    for row in range(len(LENGTHS)):
        own = flat[row == ROWS].astype(np.float64)
        if len(own):
            scores = own @ query[row]
            weights = np.exp(scores) / np.exp(scores).sum()
            result[row] = weights @ own
    return result


@pytest.mark.parametrize("layout", [in_segments, in_rectangle])
def test_attention_equals_the_formula(flat, layout):
    query = np.random.default_rng(5).normal(size=[len(LENGTHS), 4]).astype(np.float32)
    np.testing.assert_allclose(attended(layout(flat), tf.constant(query)), reference(flat, query), atol=1e-6)


@pytest.mark.parametrize("context", [nullcontext, known_sizes])
def test_gradients_of_both_layouts_are_equal(flat, context):
    query = tf.constant(np.random.default_rng(5).normal(size=[len(LENGTHS), 4]).astype(np.float32))
    values = tf.constant(flat)
    upstream = tf.constant(np.random.default_rng(6).normal(size=[len(LENGTHS), 4]).astype(np.float32))
    gradients = []
    for is_rectangle in (False, True):
        # Kernels that are told how many rows there are give those without steps the same, too.
        with context(), tf.GradientTape() as tape:
            tape.watch([values, query])
            steps = in_segments(values)
            total = tf.reduce_sum(attended(steps.rectangle() if is_rectangle else steps, query) * upstream)
            gradients.append(tape.gradient(total, [values, query]))
    for one, other in zip(*gradients):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_one_layout_becomes_the_other(flat):
    back = in_segments(flat).rectangle().segments()
    np.testing.assert_array_equal(back.flat, flat)
    np.testing.assert_array_equal(back.rows, ROWS)
    padded = in_rectangle(flat).rectangle()
    np.testing.assert_array_equal(padded.values[:, :3], in_segments(flat).rectangle().values)
    assert not np.isnan(padded.values).any()


@pytest.mark.parametrize("layout", [in_segments, in_rectangle])
def test_mean_and_positions(flat, layout):
    steps = layout(flat)
    expected = [flat[row == ROWS].mean(axis=0) if length else np.zeros(4) for row, length in enumerate(LENGTHS)]
    np.testing.assert_allclose(steps.mean(), expected, atol=1e-6)
    positions = steps.replaced(tf.cast(steps.positions(), tf.float32)[:, tf.newaxis]).segments()
    np.testing.assert_array_equal(positions.flat[:, 0], [0, 1, 0, 1, 2, 0])


def test_no_steps_at_all():
    empty = Segments(tf.zeros([0, 4]), tf.zeros([0], tf.int32), tf.zeros([2], tf.int32))
    assert empty.rectangle().values.shape == [2, 1, 4]
    np.testing.assert_array_equal(attended(empty, tf.ones([2, 4])), np.zeros([2, 4]))
    np.testing.assert_array_equal(attended(empty.rectangle(), tf.ones([2, 4])), np.zeros([2, 4]))


def test_histories_of_equal_lengths_are_joined(flat):
    for first, second in ((in_segments(flat), in_rectangle(flat)), (in_rectangle(flat), in_rectangle(2 * flat))):
        both = joined([first, second]).segments()
        np.testing.assert_array_equal(both.flat[:, :4], flat)
        np.testing.assert_array_equal(both.flat[:, 4:], second.segments().flat)


def test_rectangles_padded_to_different_lengths_are_joined(flat):
    wide = in_rectangle(flat)
    narrow = Rectangle(wide.values[:, :4], wide.lengths)
    assert [part.longest for part in alike([wide, narrow])] == [3, 3]
    for parts in ([wide, narrow], [narrow, wide], [wide, in_segments(flat)]):
        np.testing.assert_array_equal(joined(parts).segments().flat, np.concatenate([flat, flat], axis=1))


def test_rectangles_without_rows_or_steps_have_none():
    for shape in ([0, 3, 4], [2, 0, 4]):
        steps = Rectangle(tf.zeros(shape), tf.zeros(shape[:1], tf.int32)).segments()
        assert steps.flat.shape == (0, 4) and steps.rows.shape == (0,)
