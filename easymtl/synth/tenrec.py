"""`tenrec`: a video feed with the columns and cardinalities of the public Tenrec QB-video log."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from easymtl.synth.data_set import BLOCK_ROWS, Features
from easymtl.synth.hidden import Effect, Ids
from easymtl.synth.outcomes import Event, Outcome, Times
from easymtl.synth.sampling import Shares, Zipf, mix, scatter

_USERS = Zipf(2_633_851, shift=100)
_ITEMS = Zipf(179_280, shift=20)
_CATEGORY = Shares([40, 25, 18, 11, 6])
_GENDER = Shares([40, 42, 10, 5, 3])
_AGE = Shares([4, 10, 18, 20, 16, 12, 8, 6, 4, 2])


class Tenrec:
    """2,633,851 users, 179,280 items; click, and what needs one: follow, like, share and watching times."""

    name = "tenrec"
    format = "parquet"
    block_rows = BLOCK_ROWS
    outcomes: Mapping[str, Outcome] = {
        "click": Event(rate=0.25, spread=1.1),
        "follow": Event(rate=0.2, spread=1.2, parent="click"),
        "like": Event(rate=0.3, spread=1.1, parent="click"),
        "share": Event(rate=0.2, spread=1.2, parent="click"),
        "watching_times": Times(parent="click", most=5, rate=0.3, spread=1.1),
    }
    effects: Mapping[str, Effect] = {
        "user_id": Ids(3_000, 0.8, head=400),
        "item_id": Ids(2_000, 1.0, head=300),
        "video_category": Ids(5, 1.0),
        "gender": Ids(5, 0.8),
        "age": Ids(10, 0.8),
    }

    def features(self, seed: int, random: np.random.Generator, num_rows: int) -> Features:
        """Draws a user and an item of each row; gender and age belong to the user, the category to the item."""
        user = _USERS.ranks(random.random(num_rows))
        item = _ITEMS.ranks(random.random(num_rows))
        inputs = {
            "user_id": user,
            "item_id": item,
            "video_category": _CATEGORY.of(mix(item, seed * 64)),
            "gender": _GENDER.of(mix(user, seed * 64 + 1)),
            "age": _AGE.of(mix(user, seed * 64 + 2)),
        }
        columns = {name: pa.array(values.astype(np.int32)) for name, values in inputs.items()}
        columns["user_id"] = pa.array(scatter(user, _USERS.size).astype(np.int32))
        columns["item_id"] = pa.array(scatter(item, _ITEMS.size).astype(np.int32))
        return Features(columns, inputs)
