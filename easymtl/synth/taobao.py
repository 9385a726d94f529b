"""`taobao`: advertisements with the columns and cardinalities of the public Taobao click and purchase log."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from easymtl.synth.data_set import BLOCK_ROWS, Features
from easymtl.synth.hidden import Effect, Ids, Numbers
from easymtl.synth.outcomes import Event, Outcome
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

_USERS = Zipf(1_141_729, shift=100)
_ADGROUPS = Zipf(846_811, shift=40)
_CATEGORIES = Zipf(12_977, shift=5)
_BRANDS = Zipf(461_497, shift=10)
_NUM_CAMPAIGNS = 423_436
_NUM_CUSTOMERS = 255_875
_CATEGORY_LISTS = TagLists(_CATEGORIES, most=5)
_BRAND_LISTS = TagLists(_BRANDS, most=5)

_PAGES = ["430548_1007", "430539_1007"]
_PAGE = Shares([6, 4])
# What a user is: the names of the values (an empty one is missing) and their shares.
_PROFILE = {
    "cms_segid": ([str(segment) for segment in range(97)], Shares([12] + [1] * 96)),
    "cms_group_id": ([str(group) for group in range(13)], Shares([5, 3, 8, 14, 16, 10, 2, 3, 9, 12, 10, 5, 3])),
    "final_gender_code": (["1", "2"], Shares([36, 64])),
    "age_level": ([str(level) for level in range(7)], Shares([1, 6, 24, 30, 22, 15, 2])),
    "pvalue_level": (["", "1", "2", "3"], Shares([54, 14, 26, 6])),
    "shopping_level": (["1", "2", "3"], Shares([8, 12, 80])),
    "occupation": (["0", "1"], Shares([94, 6])),
    "new_user_class_level": (["", "1", "2", "3", "4"], Shares([30, 12, 32, 16, 10])),
}


class Taobao:
    """1,141,729 users, 846,811 advertisements, 18 features; a click, and a purchase that needs one."""

    name = "taobao"
    format = "csv"
    block_rows = BLOCK_ROWS
    outcomes: Mapping[str, Outcome] = {
        "clk": Event(rate=0.15, spread=1.1),
        "buy": Event(rate=0.25, spread=1.1, parent="clk"),
    }
    effects: Mapping[str, Effect] = {
        "pid": Ids(2, 0.4),
        "adgroup_id": Ids(1_000, 0.6, head=150),
        "cate_id": Ids(600, 1.0, head=100),
        "campaign_id": Ids(500, 0.4, head=80),
        "customer": Ids(500, 0.4, head=80),
        "brand": Ids(600, 0.7, head=100),
        "user_id": Ids(2_000, 0.6, head=300),
        "cms_segid": Ids(97, 0.5),
        "cms_group_id": Ids(13, 0.7),
        "final_gender_code": Ids(2, 0.6),
        "age_level": Ids(7, 0.7),
        "pvalue_level": Ids(4, 0.7),
        "shopping_level": Ids(3, 0.5),
        "occupation": Ids(2, 0.5),
        "new_user_class_level": Ids(5, 0.7),
        "tag_category_list": Ids(600, 1.0, head=200),
        "tag_brand_list": Ids(600, 0.8, head=200),
        "price": Numbers(0.7),
    }

    def features(self, seed: int, random: np.random.Generator, num_rows: int) -> Features:
        """Draws a page, an advertisement and a user of each row."""
        page = _PAGE.draw(random, num_rows)
        advertisement = _advertisement(seed, random, num_rows)
        user = _user(seed, random, num_rows)
        price = advertisement.columns.pop("price")
        columns = {"pid": named(page, _PAGES)} | advertisement.columns | user.columns | {"price": price}
        return Features(columns, {"pid": page} | advertisement.inputs | user.inputs)


def _advertisement(seed: int, random: np.random.Generator, num_rows: int) -> Features:
    """Draws advertisements; neighbours in popularity share a campaign, and campaigns a customer."""
    adgroup = _ADGROUPS.ranks(random.random(num_rows))
    campaign = adgroup // 2
    customer = campaign * _NUM_CUSTOMERS // _NUM_CAMPAIGNS
    cate = _CATEGORIES.ranks_of(mix(adgroup, seed * 64))
    brand = _BRANDS.ranks_of(mix(adgroup, seed * 64 + 1))
    price = np.exp(5 + 1.3 * normal_of(mix(adgroup, seed * 64 + 2))).astype(np.int32)
    columns = {
        "adgroup_id": text(scatter(adgroup, _ADGROUPS.size)),
        "cate_id": text(scatter(cate, _CATEGORIES.size)),
        "campaign_id": text(scatter(campaign, _NUM_CAMPAIGNS)),
        "customer": text(scatter(customer, _NUM_CUSTOMERS)),
        "brand": text(scatter(brand, _BRANDS.size)),
        "price": pa.array(price),
    }
    inputs = {"adgroup_id": adgroup, "campaign_id": campaign, "customer": customer, "cate_id": cate, "brand": brand}
    return Features(columns, inputs | {"price": standard_log(price, 5, 1.3)})


def _user(seed: int, random: np.random.Generator, num_rows: int) -> Features:
    user = _USERS.ranks(random.random(num_rows))
    keys = [mix(user, seed * 64 + salt) for salt in range(8, 12)]
    cates, num_cates = _CATEGORY_LISTS.of(keys[0], keys[1])
    brands, num_brands = _BRAND_LISTS.of(keys[2], keys[3])
    columns = {"user_id": text(scatter(user, _USERS.size))}
    inputs = {"user_id": user}
    for salt, (name, (names, shares)) in enumerate(_PROFILE.items()):
        inputs[name] = shares.of(mix(user, seed * 64 + 16 + salt))
        columns[name] = named(inputs[name], names)
    columns["tag_category_list"] = joined(scatter(cates, _CATEGORIES.size), num_cates)
    columns["tag_brand_list"] = joined(scatter(brands, _BRANDS.size), num_brands)
    inputs["tag_category_list"] = padded(cates, num_cates)
    inputs["tag_brand_list"] = padded(brands, num_brands)
    return Features(columns, inputs)
