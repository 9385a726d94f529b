"""Curves of several classes: each against the rest."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from easymtl.reporting.formats import number_text
from easymtl.reporting.page.curve_sections import _of_classes, _usable


@pytest.mark.parametrize("num_class", [3, 9])
def test_each_of_the_most_frequent_classes_has_its_curves(num_class):
    random = np.random.default_rng(num_class)
    labels = np.concatenate([np.arange(num_class), random.integers(0, num_class, 900)]).astype(np.float64)
    scores = random.dirichlet(np.ones(num_class), len(labels))
    scores[np.arange(len(labels)), labels.astype(int)] += 0.2
    text = " ".join("".join(one) for one in [_of_classes(labels, scores).itertext()])
    counts = np.bincount(labels.astype(int))
    shown = set(np.argsort(-counts, kind="stable")[:7])
    for number in range(num_class):
        is_class = labels == number
        area = f"{number}: {number_text(roc_auc_score(is_class, scores[:, number]))}"
        average = f"{number}: {number_text(average_precision_score(is_class, scores[:, number]))}"
        assert (area in text and average in text) == (number in shown)
    assert ("2 are not" in text) == (num_class == 9)


def test_a_class_that_no_row_has_has_no_curve():
    labels = np.array([0.0, 1.0, 0.0, 1.0])
    scores = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1], [0.3, 0.6, 0.1]])
    text = "".join(_of_classes(labels, scores).itertext())
    assert "0: 1" in text and "1: 1" in text and "2: " not in text
    named = "".join(_of_classes(labels, scores, {"low": 0, "none": 0, "mid": 1, None: 2}).itertext())
    assert "low, none: 1" in named and "mid: 1" in named and "0: 1" not in named


@pytest.mark.parametrize(
    ("kind", "predictions", "scores"),
    [
        ("binary", [0.25, 0.5, np.nan, 1.0], [0.25, 1.0]),
        ("binary", [[0.75, 0.25], [0.5, 0.5], [np.nan, np.nan], [0.0, 1.0]], [0.25, 1.0]),
        ("classes", [[0.75, 0.25], [0.5, 0.5], [0.5, np.inf], [0.0, 1.0]], [[0.75, 0.25], [0.0, 1.0]]),
    ],
)
def test_rows_without_a_label_or_a_score_are_in_no_curve(kind, predictions, scores):
    one = SimpleNamespace(
        task=SimpleNamespace(predicted=kind),
        labels=np.float32([0, np.nan, 1, 1]),
        predictions=np.array(predictions),
        stands_for=np.array([1.0, 2.0, 3.0, 4.0]),
    )
    labels, found, stands_for = _usable(one)
    assert labels.tolist() == [0, 1] and found.tolist() == scores and stands_for.tolist() == [1, 4]
