"""`posts`: titles are of their topic, maps of interests are whole, and what is clicked follows from them."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from easymtl.synth import read_batches
from easymtl.synth.posts import COVER_NUMBERS, TOPICS, WORDS, Posts


@pytest.fixture(scope="module")
def rows():
    return pa.Table.from_batches(read_batches("posts", 20_000, seed=3)).to_pylist()


def interests(row) -> dict[str, float]:
    return {
        topic: float(weight) for topic, _, weight in (part.partition(":") for part in row["user_interests"].split("|"))
    }


def test_a_user_cares_for_three_topics(rows):
    for row in rows[:2_000]:
        found = interests(row)
        assert set(found) <= set(TOPICS)
        assert sorted(found.values()) == [0.1, 0.3, 0.6]


def test_a_title_has_four_to_nine_words_and_about_half_are_of_the_topic(rows):
    own = []
    for row in rows:
        words = [WORDS.index(word) for word in row["title"].split(" ")]
        assert 4 <= len(words) <= 9
        of_topic = [(word - 50) % len(TOPICS) == TOPICS.index(row["topic"]) for word in words if word >= 50]
        assert all(of_topic)
        own.append(len(of_topic) / len(words))
    assert np.mean(own) == pytest.approx(0.5, abs=0.02)


def test_a_cover_is_a_text_of_numbers_near_those_of_its_topic(rows):
    covers = np.array([[float(number) for number in row["cover"].split("|")] for row in rows])
    assert covers.shape[1] == COVER_NUMBERS
    topics = np.array([TOPICS.index(row["topic"]) for row in rows])
    means = np.stack([covers[topics == topic].mean(axis=0) for topic in range(len(TOPICS))])
    assert (covers - means[topics]).var() < 0.7 * covers.var()


def test_the_rows_of_a_request_stand_together_and_are_of_one_user(rows):
    starts = [
        place for place, row in enumerate(rows) if not place or row["request_id"] != rows[place - 1]["request_id"]
    ]
    names = [rows[start]["request_id"] for start in starts]
    assert len(set(names)) == len(names)
    assert len(rows) / len(starts) == pytest.approx(4, rel=0.1)
    for start, end in pairwise(starts):
        assert len({row["user_id"] for row in rows[start:end]}) == 1
        assert [row["position"] for row in rows[start:end]] == [min(place, 19) for place in range(end - start)]


def test_posts_of_topics_that_a_user_cares_for_are_clicked_more(rows):
    weights = np.array([interests(row).get(row["topic"], 0.0) for row in rows])
    truth = np.array([row["true_click"] for row in rows])
    means = [truth[weights == weight].mean() for weight in (0.0, 0.1, 0.3, 0.6)]
    assert means == sorted(means)
    assert means[-1] > 1.5 * means[0]


def test_posts_are_chosen_for_what_the_user_likes_best(rows):
    """Two of five rows are, and others by chance."""
    best = [max((found := interests(row)), key=found.get) == row["topic"] for row in rows]
    assert 0.4 < np.mean(best) < 0.55


def test_what_a_click_follows_from_is_centred_and_scaled():
    drawn = Posts().features(3, np.random.default_rng(3), 20_000).inputs
    for name, number in {"fit": drawn["fit"], "user_age": drawn["user_age"], "post_hours": drawn["post_hours"]}.items():
        assert np.mean(number) == pytest.approx(0, abs=0.15), name
        assert np.std(number) == pytest.approx(1, abs=0.15), name


def test_what_needs_a_click_is_nothing_without_one_and_stars_are_up_to_five(rows):
    clicked, others = ([row for row in rows if row["click"] == click] for click in (1, 0))
    assert {row["stars"] for row in clicked} == set(range(1, 6))
    assert {row["like"] for row in clicked} == {0, 1}
    assert min(row["read_seconds"] for row in clicked) > 0
    assert {(row["like"], row["stars"], row["read_seconds"]) for row in others} == {(0, 0, 0)}
