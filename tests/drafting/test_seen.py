import numpy as np
import pyarrow as pa
import pytest

from easymtl.drafting.profile import read_profile
from easymtl.drafting.seen import seen_shares
from easymtl.drafting.table import open_table


@pytest.mark.parametrize("count", [500, 40_000])
def test_the_share_of_rows_whose_value_was_seen(count):
    random = np.random.default_rng(0)
    # A third of the later values are new, and half of the later rows have one of them.
    train = pa.table({"id": np.arange(count)})
    later = np.where(
        random.random(20_000) < 0.5, random.integers(0, count, 20_000), count + random.integers(0, count, 20_000)
    )
    profile = read_profile(open_table(train, None, []), [])
    shares = seen_shares(profile, open_table(pa.table({"id": later}), None, []), ["id"])
    assert shares["id"] == pytest.approx(np.isin(later, np.arange(count)).mean(), abs=0.04)


def test_ids_are_the_same_beside_a_missing_one_which_makes_pandas_write_decimals():
    profile = read_profile(open_table(pa.table({"id": np.arange(100)}), None, []), [])
    later = pa.table({"id": pa.array([3.0, None, 99.0, 100.0, float("nan")])})
    assert seen_shares(profile, open_table(later, None, []), ["id"]) == {"id": pytest.approx(2 / 3)}


def test_that_no_value_was_seen_is_a_share_of_nothing_and_no_value_is_none():
    profile = read_profile(open_table(pa.table({"id": [1, 2]}), None, []), [])
    of = [pa.array([7, 8]), pa.array([None, None], pa.int64())]
    assert [seen_shares(profile, open_table(pa.table({"id": one}), None, []), ["id"]) for one in of] == [{"id": 0}, {}]
