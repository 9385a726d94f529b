"""Means of labels and scores, against NumPy."""

from types import SimpleNamespace

import numpy as np
import pytest

from easymtl.scoring.means import Means
from easymtl.tasks.losses import Output
from easymtl.tasks.measures import Measure


def task(name, label, outputs=1, output=Output.PROBABILITY, stands_for=None):
    measure = Measure(name, name, lambda numbers: numbers[label], stands_for=stands_for)
    return SimpleNamespace(
        name=name, measures=[measure], num_outputs=outputs, is_multi_class=outputs > 1, output=output
    )


@pytest.fixture
def random():
    return np.random.default_rng(3)


def test_they_are_those_of_all_rows_whatever_the_batches(random):
    labels = (random.random(1000) < 0.2).astype(np.float32)
    labels[::7] = np.nan
    scores = random.random(1000).astype(np.float32)
    means = Means([task("click", "c")])
    for begin, end in ((0, 1), (1, 400), (400, 1000)):
        means.add({"probs_click": scores[begin:end]}, {"c": labels[begin:end]}, {})
    label, score = means.labels["click"], means.scores["click"]
    there = labels[~np.isnan(labels)].astype(float)
    assert (label.value, label.deviation, label.count) == (
        pytest.approx(there.mean()),
        pytest.approx(there.std()),
        len(there),
    )
    assert (score.value, score.deviation, score.count) == (
        pytest.approx(scores.astype(float).mean()),
        pytest.approx(scores.astype(float).std()),
        1000,
    )


def test_no_digits_are_lost_in_large_numbers(random):
    values = 1e6 + random.random(3000)
    means = Means([task("time", "t", output=Output.VALUE)])
    for part in np.split(values, 3):
        means.add({"y_time": part}, {"t": part}, {})
    assert means.labels["time"].deviation == pytest.approx(values.std(), rel=1e-6)
    assert means.labels["time"].sureness == pytest.approx(3000, rel=1e-6)


def test_of_two_classes_the_second_counts_and_of_more_none_does():
    means = Means([task("two", "a", 2), task("three", "b", 3)])
    means.add(
        {"probs_two": np.array([[0.9, 0.1], [0.7, 0.3]]), "probs_three": np.ones((2, 3))},
        {"a": np.ones(2), "b": np.ones(2)},
        {},
    )
    assert means.scores["two"].value == pytest.approx(0.2) and list(means.scores) == ["two"]


def test_without_a_label_there_is_no_mean():
    means = Means([task("click", "c")])
    means.add({"probs_click": np.ones(2)}, {"c": np.full(2, np.nan)}, {})
    assert means.labels["click"].count == 0 and np.isnan(means.labels["click"].value)


def test_a_negative_counts_for_those_that_the_data_left_out(random):
    labels = (random.random(300) < 0.5).astype(np.float32)
    scores = random.random(300).astype(np.float32)
    means = Means([task("click", "c", stands_for=lambda numbers: np.where(numbers["c"] > 0, 1, 10))])
    for places in np.split(np.arange(300), [7, 120]):
        means.add({"probs_click": scores[places]}, {"c": labels[places]}, {})
    often = np.where(labels > 0, 1, 10)
    # Written out, each row as often as it stands for rows.
    for found, numbers in ((means.labels["click"], labels), (means.scores["click"], scores)):
        rows = np.repeat(numbers.astype(float), often)
        assert (found.value, found.deviation, found.count) == (
            pytest.approx(rows.mean()),
            pytest.approx(rows.std()),
            300,
        )
        error = np.sqrt((often**2 * (numbers - rows.mean()) ** 2).sum()) / often.sum()
        assert found.deviation / found.sureness**0.5 == pytest.approx(error, rel=1e-6)
