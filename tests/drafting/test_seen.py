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
