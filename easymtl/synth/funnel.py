"""`funnel`: who clicks, and who orders after a click, where clicks go to those who would order anyway."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from easymtl.synth.data_set import BLOCK_ROWS, Features
from easymtl.synth.hidden import Effect, Ids, Numbers
from easymtl.synth.outcomes import Event, Outcome
from easymtl.synth.requests import HOURS
from easymtl.synth.sampling import Shares, Zipf, mix, normal_of, scatter, standard_log

_USERS = Zipf(20_000, shift=200)
_ITEMS = Zipf(4_000, shift=40)
_BRANDS = Zipf(300, shift=10)
_USER_LEVELS = Zipf(30, shift=6)
_USER_GENDER = Shares([45, 48, 7])
_CATEGORY = Shares([1 / (place + 4) for place in range(24)])
_PAGE = Shares([50, 25, 15, 10])
_POSITION = Shares([1 / (place + 3) for place in range(20)])


class Funnel:
    """20,000 users, 4,000 items, 10 features; a click, and an order that needs one.

    p(order | click) is a function of the features, so it is known for rows without a click too: true_order /
    true_click. Its logit correlates with that of the click, so its mean over clicked rows is well above its mean over
    all: a model trained on clicked rows alone has seen little of what it will score (sample selection bias). Much of
    both is the user's: a million rows hold 50 impressions of a user and two clicks (data sparsity).
    """

    name = "funnel"
    format = "parquet"
    block_rows = BLOCK_ROWS
    outcomes: Mapping[str, Outcome] = {
        "click": Event(rate=0.04, spread=1.5),
        "order": Event(rate=0.2, spread=1.3, parent="click", correlation=0.8),
    }
    effects: Mapping[str, Effect] = {
        "user_id": Ids(_USERS.size, 2.0),
        "user_level": Numbers(0.6),
        "user_gender": Ids(3, 0.8),
        "item_id": Ids(_ITEMS.size, 1.0),
        "item_category": Ids(24, 1.0),
        "item_brand": Ids(100, 0.6),
        "item_price": Numbers(0.8),
        "hour": Ids(24, 0.4),
        "page": Ids(4, 0.7),
        "position": Ids(20, 0.7),
    }

    def features(self, seed: int, random: np.random.Generator, num_rows: int) -> Features:
        """Draws a user, an item and the context; level and gender belong to the user, the rest to the item."""
        user = _USERS.ranks(random.random(num_rows))
        item = _ITEMS.ranks(random.random(num_rows))
        level = _USER_LEVELS.ranks_of(mix(user, seed * 64))
        price = np.exp(4 + 1.1 * normal_of(mix(item, seed * 64 + 1)))
        inputs = {
            "user_id": user,
            "user_level": (level - 8) / 8,
            "user_gender": _USER_GENDER.of(mix(user, seed * 64 + 2)),
            "item_id": item,
            "item_category": _CATEGORY.of(mix(item, seed * 64 + 3)),
            "item_brand": _BRANDS.ranks_of(mix(item, seed * 64 + 4)),
            "item_price": standard_log(price, 4, 1.1),
            "hour": HOURS.draw(random, num_rows),
            "page": _PAGE.draw(random, num_rows),
            "position": _POSITION.draw(random, num_rows),
        }
        columns = {name: pa.array(values.astype(np.int32)) for name, values in inputs.items()}
        columns["user_id"] = pa.array(scatter(user, _USERS.size).astype(np.int32))
        columns["user_level"] = pa.array(level.astype(np.int32))
        columns["item_id"] = pa.array(scatter(item, _ITEMS.size).astype(np.int32))
        columns["item_price"] = pa.array(np.round(price, 2).astype(np.float32))
        return Features(columns, inputs)
