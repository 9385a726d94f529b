"""Fits of probabilities against scikit-learn and SciPy, and what they heal where the truth is known."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from easymtl.scoring.calibration_fits import LEAST_ROWS, STEEPEST, binned, fit_isotonic, fit_line, fit_temperature

ROWS = 20_000


@pytest.fixture(scope="module")
def rows():
    """Log-odds z of a network that is too sure and sees too many positives: what is true is sigmoid(z / 2 - 1)."""
    random = np.random.default_rng(1)
    z = random.normal(0, 3, ROWS)
    return z, random.random(ROWS) < expit(z / 2 - 1), random.choice([1.0, 10.0], ROWS)


def platt_targets(positive, weights):
    counts = [weights[kind].sum() / weights.mean() for kind in (positive, ~positive)]
    return np.where(positive, (counts[0] + 1) / (counts[0] + 2), 1 / (counts[1] + 2))


def logistic(columns, positive, weights, has_intercept):
    """Soft labels in scikit-learn: each row once as a positive and once as a negative."""
    targets = platt_targets(positive, weights)
    model = LogisticRegression(C=np.inf, tol=1e-10, fit_intercept=has_intercept)
    labels = np.repeat([1, 0], len(columns))
    model.fit(np.concatenate([columns, columns]), labels, np.concatenate([weights * targets, weights * (1 - targets)]))
    return model.coef_[0, 0], model.intercept_[0] if has_intercept else 0.0


def test_a_line_is_the_logistic_regression_of_scikit_learn(rows):
    z, positive, weights = rows
    np.testing.assert_allclose(
        fit_line(z, positive, weights), logistic(z[:, None], positive, weights, True), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(fit_line(z, positive, np.ones(ROWS)), [0.5, -1], atol=0.06)


def test_a_temperature_is_the_one_of_a_line_through_zero(rows):
    z, positive, weights = rows
    expected, _ = logistic(z[:, None], positive, weights, False)
    assert fit_temperature(z, positive, weights) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("gap", [0.0, 1e-3, 5.0])
def test_rows_that_can_be_told_apart_have_a_finite_fit(gap):
    z = np.concatenate([np.linspace(-2, -gap, 60), np.linspace(gap, 2, 60)])
    positive = np.arange(120) >= 60
    slope, intercept = fit_line(z, positive, np.ones(120))
    assert 0 < slope < 1e5 and abs(intercept) < 100
    assert 0 < fit_temperature(z, positive, np.ones(120)) <= np.exp(7)
    probabilities = fit_isotonic(z, positive, np.ones(120))[1]
    assert np.all((probabilities > 0) & (probabilities < 1))


def test_scores_that_are_all_alike_give_the_mean():
    z, positive = np.full(300, 2.0), np.arange(300) < 30
    slope, intercept = fit_line(z, positive, np.ones(300))
    assert expit(slope * 2 + intercept) == pytest.approx(0.1, abs=0.005)
    assert len(fit_isotonic(z, positive, np.ones(300))[0]) == 1


def test_an_isotonic_fit_is_that_of_scikit_learn_over_bins(rows):
    z, positive, weights = rows
    places, shares, sizes = binned(z, positive, weights)
    reference = IsotonicRegression(out_of_bounds="clip").fit(places, shares, sample_weight=sizes)
    points, heights = fit_isotonic(z, positive, weights)
    grid = np.linspace(-12, 12, 2_000)
    np.testing.assert_allclose(np.interp(grid, points, heights), reference.predict(grid), atol=1e-12)
    assert np.all(np.diff(points) > 0) and np.all(np.diff(heights) >= 0) and len(points) <= len(places)


def test_an_isotonic_fit_is_nowhere_steep():
    random = np.random.default_rng(4)
    z = random.normal(0, 0.05, ROWS)
    positive = random.random(ROWS) < expit(100 * z)
    points, heights = fit_isotonic(z, positive, np.ones(ROWS))
    assert 0 < (np.diff(heights) / np.diff(points)).max() <= STEEPEST
    assert np.all(np.diff(np.float32(points)) > 0) and np.all(np.diff(heights) >= 0)
    assert np.interp(z, points, heights).mean() == pytest.approx(positive.mean(), abs=0.02)


def test_bins_hold_all_rows_once_and_equal_ones_together(rows):
    z, positive, weights = np.round(rows[0]), rows[1], rows[2]
    places, shares, sizes = binned(z, positive, weights)
    assert sizes.sum() == pytest.approx(weights.sum())
    often = [value for value in np.unique(z) if (z == value).sum() > ROWS / 200]
    assert [place for place in places if abs(place) <= max(often)] == often, "rows of one value are not in two bins"
    mean = weights.mean()
    base = np.average(positive, weights=weights)
    for place in often[1:-1]:
        own, share = z == place, shares[places == place][0]
        expected = (weights[own & positive].sum() + mean * base) / (weights[own].sum() + mean)
        assert share == pytest.approx(expected)
    few = LEAST_ROWS * 3
    assert len(binned(rows[0][:few], positive[:few], weights[:few])[0]) == 3


@pytest.mark.parametrize("method", ["line", "isotonic"])
def test_other_rows_of_the_kind_are_predicted_as_often_as_they_happen(rows, method):
    z, positive, _ = rows
    ones = np.ones(ROWS)
    if method == "line":
        slope, intercept = fit_line(z, positive, ones)
        curve = lambda x: expit(slope * x + intercept)  # noqa: E731
    else:
        curve = lambda x: np.interp(x, *fit_isotonic(z, positive, ones))  # noqa: E731
    other = np.random.default_rng(2).normal(0, 3, ROWS)
    truth = expit(other / 2 - 1)
    assert np.abs(expit(other) - truth).mean() > 0.1
    assert np.abs(curve(other) - truth).mean() < 0.015
    assert curve(other).mean() / truth.mean() == pytest.approx(1, abs=0.02)
