"""`livestream`: who enters a live room, stays, and takes the microphone."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from easymtl.synth.data_set import BLOCK_ROWS, Features
from easymtl.synth.hidden import Effect, Ids, Numbers
from easymtl.synth.outcomes import Duration, Event, Outcome
from easymtl.synth.requests import HOURS, ages_of, standard_age
from easymtl.synth.sampling import (
    Shares,
    TagLists,
    Zipf,
    joined,
    mix,
    named,
    normal_of,
    padded,
    scatter,
    standard_log,
    text,
)

_USERS = Zipf(50_000, shift=20)
_ANCHORS = Zipf(1_000, shift=5)
_TAGS_OF_ID = TagLists(Zipf(40, shift=4), most=4)
_CITIES = Zipf(300, shift=3)
_USER_LEVELS = Zipf(50, shift=6)
_ANCHOR_LEVELS = Zipf(60, shift=10)

_GENDERS = ["female", "male", "unknown"]
_CATEGORIES = ["music", "dance", "chat", "game", "food", "travel"]
_CATEGORIES += ["sport", "beauty", "outdoor", "fashion", "talent", "study"]
_ROOM_TYPES = ["solo", "pk", "party", "voice", "show"]
_NETWORKS = ["wifi", "5g", "4g", "other"]
_DEVICES = ["apple", "huawei", "xiaomi", "oppo", "vivo", "samsung", "honor", "other"]

_USER_GENDER = Shares([45, 48, 7])
_ANCHOR_GENDER = Shares([60, 38, 2])
_CATEGORY = Shares([20, 15, 14, 12, 8, 7, 6, 6, 4, 3, 3, 2])
_ROOM_TYPE = Shares([45, 20, 15, 12, 8])
_NETWORK = Shares([60, 18, 18, 4])
_DEVICE = Shares([22, 18, 16, 14, 14, 4, 8, 4])
_POSITION = Shares([1 / (place + 3) for place in range(20)])


class Livestream:
    """50,000 users, 1,000 anchors, 18 features; click, then view and its time, and on-mic and its time."""

    name = "livestream"
    format = "parquet"
    block_rows = BLOCK_ROWS
    outcomes: Mapping[str, Outcome] = {
        "is_click": Event(rate=0.3, spread=1.1),
        "is_view": Event(rate=0.5, spread=1.1, parent="is_click"),
        "view_costtime": Duration(parent="is_view"),
        "is_on_mic": Event(rate=0.5, spread=1.1, parent="is_click"),
        "on_mic_duration": Duration(parent="is_on_mic"),
    }
    effects: Mapping[str, Effect] = {
        "user_id": Ids(300, 0.3, head=60),
        "user_age": Numbers(0.8),
        "user_gender": Ids(3, 1.0),
        "user_level": Numbers(0.5),
        "user_city": Ids(30, 0.2),
        "anchor_id": Ids(300, 0.5, head=60),
        "anchor_gender": Ids(3, 0.8),
        "anchor_level": Numbers(0.5),
        "anchor_category": Ids(12, 1.2),
        "room_type": Ids(5, 0.9),
        "hour": Ids(24, 0.4),
        "network": Ids(4, 0.3),
        "device": Ids(8, 0.2),
        "position": Ids(20, 0.7),
        "user_tags": Ids(40, 0.6),
        "anchor_tags": Ids(40, 0.6),
        "user_watch_minutes": Numbers(0.6),
        "room_online": Numbers(0.4),
    }

    def features(self, seed: int, random: np.random.Generator, num_rows: int) -> Features:
        """Draws a user, an anchor and the context of each row."""
        columns: dict[str, pa.Array] = {}
        inputs: dict[str, np.ndarray] = {}
        for part in (_user(seed, random, num_rows), _anchor(seed, random, num_rows), _context(random, num_rows)):
            columns |= part.columns
            inputs |= part.inputs
        return Features(columns, inputs)


def _user(seed: int, random: np.random.Generator, num_rows: int) -> Features:
    user = _USERS.ranks(random.random(num_rows))
    keys = [mix(user, seed * 64 + salt) for salt in range(7)]
    gender = _USER_GENDER.of(keys[0])
    age = ages_of(keys[1])
    level = _USER_LEVELS.ranks_of(keys[2]).astype(np.int32)
    city = _CITIES.ranks_of(keys[3])
    activity = normal_of(keys[4]) + 0.4 * random.standard_normal(num_rows, dtype=np.float32)
    minutes = np.round(np.exp(3.2 + activity), 1)
    tags, counts = _TAGS_OF_ID.of(keys[5], keys[6])
    columns = {
        "user_id": text(scatter(user, _USERS.size)),
        "user_age": pa.array(age),
        "user_gender": named(gender, _GENDERS),
        "user_level": pa.array(level),
        "user_city": named(city, [f"city_{number}" for number in range(_CITIES.size)]),
        "user_tags": joined(tags, counts),
        "user_watch_minutes": pa.array(minutes),
    }
    inputs = {
        "user_id": user,
        "user_age": standard_age(age),
        "user_gender": gender,
        "user_level": (level - 14) / 13,
        "user_city": city,
        "user_tags": padded(tags, counts),
        "user_watch_minutes": standard_log(minutes, 3.2, 1.1),
    }
    return Features(columns, inputs)


def _anchor(seed: int, random: np.random.Generator, num_rows: int) -> Features:
    anchor = _ANCHORS.ranks(random.random(num_rows))
    keys = [mix(anchor, seed * 64 + salt) for salt in range(32, 38)]
    gender = _ANCHOR_GENDER.of(keys[0])
    level = _ANCHOR_LEVELS.ranks_of(keys[1]).astype(np.int32)
    category = _CATEGORY.of(keys[2])
    room_type = _ROOM_TYPE.of(keys[3])
    tags, counts = _TAGS_OF_ID.of(keys[4], keys[5])
    columns = {
        "anchor_id": text(scatter(anchor, _ANCHORS.size)),
        "anchor_gender": named(gender, _GENDERS),
        "anchor_level": pa.array(level),
        "anchor_category": named(category, _CATEGORIES),
        "room_type": named(room_type, _ROOM_TYPES),
        "anchor_tags": joined(tags, counts),
    }
    inputs = {
        "anchor_id": anchor,
        "anchor_gender": gender,
        "anchor_level": (level - 20) / 16,
        "anchor_category": category,
        "room_type": room_type,
        "anchor_tags": padded(tags, counts),
    }
    return Features(columns, inputs)


def _context(random: np.random.Generator, num_rows: int) -> Features:
    hour, network, device, position = (
        shares.draw(random, num_rows) for shares in (HOURS, _NETWORK, _DEVICE, _POSITION)
    )
    online = np.exp(5 + 1.2 * random.standard_normal(num_rows, dtype=np.float32)).astype(np.int32)
    columns = {
        "hour": pa.array(hour),
        "network": named(network, _NETWORKS),
        "device": named(device, _DEVICES),
        "position": pa.array(position),
        "room_online": pa.array(online),
    }
    inputs = {"hour": hour, "network": network, "device": device, "position": position}
    return Features(columns, inputs | {"room_online": standard_log(online, 5, 1.2)})
