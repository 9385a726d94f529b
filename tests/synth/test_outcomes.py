import numpy as np
import pytest

from easymtl.synth.outcomes import Seconds

ROWS = 200_000


@pytest.mark.parametrize("score", [-30.0, -1.0, 0.0, 2.0, 30.0])
def test_seconds_have_the_mean_they_declare_and_stay_positive(score):
    outcome = Seconds(parent="click", least=2, most=120, noise=0.9)
    scores = np.full(ROWS, score, np.float32)
    values = outcome.draw(scores, np.random.default_rng(0))
    mean = outcome.mean(scores[:1])[0]
    assert mean == pytest.approx(2 * 60 ** (1 / (1 + np.exp(-score))), rel=1e-5)
    assert values.mean() == pytest.approx(mean, rel=0.005)
    assert values.std() == pytest.approx(0.9 / np.sqrt(6) * mean, rel=0.02)
    assert values.min() > 0.09 * mean
