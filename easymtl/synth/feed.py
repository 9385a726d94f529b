"""`feed`: what a user does with a video depends on how well it fits what the user watched and liked before."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from easymtl.synth.catalog import NUM_AUTHORS, NUM_CATEGORIES, NUM_ITEMS, Catalog, Tastes, draw_items
from easymtl.synth.data_set import Features
from easymtl.synth.hidden import Effect, Ids, Numbers, Pull
from easymtl.synth.histories import Histories, draw_liked, draw_watched, num_steps
from easymtl.synth.outcomes import Event, Outcome, Seconds
from easymtl.synth.requests import HOURS, ages_of, draw_requests, standard_age
from easymtl.synth.sampling import Shares, Zipf, joined, mix, named, normal_of, scatter, standard_log, text

_USERS = Zipf(4_000_000, shift=400_000)
_CITIES = Zipf(300, shift=10)
_GENDERS = ["female", "male", "unknown"]
_NETWORKS = ["wifi", "5g", "4g", "other"]
_USER_GENDER = Shares([45, 48, 7])
_NETWORK = Shares([60, 18, 18, 4])
_POSITION = Shares([1 / (place + 4) for place in range(20)])
_TASTE_SHARE = 0.5
# Mean and standard deviation of the interests over rows whose user has a history.
_WATCHED = (0.54, 0.56)
_LIKED = (0.68, 0.73)


class Feed:
    """4,000,000 users with histories, 240,000 items; a click, and what needs one: like, follow and watching time.

    A request shows about four items to a user. Few users of the evaluation rows occur in a million training rows, so
    nothing is learnt about a user but from what the row says: the items watched, up to 100, and those of them that
    were liked, newest first. About half of the spread of each label's score comes from two numbers that are functions
    of candidate and history, `Histories.interest`.
    """

    name = "feed"
    format = "parquet"
    block_rows = 16_384
    outcomes: Mapping[str, Outcome] = {
        "click": Event(rate=0.4, spread=1.25),
        "like": Event(rate=0.4, spread=1.25, parent="click"),
        "follow": Event(rate=0.3, spread=1.25, parent="click"),
        "watch_seconds": Seconds(parent="click", spread=1.25),
    }
    effects: Mapping[str, Effect] = {
        "watched": Pull((1.5, 0.9, 0.6, 1.2)),
        "liked": Pull((0.4, 1.0, 1.2, 0.4)),
        "user_age": Numbers(0.6),
        "user_gender": Ids(3, 0.6),
        "item_category": Ids(NUM_CATEGORIES, 0.6),
        "item_author": Ids(300, 0.4, head=60),
        "item_length": Numbers(0.6),
        "item_likes": Numbers(0.5),
        "hour": Ids(24, 0.3),
        "network": Ids(4, 0.4),
        "position": Ids(20, 0.7),
    }

    def features(self, seed: int, random: np.random.Generator, num_rows: int) -> Features:
        """Draws requests of about four rows, the user of each request, and an item for each row."""
        request = draw_requests(random, num_rows)
        user = _USERS.ranks(random.random(request[-1] + 1))
        keys = [mix(user, seed * 64 + salt) for salt in range(3)]
        tastes, pace = Tastes.of(user, seed * 64 + 3), np.exp(1.5 + normal_of(keys[2]))
        watched = draw_watched(tastes, num_steps(keys[0], keys[1]), pace, random)
        liked = draw_liked(watched, random)
        catalog = Catalog(seed)
        item = draw_items(tastes, request, _TASTE_SHARE, random)
        inputs = {
            "watched": _standard(watched.interest(catalog, request, item, memory=48), *_WATCHED),
            "liked": _standard(liked.interest(catalog, request, item, memory=240), *_LIKED),
        }
        columns: dict[str, pa.Array] = {}
        for part in (_user(seed, user[request]), _item(seed, catalog, item), _context(random, request)):
            columns |= part.columns
            inputs |= part.inputs
        return Features(columns | _history(catalog, watched, liked, request), inputs)


def _standard(interest: np.ndarray, mean: float, deviation: float) -> np.ndarray:
    """Centres and scales; a user without history is as one of middling interest."""
    return np.nan_to_num((interest - mean) / deviation, nan=0.0)


def _user(seed: int, user: np.ndarray) -> Features:
    keys = [mix(user, seed * 64 + salt) for salt in range(8, 11)]
    gender = _USER_GENDER.of(keys[0])
    age = ages_of(keys[1])
    columns = {
        "user_id": text(scatter(user, _USERS.size)),
        "user_age": pa.array(age),
        "user_gender": named(gender, _GENDERS),
        "user_city": named(_CITIES.ranks_of(keys[2]), [f"city_{number}" for number in range(_CITIES.size)]),
    }
    return Features(columns, {"user_age": standard_age(age), "user_gender": gender})


def _history(catalog: Catalog, watched: Histories, liked: Histories, request: np.ndarray) -> dict[str, pa.Array]:
    """Returns the columns of the histories; those of a request are repeated for each of its rows."""
    columns = _steps("watched", catalog, watched)
    columns["watched_tags"] = watched.lists(joined(*catalog.tags(watched.item), ";"))
    columns |= _steps("liked", catalog, liked)
    rows = pa.array(request)
    return {name: lists.take(rows) for name, lists in columns.items()}


def _steps(name: str, catalog: Catalog, histories: Histories) -> dict[str, pa.Array]:
    steps = _ids(catalog, histories.item)
    steps |= {"seconds": pa.array(histories.seconds), "hours": pa.array(histories.hours)}
    return {f"{name}_{key}": histories.lists(values) for key, values in steps.items()}


def _ids(catalog: Catalog, item: np.ndarray) -> dict[str, pa.Array]:
    category, author = catalog.category(item), catalog.author(item)
    return {
        "items": text(scatter(item, NUM_ITEMS)),
        "categories": named(scatter(category, NUM_CATEGORIES), [str(number) for number in range(NUM_CATEGORIES)]),
        "authors": named(scatter(author, NUM_AUTHORS), [str(number) for number in range(NUM_AUTHORS)]),
    }


def _item(seed: int, catalog: Catalog, item: np.ndarray) -> Features:
    keys = [mix(item, seed * 64 + salt) for salt in range(16, 18)]
    ids = _ids(catalog, item)
    length = np.round(np.exp(3.4 + 0.8 * normal_of(keys[0])), 1)
    likes = np.exp(5 + 1.5 * normal_of(keys[1])).astype(np.int32)
    columns = {
        "item_id": ids["items"],
        "item_category": ids["categories"],
        "item_author": ids["authors"],
        "item_tags": joined(*catalog.tags(item)),
        "item_length": pa.array(length),
        "item_likes": pa.array(likes),
    }
    inputs = {
        "item_category": catalog.category(item),
        "item_author": catalog.author(item),
        "item_length": standard_log(length, 3.4, 0.8),
        "item_likes": standard_log(likes, 5, 1.5),
    }
    return Features(columns, inputs)


def _context(random: np.random.Generator, request: np.ndarray) -> Features:
    hour, network = (shares.draw(random, request[-1] + 1)[request] for shares in (HOURS, _NETWORK))
    position = _POSITION.draw(random, len(request))
    columns = {"hour": pa.array(hour), "network": named(network, _NETWORKS), "position": pa.array(position)}
    return Features(columns, {"hour": hour, "network": network, "position": position})
