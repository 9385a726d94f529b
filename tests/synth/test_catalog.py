import numpy as np
import pytest

from easymtl.synth.catalog import (
    NUM_AUTHORS,
    NUM_CATEGORIES,
    NUM_ITEMS,
    NUM_TAGS,
    NUM_TOPICS,
    Catalog,
    Tastes,
    draw_items,
)

ITEMS = np.arange(NUM_ITEMS)


@pytest.fixture(scope="module")
def catalog():
    return Catalog(seed=4)


def test_every_item_has_an_author_and_a_category_of_one_topic(catalog):
    author, category = catalog.author(ITEMS), catalog.category(ITEMS)
    assert set(author) == set(range(NUM_AUTHORS))
    assert set(category) == set(range(NUM_CATEGORIES))
    assert (author % NUM_TOPICS == category % NUM_TOPICS).all()
    pairs = np.unique(np.stack([author, category], axis=1), axis=0)
    assert set(np.bincount(pairs[:, 0])) == {3}, "categories of an author"


def test_items_have_one_to_three_tags_of_their_topic(catalog):
    tags, counts = catalog.tags(ITEMS)
    assert set(counts) == {1, 2, 3}
    assert tags.min() >= 0
    assert tags.max() < NUM_TAGS
    assert (tags % NUM_TOPICS == (catalog.author(ITEMS) % NUM_TOPICS)[:, None]).all()


def test_another_seed_is_another_catalog(catalog):
    other = Catalog(seed=5)
    assert (catalog.category(ITEMS) != other.category(ITEMS)).mean() > 0.5
    assert not np.allclose(catalog.alike(ITEMS[:-9], ITEMS[9:]), other.alike(ITEMS[:-9], ITEMS[9:]), atol=0.01)


def test_alike_is_a_weighted_cosine_of_categories_and_authors(catalog):
    items, others = np.random.default_rng(0).integers(0, NUM_ITEMS, [2, 200])
    categories, authors = catalog.categories, catalog.authors
    for found, item, other in zip(catalog.alike(items, others), items, others, strict=True):
        expected = 0.0
        for share, vectors, place in ((0.75, categories, catalog.category), (0.25, authors, catalog.author)):
            left, right = (vectors[place(np.array([one]))[0]].astype(np.float64) for one in (item, other))
            expected += share * left @ right / np.sqrt((left @ left) * (right @ right))
        assert found == pytest.approx(expected, abs=1e-5)
    np.testing.assert_allclose(catalog.alike(ITEMS, ITEMS), 1, rtol=1e-5)


def test_topics_tell_most_of_how_alike_items_are(catalog):
    items, others = np.random.default_rng(0).integers(0, NUM_ITEMS, [2, 50_000])
    alike, same = (
        catalog.alike(items, others),
        catalog.author(items) % NUM_TOPICS == catalog.author(others) % NUM_TOPICS,
    )
    assert alike[same].min() > alike[~same].mean() + 0.3
    assert alike[same].mean() > 0.8
    assert abs(alike[~same].mean()) < 0.15


def test_a_taste_is_the_users_and_what_is_drawn_follows_it():
    users = np.arange(5_000)
    tastes = Tastes.of(users, salt=3)
    again = Tastes.of(users[::-1], salt=3)
    np.testing.assert_array_equal(tastes.topics, again.topics[::-1])
    np.testing.assert_array_equal(tastes.authors, again.authors[::-1])
    np.testing.assert_array_equal(tastes.authors % NUM_TOPICS, tastes.topics)
    catalog, random = Catalog(seed=0), np.random.default_rng(0)
    for share, bounds in ((0.0, (0.1, 0.35)), (1.0, (1.0, 1.0))):
        topic = catalog.author(draw_items(tastes, users, share, random)) % NUM_TOPICS
        inside = (tastes.topics == topic[:, None]).any(axis=1).mean()
        assert bounds[0] <= inside <= bounds[1]


def test_a_taste_holds_an_author_that_is_come_back_to():
    users = np.arange(20_000)
    tastes = Tastes.of(users, salt=3)
    author = Catalog(seed=0).author(draw_items(tastes, users, 1.0, np.random.default_rng(0)))
    assert 0.3 < (tastes.authors == author[:, None]).any(axis=1).mean() < 0.45


def test_categories_of_a_topic_are_near_each_other_and_not_the_same(catalog):
    same = np.arange(NUM_CATEGORIES)[:, None] % NUM_TOPICS == np.arange(NUM_CATEGORIES) % NUM_TOPICS
    alike = (catalog.categories @ catalog.categories.T)[same & ~np.eye(NUM_CATEGORIES, dtype=bool)]
    assert 0.7 < alike.min() < alike.max() < 0.99
