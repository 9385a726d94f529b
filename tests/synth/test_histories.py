import numpy as np
import pyarrow as pa
import pytest

from easymtl.synth.catalog import Catalog, Tastes
from easymtl.synth.histories import Histories, draw_liked, draw_watched, num_steps
from easymtl.synth.sampling import mix


@pytest.fixture(scope="module")
def watched():
    users = np.arange(3_000)
    counts = num_steps(mix(users, 1), mix(users, 2))
    pace = np.exp(np.random.default_rng(1).normal(size=len(users)))
    return draw_watched(Tastes.of(users, 3), counts, pace, np.random.default_rng(0))


def small():
    return Histories(
        user=np.array([0, 0, 2, 2, 2]),
        num_users=4,
        item=np.array([5, 90_000, 7, 120_034, 3]),
        seconds=np.array([3, 40, 600, 0.5, 12], np.float32),
        hours=np.array([0, 100, 0.5, 2, 3], np.float32),
    )


def test_lists_are_of_each_user_and_null_without_a_step():
    assert small().lists(pa.array(list("abcde"))).to_pylist() == [["a", "b"], None, ["c", "d", "e"], None]
    kept = small().where(np.array([False, False, True, False, True]))
    assert kept.lists(pa.array(list("ce"))).to_pylist() == [None, None, ["c", "e"], None]


def test_interest_is_the_formula():
    histories, catalog = small(), Catalog(seed=2)
    user, item = np.array([2, 0, 1, 2, 3, 0]), np.array([7, 8, 9, 200_000, 11, 90_001])
    found = histories.interest(catalog, user, item, memory=24)
    assert np.isnan(found[[2, 4]]).all()
    for row in (0, 1, 3, 5):
        steps = np.flatnonzero(histories.user == user[row])
        alike = [float(catalog.alike(item[row : row + 1], histories.item[step : step + 1])[0]) for step in steps]
        weights = [np.exp(4 * s) / (1 + float(histories.hours[t]) / 24) for s, t in zip(alike, steps, strict=True)]
        values = [s + 0.7 * (np.log(float(histories.seconds[t])) - 2.6) for s, t in zip(alike, steps, strict=True)]
        assert found[row] == pytest.approx(np.dot(weights, values) / np.sum(weights), rel=1e-5)


def test_interest_of_a_row_does_not_depend_on_the_others():
    histories, catalog = small(), Catalog(seed=2)
    user, item = np.array([0, 1, 2, 2]), np.array([1, 2, 3, 4])
    together = histories.interest(catalog, user, item, memory=24)
    for row in range(4):
        np.testing.assert_array_equal(histories.interest(catalog, user[[row]], item[[row]], memory=24), together[[row]])


def test_without_any_history_interest_is_unknown():
    empty = small().where(np.zeros(5, bool))
    assert np.isnan(empty.interest(Catalog(seed=0), np.array([0, 3]), np.array([1, 2]), memory=24)).all()


def test_lengths_are_skewed_with_a_mean_near_twenty():
    users = np.arange(200_000)
    counts = num_steps(mix(users, 1), mix(users, 2))
    assert 17 < counts.mean() < 22
    assert np.median(counts) < 0.7 * counts.mean()
    assert counts.max() == 100
    assert 0.04 < (counts == 0).mean() < 0.09


def test_events_come_newest_first_and_ages_rise_from_the_present_of_each_user(watched):
    same_user = np.diff(watched.user) == 0
    assert (np.diff(watched.user) >= 0).all()
    assert (np.diff(watched.hours)[same_user] >= 0).all()
    first = np.concatenate([[True], ~same_user])
    assert watched.hours.min() >= 0
    assert np.median(watched.hours[first]) < 3
    assert set(np.round(watched.seconds * 10 % 1, 3)) <= {0, 1}
    assert watched.seconds.min() >= 0.5
    assert watched.seconds.max() <= 600


def test_events_go_at_the_pace_of_the_user():
    counts = np.full(2, 100)
    histories = draw_watched(Tastes.of(np.arange(2), 3), counts, np.array([1.0, 50.0]), np.random.default_rng(0))
    last = histories.hours[[99, 199]]
    assert 60 < last[0] < 150
    assert 3_000 < last[1] < 7_500


def test_the_last_users_may_have_no_events():
    counts = np.array([2, 0, 0])
    histories = draw_watched(Tastes.of(np.arange(3), 3), counts, np.ones(3), np.random.default_rng(0))
    assert histories.user.tolist() == [0, 0]
    assert histories.num_users == 3
    nobody = draw_watched(Tastes.of(np.arange(3), 3), np.zeros(3, int), np.ones(3), np.random.default_rng(0))
    assert nobody.lists(pa.array([], pa.string())).null_count == 3


def test_what_was_watched_for_long_was_liked_more_often(watched):
    liked = draw_liked(watched, np.random.default_rng(0))
    assert 0.15 < len(liked.item) / len(watched.item) < 0.3
    assert (liked.seconds > 30).mean() > 1.5 * (watched.seconds > 30).mean()
    steps = set(zip(watched.user, watched.item, watched.hours, strict=True))
    assert set(zip(liked.user, liked.item, liked.hours, strict=True)) <= steps
