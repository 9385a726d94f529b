"""The items of `feed`: who made them, what they are about, and how alike two of them are."""

from dataclasses import dataclass

import numpy as np

from easymtl.synth.sampling import Shares, TagLists, Zipf, mix, normal_of

NUM_TOPICS = 12
NUM_CATEGORIES = 60
NUM_AUTHORS = 600
NUM_ITEMS = 240_000
NUM_TAGS = 300

_WIDTH = 32
_SPREAD = 0.3
_CATEGORY_SHARE = 0.75
_LOYALTY = 0.3
_TOPICS = Zipf(NUM_TOPICS, shift=8)
_AUTHORS_OF_TOPIC = Zipf(NUM_AUTHORS // NUM_TOPICS, shift=8)
_ITEMS_OF_AUTHOR = Zipf(NUM_ITEMS // NUM_AUTHORS, shift=10)
_CATEGORIES_OF_TOPIC = NUM_CATEGORIES // NUM_TOPICS
_CATEGORY_OF_AUTHOR = Shares([6, 3, 1])
_TAGS_OF_ITEM = TagLists(Zipf(NUM_TAGS // NUM_TOPICS, shift=3), most=3)
_TASTE = Shares([55, 30, 15])
# What is hashed with an item, author or place of a vector, so that each property of it is a draw of its own.
_HOME, _PLACE, _TAG, _TAG_COUNT, _TOPIC_VECTOR, _CATEGORY_VECTOR, _AUTHOR_VECTOR = range(32, 39)


@dataclass(frozen=True)
class Tastes:
    """A user's leaning: three topics, and in each topic the author that they come back to.

    Attributes:
        topics: the first one is the strongest, `[users, 3]`.
        authors: of each of the topics, `[users, 3]`.
    """

    topics: np.ndarray
    authors: np.ndarray

    @classmethod
    def of(cls, user: np.ndarray, salt: int) -> "Tastes":
        """Returns the tastes of users, a pure function of (user, salt)."""
        hashes = [mix(user, salt + place) for place in range(3)]
        topics = np.stack([_TOPICS.ranks_of(words) for words in hashes], axis=1)
        ranks = np.stack([_AUTHORS_OF_TOPIC.ranks_of(mix(words, salt)) for words in hashes], axis=1)
        return cls(topics, _author(topics, ranks))


def draw_items(tastes: Tastes, user: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """Draws an item for each of `user`, rows of `tastes`.

    `share` of them are after the user's taste, the rest what is popular. An item belongs to an author, an author to a
    topic: items of an author, and authors of a topic, are neighbours.
    """
    place = _TASTE.draw(random, len(user))
    is_taste = random.random(len(user), dtype=np.float32) < share
    topic = np.where(is_taste, tastes.topics[user, place], _TOPICS.ranks(random.random(len(user))))
    author = _author(topic, _AUTHORS_OF_TOPIC.ranks(random.random(len(user))))
    is_loyal = is_taste & (random.random(len(user), dtype=np.float32) < _LOYALTY)
    author = np.where(is_loyal, tastes.authors[user, place], author)
    return author * _ITEMS_OF_AUTHOR.size + _ITEMS_OF_AUTHOR.ranks(random.random(len(user)))


def _author(topic: np.ndarray, rank: np.ndarray) -> np.ndarray:
    return topic + NUM_TOPICS * rank


class Catalog:
    """What belongs to an item, a pure function of (seed, item).

    Attributes:
        categories: the hidden vectors of categories, `[categories, 32]`. Each has length 1 and is near that of its
            topic; vectors of different topics are about orthogonal.
        authors: those of authors, `[authors, 32]`.
    """

    def __init__(self, seed: int):
        self._seed = seed
        topics = self._normals(NUM_TOPICS, _TOPIC_VECTOR)
        self.categories = self._vectors(topics, NUM_CATEGORIES, _CATEGORY_VECTOR)
        self.authors = self._vectors(topics, NUM_AUTHORS, _AUTHOR_VECTOR)
        self._alike_categories = self.categories @ self.categories.T
        self._alike_authors = self.authors @ self.authors.T

    def author(self, item: np.ndarray) -> np.ndarray:
        """Returns authors 0 to 599, of the shape of `item`."""
        return item // _ITEMS_OF_AUTHOR.size

    def category(self, item: np.ndarray) -> np.ndarray:
        """Returns categories 0 to 59: an author has three of a topic's five."""
        author = self.author(item)
        home = (mix(author, self._seed * 64 + _HOME) >> np.uint64(32)).astype(np.int64)
        place = home + _CATEGORY_OF_AUTHOR.of(mix(item, self._seed * 64 + _PLACE))
        return author % NUM_TOPICS + NUM_TOPICS * (place % _CATEGORIES_OF_TOPIC)

    def tags(self, item: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns tags 0 to 299 `[items, 3]`, and how many of them count `[items]`, 1 to 3."""
        ranks, counts = _TAGS_OF_ITEM.of(mix(item, self._seed * 64 + _TAG), mix(item, self._seed * 64 + _TAG_COUNT))
        return (self.author(item) % NUM_TOPICS)[:, None] + NUM_TOPICS * ranks, counts

    def alike(self, items: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Returns how alike items are, in [-1, 1]: .75 cos of their categories + .25 cos of their authors."""
        category = self._alike_categories[self.category(items), self.category(others)]
        author = self._alike_authors[self.author(items), self.author(others)]
        return _CATEGORY_SHARE * category + (1 - _CATEGORY_SHARE) * author

    def _normals(self, number: int, salt: int) -> np.ndarray:
        return normal_of(mix(np.arange(number * _WIDTH), self._seed * 64 + salt)).reshape(number, _WIDTH)

    def _vectors(self, topics: np.ndarray, number: int, salt: int) -> np.ndarray:
        vectors = topics[np.arange(number) % NUM_TOPICS] + _SPREAD * self._normals(number, salt)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
