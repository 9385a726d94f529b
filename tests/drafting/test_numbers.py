import numpy as np
import pyarrow as pa
import pytest

from easymtl.drafting.numbers import boundaries, number_type
from easymtl.drafting.profile import read_profile
from easymtl.drafting.table import open_table


def counted(values):
    return np.unique(np.asarray(values, float), return_counts=True)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([5, -7], "INT32"),
        ([1 - (1 << 31), (1 << 31) - 1], "INT32"),
        # The number that stands for missing ones has to fit, too.
        (pa.array([-(1 << 31), 5], pa.int32()), "INT64"),
        ([5, 1 << 31], "INT64"),
        ([0.5], "DOUBLE"),
        (pa.array([0.5], pa.float32()), "FLOAT"),
        ([True], "INT32"),
        (pa.array([5], pa.time64("us")), "INT64"),
    ],
    ids=str,
)
def test_types_that_hold_all_numbers(values, kind):
    values = values if isinstance(values, pa.Array) else pa.array(values)
    values = values.cast(pa.int32()) if kind == "INT32" and values.type == pa.int64() else values
    column = read_profile(open_table(pa.table({"n": values}), None, []), []).columns["n"]
    assert number_type(column) == kind


def test_few_values_get_a_bucket_each():
    assert boundaries(*counted([3, 1, 2, 0] * 20))[0] == [1, 2, 3]


def test_many_values_are_cut_into_buckets_of_as_many_rows():
    values = np.random.default_rng(0).normal(size=100_000)
    cuts, _ = boundaries(*counted(values))
    rows = np.bincount(np.searchsorted(cuts, values, side="right"))
    assert len(rows) == 40
    assert rows == pytest.approx(np.full(40, 2500), rel=0.1)


def test_amounts_that_are_mostly_zero_are_cut_by_the_others():
    random = np.random.default_rng(0)
    values = np.where(random.random(50_000) < 0.95, 0, random.integers(1, 10_000, 50_000))
    cuts, how = boundaries(*counted(values))
    assert "95 % are 0" in how
    # Zero has a bucket of its own, and the other values share sixty.
    rows = np.bincount(np.searchsorted(cuts, values, side="right"))
    assert rows[0] == (values == 0).sum() and len(rows) in (60, 61)
    assert rows[1:].max() < 0.03 * (values > 0).sum()


def test_few_amounts_make_buckets_of_thirty_rows_or_more():
    values = np.where(np.arange(3_000) % 10 == 0, np.arange(3_000), 0)
    cuts, _ = boundaries(*counted(values))
    rows = np.bincount(np.searchsorted(cuts, values, side="right"))
    assert rows[0] == 2_701 and rows[1:] == pytest.approx(np.full(9, 33), abs=1)


def test_borders_are_the_same_as_those_of_numpy():
    values = np.random.default_rng(1).integers(0, 500, 40_000)
    expected = np.unique(np.quantile(values, np.arange(1, 40) / 40, method="inverted_cdf"))
    assert boundaries(*counted(values))[0] == expected[expected > values.min()].tolist()


def test_few_rows_get_few_buckets():
    assert len(boundaries(*counted(np.linspace(0, 1, 450)))[0]) <= 4
