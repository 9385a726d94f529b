import numpy as np
import pytest

from easymtl.synth.hidden import HiddenModel, Ids, Numbers, Pull

EFFECTS = {"user": Ids(5, 1.0, head=2), "tags": Ids(7, 1.0), "price": Numbers(0.5)}


def inputs(users, tags, prices):
    return {"user": np.array(users), "tags": np.array(tags), "price": np.array(prices, np.float32)}


def model():
    return HiddenModel(EFFECTS, 2, np.random.default_rng(0))


def test_scores_do_not_depend_on_the_other_rows():
    rows = 20_000
    random = np.random.default_rng(1)
    batch = inputs(random.integers(0, 9, rows), random.integers(-1, 7, [rows, 3]), random.normal(size=rows))
    together = model().scores(batch)
    alone = model().scores({name: column[-3:] for name, column in batch.items()})
    np.testing.assert_allclose(together[-3:], alone, rtol=1e-5, atol=1e-6)


def test_ids_beyond_the_table_are_alike():
    scores = model().scores(inputs([5, 1_000_000, 0], [[1, -1]] * 3, [0.3] * 3))
    np.testing.assert_array_equal(scores[0], scores[1])
    assert (scores[0] != scores[2]).all()


def test_tags_count_by_their_mean_in_any_order():
    scores = model().scores(inputs([1] * 3, [[2, 4, -1], [4, 2, -1], [2, 2, 2]], [0] * 3))
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5)
    single = model().scores(inputs([1], [[2, -1, -1]], [0]))
    np.testing.assert_allclose(scores[2], single[0], rtol=1e-5)


def test_columns_interact():
    def effect_of_user(price):
        scores = model().scores(inputs([0, 1], [[1], [1]], [price, price]))
        return scores[1] - scores[0]

    assert np.abs(effect_of_user(2.0) - effect_of_user(-2.0)).max() > 0.05


def test_a_pull_moves_each_score_by_its_weight_and_nothing_else():
    effects = {"fit": Pull((2.0, 0.5)), "price": Numbers(0.5)}
    model = HiddenModel(effects, 2, np.random.default_rng(0))

    def scores(fit, price):
        return model.scores({"fit": np.array([fit]), "price": np.array([price])})[0]

    moved = scores(1.5, 0.3) - scores(0.0, 0.3)
    assert moved[0] / moved[1] == pytest.approx(4, rel=1e-4)
    np.testing.assert_allclose(moved, scores(0.0, -1.0) - scores(-1.5, -1.0), rtol=1e-4)
    np.testing.assert_allclose(scores(-1.5, 0.3) - scores(0.0, 0.3), -moved, rtol=1e-4)
    # Relative to the root of the sum of squared weights, of which a pull has the mean square.
    assert moved[0] == pytest.approx(1.5 * 2.0 / np.sqrt((2.0**2 + 0.5**2) / 2 + 0.5**2), rel=1e-4)
