"""SeqAugment: what is kept, replaced and moved; that it is random while training and one thing in evaluation."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.layers.shapes import History
from tests.layers.histories import LENGTHS_SHAPE, inputs, rectangle, rows_of, segments, with_lengths
from tests.layers.named.building import evaluation, make, refusal, training

ONLY = {
    "crop": "mask_rate: 0 reorder_rate: 0 crop_rate: {}",
    "mask": "mask_rate: {} reorder_rate: 0 crop_rate: 1",
    "reorder": "mask_rate: 0 reorder_rate: {} crop_rate: 1",
}
LENGTHS = (10, 1, 0, 5, 2)
# Each step is told by its row and place.
HISTORY = np.stack([rows_of(LENGTHS), np.concatenate([np.arange(length) for length in LENGTHS])], axis=1).astype(float)


def rows(made, call, layout=segments) -> list[np.ndarray]:
    """Returns the vectors of each row."""
    steps, lengths = made.layer(with_lengths(layout(HISTORY, LENGTHS)), call)
    steps = steps.segments()
    np.testing.assert_array_equal(lengths, steps.lengths)
    np.testing.assert_array_equal(steps.rows, np.repeat(np.arange(len(LENGTHS)), lengths))
    return np.split(steps.flat.numpy(), np.cumsum(lengths)[:-1])


def augmented(method: str, rate: float, step: int) -> list[np.ndarray]:
    return rows(make("SeqAugment", ONLY[method].format(rate), inputs(2)), training(step))


def test_crop_keeps_neighbours_at_least_one():
    begins = set()
    for step in range(20):
        for row, (found, length) in enumerate(zip(augmented("crop", 0.3, step), LENGTHS)):
            kept = min(length, max(1, int(length * 0.3)))
            assert found.shape == (kept, 2)
            if kept:
                first = found[0, 1]
                np.testing.assert_array_equal(found, [[row, first + place] for place in range(kept)])
                assert 0 <= first <= length - kept
                begins.add((row, first))
    assert len({first for row, first in begins if row == 0}) > 4, "the start is random"
    assert {first for row, first in begins if row == 4} == {0, 1}, "the last start is possible"


def test_mask_replaces_random_steps_by_a_trained_vector():
    masked = []
    for step in range(20):
        made = make("SeqAugment", ONLY["mask"].format(0.5), inputs(2))
        vector = made.weights["b/mask"][0]
        for row, (found, length) in enumerate(zip(rows(made, training(step)), LENGTHS)):
            is_masked = np.isclose(found, vector).all(axis=1)
            assert is_masked.sum() == int(length * 0.5)
            own = np.array([[row, place] for place in range(length)]).reshape([-1, 2])
            np.testing.assert_array_equal(found[~is_masked], own[~is_masked])
            masked += [tuple(np.flatnonzero(is_masked))] if row == 0 else []
    assert len(set(masked)) > 10
    assert set(np.concatenate(masked)) == set(range(10))


def test_reorder_shuffles_neighbours():
    windows = set()
    for step in range(20):
        for row, (found, length) in enumerate(zip(augmented("reorder", 0.5, step), LENGTHS)):
            assert sorted(found[:, 1]) == list(range(length)) and (found[:, 0] == row).all()
            moved = np.flatnonzero(found[:, 1] != np.arange(length))
            if len(moved):
                assert moved[-1] - moved[0] < int(length * 0.5)
                windows.add((row, moved[0]))
    assert len({first for row, first in windows if row == 0}) > 2
    assert any(row == 0 for row, _ in windows)


def test_each_row_draws_one_of_the_methods():
    made = make("SeqAugment", "crop_rate: 0.3 mask_rate: 0.5 reorder_rate: 0.9", inputs(2))
    seen = set()
    for step in range(30):
        found = rows(made, training(step))[0]
        is_masked = np.isclose(found, made.weights["b/mask"][0]).all(axis=1)
        if len(found) < 10:
            assert len(found) == 3 and not is_masked.any() and (np.diff(found[:, 1]) == 1).all()
            seen.add("crop")
        elif is_masked.any():
            assert is_masked.sum() == 5 and (found[~is_masked][:, 1] == np.arange(10)[~is_masked]).all()
            seen.add("mask")
        else:
            assert sorted(found[:, 1]) == list(range(10))
            seen.add("reorder")
    assert seen == {"crop", "mask", "reorder"}


@pytest.mark.parametrize("method", ["crop", "mask", "reorder"])
def test_a_step_of_training_draws_the_same_again_and_in_both_layouts(method):
    made = make("SeqAugment", ONLY[method].format(0.5), inputs(2))
    first = np.concatenate(rows(made, training(3)))
    np.testing.assert_array_equal(np.concatenate(rows(made, training(3))), first)
    long = lambda flat, lengths: rectangle(flat, lengths, longest=12)  # noqa: E731
    np.testing.assert_array_equal(np.concatenate(rows(made, training(3), long)), first)
    assert any(
        other.shape != first.shape or (other != first).any()
        for other in (np.concatenate(rows(made, training(step))) for step in (4, 5, 6))
    )


@pytest.mark.parametrize("text", [*(text.format(0.5) for text in ONLY.values()), ""])
def test_in_evaluation_a_row_has_one_result_in_every_batch(text):
    made = make("SeqAugment", text, inputs(2))
    together = rows(made, evaluation())
    assert any(
        len(found) != length or (found[:, 1] != np.arange(length)).any() for found, length in zip(together, LENGTHS)
    )
    for row, length in enumerate(LENGTHS):
        flat = HISTORY[rows_of(LENGTHS) == row]
        steps, _ = made.layer(with_lengths(segments(flat, (length,))), evaluation())
        np.testing.assert_array_equal(steps.flat, together[row])


def test_nothing_to_do_hands_on_the_history_without_a_weight():
    made = make("SeqAugment", "mask_rate: 0 reorder_rate: 0 crop_rate: 1", inputs(2))
    np.testing.assert_array_equal(np.concatenate(rows(made, training())), HISTORY)
    assert made.weights == {} and made.shape == (History(2), LENGTHS_SHAPE)


def test_the_gradient_reaches_the_mask_and_the_steps():
    made = make("SeqAugment", "", inputs(2))
    flat = tf.constant(HISTORY, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(flat)
        steps, _ = made.layer(with_lengths(segments(flat, LENGTHS)), training(1))
        total = tf.reduce_sum(steps.flat)
    for gradient in tape.gradient(total, [made.layer.mask, flat]):
        assert np.any(tf.convert_to_tensor(gradient))


@pytest.mark.parametrize("rate", ["crop_rate", "mask_rate", "reorder_rate"])
def test_rates_are_shares(rate):
    assert refusal("SeqAugment", f"{rate}: 1.5", inputs(2)) == f"has {rate} 1.5, outside of [0, 1]"
