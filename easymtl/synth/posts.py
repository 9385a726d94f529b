"""`posts`: posts with a title, a picture and an author, shown to users of known interests, a few in each request."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from easymtl.synth.data_set import Features
from easymtl.synth.hidden import Effect, Ids, Numbers, Pull
from easymtl.synth.outcomes import Event, Outcome, Seconds, Times
from easymtl.synth.requests import HOURS, ages_of, draw_requests, standard_age
from easymtl.synth.sampling import Zipf, joined, mix, named, normal_of, padded, scatter, standard_log, text

TOPICS = ["animals", "art", "books", "cars", "cooking", "crafts", "dance", "fashion", "film", "fitness", "football"]
TOPICS += ["gadgets", "games", "gardens", "health", "history", "humour", "music", "news", "running", "science", "space"]
TOPICS += ["travel", "weather"]
WORDS = [first + second + last for first in ("ba", "do", "ki", "lu", "ne") for second in "rtmvsz" for last in "aeiou"]
"""Words of titles: the first 50 belong to no topic, each of the rest to one."""
COVER_NUMBERS = 16

_USERS = Zipf(60_000, shift=2_000)
_POSTS = Zipf(20_000, shift=200)
_AUTHORS = Zipf(800, shift=20)
_TOPIC = Zipf(len(TOPICS), shift=8)
_COMMON_WORDS = 50
_WORDS_OF_TOPIC = (len(WORDS) - _COMMON_WORDS) // len(TOPICS)
_LONGEST_TITLE = 9
_INTERESTS = np.array([0.6, 0.3, 0.1])
_TASTE_SHARE = 0.4
_MOST_POSITION = 19
# Mean and standard deviation of a user's interest in the topic of a post.
_FIT = (0.26, 0.29)


class Posts:
    """60,000 users, 20,000 posts; a click, and what needs one: like, stars (1 to 5) and reading time.

    A request shows about four posts to a user. What is clicked follows from how much the user cares for the post's
    topic (`user_interests` has the weight of three), from the words of the title and the brightness of the cover.
    """

    name = "posts"
    format = "parquet"
    block_rows = 16_384
    outcomes: Mapping[str, Outcome] = {
        "click": Event(rate=0.35, spread=1.2),
        "like": Event(rate=0.3, spread=1.2, parent="click"),
        "stars": Times(parent="click", most=5, rate=0.5, spread=1.1),
        "read_seconds": Seconds(parent="click"),
    }
    effects: Mapping[str, Effect] = {
        "fit": Pull((1.2, 0.9, 0.6, 1.0)),
        "title": Ids(len(WORDS), 1.6),
        "brightness": Numbers(0.7),
        "topic": Ids(len(TOPICS), 0.6),
        "author": Ids(300, 0.4, head=60),
        "user_age": Numbers(0.5),
        "post_hours": Numbers(0.5),
        "hour": Ids(24, 0.3),
        "position": Ids(_MOST_POSITION + 1, 0.6),
    }

    def features(self, seed: int, random: np.random.Generator, num_rows: int) -> Features:
        """Draws requests of about four rows, the user of each request, and a post for each row."""
        request = draw_requests(random, num_rows)
        user = _USERS.ranks(random.random(request[-1] + 1))[request]
        interests = _interests(seed, user)
        post = _posts(random, interests[:, 0])
        topic = _topics(post)
        fit = (_INTERESTS * (interests == topic[:, None])).sum(axis=1)
        name = mix(request + random.integers(0, 2**40), seed * 64 + 48) >> np.uint64(16)
        columns = {"request_id": text(name.astype(np.int64))}
        inputs = {"fit": (fit - _FIT[0]) / _FIT[1]}
        for part in (_user(seed, user, interests), _post(seed, post), _context(random, request)):
            columns |= part.columns
            inputs |= part.inputs
        return Features(columns, inputs)


def _interests(seed: int, user: np.ndarray) -> np.ndarray:
    """Returns the three topics of each user, the strongest first, `[rows, 3]`; no two are one."""
    first = _TOPIC.ranks_of(mix(user, seed * 64))
    steps = 1 + (mix(user, seed * 64 + 1) >> np.uint64(40)) % np.uint64(len(TOPICS) // 2 - 1)
    return (first[:, None] + steps.astype(np.int64)[:, None] * np.arange(len(_INTERESTS))) % len(TOPICS)


def _posts(random: np.random.Generator, liked: np.ndarray) -> np.ndarray:
    """Draws posts; some of them are of the topic that the user likes best."""
    post = _POSTS.ranks(random.random(len(liked)))
    is_taste = random.random(len(liked), dtype=np.float32) < _TASTE_SHARE
    # Posts of all topics are neighbours: those of one are 24 apart.
    place = np.minimum(post // len(TOPICS), _POSTS.size // len(TOPICS) - 1)
    return np.where(is_taste, place * len(TOPICS) + liked, post)


def _topics(post: np.ndarray) -> np.ndarray:
    return post % len(TOPICS)


def _user(seed: int, user: np.ndarray, interests: np.ndarray) -> Features:
    key = mix(user, seed * 64 + 2)
    age = ages_of(key)
    entries = [
        pc.binary_join_element_wise(named(topics, TOPICS), str(weight), ":")
        for topics, weight in zip(interests.T, _INTERESTS)
    ]
    columns = {
        "user_id": text(scatter(user, _USERS.size)),
        "user_age": pa.array(age),
        "user_interests": pc.binary_join_element_wise(*entries, "|"),
    }
    return Features(columns, {"user_age": standard_age(age)})


def _post(seed: int, post: np.ndarray) -> Features:
    topic = _topics(post)
    author = _AUTHORS.ranks_of(mix(post, seed * 64 + 8))
    hours = np.round(np.exp(2.5 + normal_of(mix(post, seed * 64 + 9))), 1)
    words, counts = _title(seed, post)
    cover = _cover(seed, post)
    columns = {
        "post_id": text(scatter(post, _POSTS.size)),
        "topic": named(topic, TOPICS),
        "author": named(author, [f"author_{number}" for number in range(_AUTHORS.size)]),
        "title": joined(np.array(WORDS, object)[words], counts, " "),
        "cover": joined(np.char.mod("%.2f", cover).astype(object), np.full(len(post), COVER_NUMBERS), "|"),
        "post_hours": pa.array(hours),
    }
    inputs = {
        "title": padded(words, counts),
        "brightness": cover.mean(axis=1) * 4,
        "topic": topic,
        "author": author,
        "post_hours": standard_log(hours, 2.5, 1.0),
    }
    return Features(columns, inputs)


def _title(seed: int, post: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns words `[rows, 9]`, about half of them of the post's topic, and how many count `[rows]`, 4 to 9."""
    places = [mix(post, seed * 64 + 16 + place) for place in range(_LONGEST_TITLE)]
    words = np.stack([(key >> np.uint64(8)).astype(np.int64) for key in places], axis=1)
    is_common = np.stack([key & np.uint64(1) for key in places], axis=1) > 0
    of_topic = _COMMON_WORDS + _topics(post)[:, None] + len(TOPICS) * (words % _WORDS_OF_TOPIC)
    counts = 4 + (mix(post, seed * 64 + 32) >> np.uint64(40)).astype(np.int64) % (_LONGEST_TITLE - 3)
    return np.where(is_common, words % _COMMON_WORDS, of_topic), counts


def _cover(seed: int, post: np.ndarray) -> np.ndarray:
    """Returns what a network for pictures might make of the covers: near that of the topic, `[rows, 16]`, rounded."""
    places = np.arange(COVER_NUMBERS)
    own = normal_of(mix(post[:, None] * COVER_NUMBERS + places, seed * 64 + 40))
    common = normal_of(mix(_topics(post)[:, None] * COVER_NUMBERS + places, seed * 64 + 41))
    return np.round(0.7 * common + 0.7 * own, 2)


def _context(random: np.random.Generator, request: np.ndarray) -> Features:
    hour = HOURS.draw(random, request[-1] + 1)[request]
    starts = np.flatnonzero(np.diff(request, prepend=-1))
    position = np.minimum(np.arange(len(request)) - starts[request], _MOST_POSITION).astype(np.int32)
    return Features({"hour": pa.array(hour), "position": pa.array(position)}, {"hour": hour, "position": position})
