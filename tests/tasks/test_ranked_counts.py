"""Areas under curves, against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from easymtl.tasks.ranked_counts import ranked_counts


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("num_rows, num_scores", [(2, 1), (50, 3), (2000, 60), (2000, 10**9)])
def test_as_scikit_learn_has_them(num_rows, num_scores, is_weighted, dtype):
    random = np.random.default_rng(num_rows + num_scores)
    scores = (random.integers(-num_scores, num_scores, num_rows) / num_scores).astype(dtype)
    positive = random.random(num_rows) < 0.3
    positive[:2] = True, False
    weights = random.uniform(0.1, 5, num_rows).astype(np.float32) if is_weighted else None
    found = ranked_counts(positive, scores, weights)
    args = {"y_true": positive, "y_score": scores, "sample_weight": weights}
    assert found.roc_area() == pytest.approx(metrics.roc_auc_score(**args), rel=1e-12)
    assert found.average_precision() == pytest.approx(metrics.average_precision_score(**args), rel=1e-12)
    f1 = max(
        metrics.f1_score(positive, scores >= threshold, sample_weight=weights) for threshold in np.unique(scores)[-200:]
    )
    assert found.best_f1() >= f1 - 1e-12
    precisions, recalls, _ = metrics.precision_recall_curve(positive, scores, sample_weight=weights)
    with np.errstate(invalid="ignore"):
        assert found.best_f1() == pytest.approx(np.nanmax(2 * precisions * recalls / (precisions + recalls)), rel=1e-12)


def test_by_hand():
    counts = ranked_counts(np.array([True, False, True, False]), np.array([0.9, 0.5, 0.5, 0.1]))
    assert counts.true.tolist() == [1, 2, 2] and counts.false.tolist() == [0, 1, 2]
    # Of four pairs three are in order and one is tied.
    assert counts.roc_area() == 3.5 / 4
    assert counts.average_precision() == pytest.approx(1 / 2 + 1 / 2 * 2 / 3)
    assert counts.best_f1() == pytest.approx(2 * 2 / (3 + 2))
