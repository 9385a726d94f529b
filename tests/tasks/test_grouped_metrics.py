"""Grouped AUC and XAUC against the definition, pair by pair, and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from easymtl.tasks.grouped_metrics import grouped_auc, ordered_pair_share

rows = st.lists(
    st.tuples(st.booleans(), st.integers(0, 5), st.integers(-1, 3), st.sampled_from([0.5, 1.0, 3.0])),
    max_size=40,
)


def by_hand(positive, predictions, groups, weights):
    """Returns (auc, samples, positives) of every group with two classes, by scikit-learn."""
    result = []
    for group in np.unique(groups):
        here = groups == group
        if len(set(positive[here])) == 2:
            auc = roc_auc_score(positive[here], predictions[here], sample_weight=weights[here])
            result.append((auc, weights[here].sum(), weights[here & positive].sum()))
    return np.array(result).reshape(-1, 3)


@settings(max_examples=100, deadline=None)
@given(rows)
def test_grouped_auc_equals_scikit_learn_in_each_group(rows):
    table = np.array(rows, float).reshape(-1, 4)
    positive, predictions, groups, weights = table[:, 0] > 0, table[:, 1] / 7, table[:, 2].astype(int), table[:, 3]
    for used in (weights, np.ones(len(table))):
        result = grouped_auc(positive, predictions, groups, used)
        expected = by_hand(positive, predictions, groups, used)
        np.testing.assert_allclose(result.auc, expected[:, 0])
        np.testing.assert_allclose(result.num_samples, expected[:, 1])
        np.testing.assert_allclose(result.num_positives, expected[:, 2])
        if len(expected):
            np.testing.assert_allclose(result.reduce("mean"), expected[:, 0].mean())
            np.testing.assert_allclose(
                result.reduce("mean_by_sample_num"), np.average(expected[:, 0], weights=expected[:, 1])
            )
            np.testing.assert_allclose(
                result.reduce("mean_by_positive_num"), np.average(expected[:, 0], weights=expected[:, 2])
            )


def test_no_weights_means_1_each():
    positive, predictions = np.array([True, False, False]), np.array([0.5, 0.5, 0.1])
    assert grouped_auc(positive, predictions, np.zeros(3, int)).auc.tolist() == [0.75]


def pair_share_by_hand(labels, predictions, weights):
    right = total = 0.0
    for i in range(len(labels)):
        for j in range(i):
            if labels[i] != labels[j]:
                weight = weights[i] * weights[j]
                order = np.sign(labels[i] - labels[j]) * np.sign(predictions[i] - predictions[j])
                right += weight * (order + 1) / 2
                total += weight
    return right / total if total else None


@settings(max_examples=100, deadline=None)
@given(rows)
def test_ordered_pair_share_equals_the_count_of_pairs(rows):
    table = np.array(rows, float).reshape(-1, 4)
    labels, predictions, weights = table[:, 2] * 1.5, table[:, 1] - 2.5, table[:, 3]
    for used in (weights, None):
        expected = pair_share_by_hand(labels, predictions, np.ones(len(table)) if used is None else used)
        result = ordered_pair_share(labels, predictions, used)
        assert result == (None if expected is None else pytest.approx(expected, abs=1e-12))


def test_ordered_pair_share_of_0_and_1_is_the_auc():
    random = np.random.default_rng(1)
    labels, predictions = random.integers(0, 2, 3000), random.normal(size=3000).round(1)
    assert ordered_pair_share(labels, predictions) == pytest.approx(roc_auc_score(labels, predictions))


def test_ordered_pair_share_of_many_different_values():
    random = np.random.default_rng(2)
    labels = random.gamma(1, 30, 400)
    predictions = labels + random.normal(0, 40, 400)
    expected = pair_share_by_hand(labels, predictions, np.ones(400))
    assert ordered_pair_share(labels, predictions) == pytest.approx(expected, abs=1e-12)
