"""What is drawn, held against scikit-learn and formulas."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics
from sklearn.calibration import calibration_curve

from easymtl.scoring import curves


@pytest.fixture(params=[37, 5000], ids=["few rows", "many rows"])
def rows(request):
    random = np.random.default_rng(3)
    labels = random.random(request.param) < 0.3
    # Rounded, so that many rows have equal scores.
    return labels, np.round(np.clip(random.normal(0.3 + 0.2 * labels, 0.2), 0, 1), 2)


def test_roc_is_that_of_scikit_learn(rows):
    labels, scores = rows
    found = curves.roc(labels, scores)
    x, y, _ = sklearn_metrics.roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(found.x, x)
    np.testing.assert_allclose(found.y, y)
    assert found.area == pytest.approx(sklearn_metrics.roc_auc_score(labels, scores))


def test_precision_and_recall_are_those_of_scikit_learn(rows):
    labels, scores = rows
    found = curves.precision_recall(labels, scores)
    precision, recall, _ = sklearn_metrics.precision_recall_curve(labels, scores)
    np.testing.assert_allclose(found.x[1:], recall[-2::-1])
    np.testing.assert_allclose(found.y[1:], precision[-2::-1])
    assert found.area == pytest.approx(sklearn_metrics.average_precision_score(labels, scores))


def test_a_row_that_stands_for_several_counts_as_if_they_were_there(rows):
    labels, scores = rows
    stands_for = np.where(labels, 1, 10)
    written_out = np.repeat(np.arange(len(labels)), stands_for)
    for draw in (curves.roc, curves.precision_recall):
        found, expected = draw(labels, scores, stands_for), draw(labels[written_out], scores[written_out])
        assert found.area == pytest.approx(expected.area)
        np.testing.assert_allclose(np.interp(0.3, found.x, found.y), np.interp(0.3, expected.x, expected.y), atol=0.01)
    bins = curves.reliability(labels, scores, num_bins=1, stands_for=stands_for)
    whole = curves.reliability(labels[written_out], scores[written_out], num_bins=1)
    for name in ("score", "label", "count"):
        np.testing.assert_allclose(getattr(bins, name), getattr(whole, name), rtol=1e-9)
    assert bins.low < whole.low and bins.high > whole.high, "fewer rows are known than they stand for"
    evenly = curves.reliability(labels, scores, stands_for=np.full(len(labels), 3.0))
    np.testing.assert_allclose(evenly.low, curves.reliability(labels, scores).low)


def test_points_are_left_out_where_they_say_least_and_the_area_stays():
    random = np.random.default_rng(1)
    labels, scores = random.random(20_000) < 0.1, random.random(20_000)
    found = curves.roc(labels, scores)
    assert len(found.x) <= curves.NUM_POINTS and (found.x[0], found.y[0], found.x[-1], found.y[-1]) == (0, 0, 1, 1)
    assert found.area == pytest.approx(sklearn_metrics.roc_auc_score(labels, scores), abs=1e-12)
    x, y, _ = sklearn_metrics.roc_curve(labels, scores, drop_intermediate=False)
    assert np.abs(np.interp(x, found.x, found.y) - y).max() < 0.02


def test_one_class_has_no_curve():
    assert (
        curves.roc(np.ones(3, bool), np.arange(3.0)) is None and curves.roc(np.zeros(3, bool), np.arange(3.0)) is None
    )
    assert curves.precision_recall(np.zeros(3, bool), np.arange(3.0)) is None
    assert curves.precision_recall(np.ones(3, bool), np.arange(3.0)).area == 1


def test_reliability_is_the_quantile_curve_of_scikit_learn():
    random = np.random.default_rng(4)
    scores = random.random(1000)
    labels = random.random(1000) < scores**2
    found = curves.reliability(labels, scores)
    rate, mean = calibration_curve(labels, scores, n_bins=10, strategy="quantile")
    np.testing.assert_allclose(found.label, rate)
    np.testing.assert_allclose(found.score, mean)
    assert (found.count == 100).all()
    expected = np.mean(np.abs(mean - rate))
    assert curves.expected_calibration_error(found) == pytest.approx(expected)


def test_wilsons_interval_is_the_root_of_its_equation():
    found = curves.reliability(np.array([True] * 3 + [False] * 17), np.full(20, 0.5), num_bins=1)
    for end in (found.low[0], found.high[0]):
        assert abs(3 / 20 - end) == pytest.approx(1.959964 * np.sqrt(end * (1 - end) / 20))


def test_equal_scores_and_few_rows_make_bins_too():
    found = curves.reliability(np.array([True, False, True]), np.full(3, 0.7))
    assert found.count.tolist() == [1, 1, 1] and found.label.mean() == pytest.approx(2 / 3)


def test_predicted_and_actual():
    predictions = np.repeat([1.0, 5.0], 50)
    labels = np.concatenate([np.arange(50.0), np.full(50, 4.0)])
    found = curves.predicted_and_actual(labels, predictions, num_bins=2)
    assert found.score.tolist() == [1, 5] and found.label.tolist() == [24.5, 4]
    assert found.low.tolist() == pytest.approx([4.9, 4]) and found.high.tolist() == pytest.approx([44.1, 4])
    assert curves.residual_quantiles(labels, labels + 3).tolist() == [3.0] * 7


def test_a_distribution_sums_to_1_for_each_label():
    scores = np.array([0.0, 0.1, 0.5, 0.5])
    found = curves.distribution(np.array([False, False, True, True]), scores, num_bins=5)
    assert found.negative.tolist() == [0.5, 0.5, 0, 0, 0] and found.positive.tolist() == [0, 0, 0, 0, 1]
    assert found.edges[-1] == 0.5
