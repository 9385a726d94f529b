"""One pass over rows finds the same however they lie in batches."""

import numpy as np
import pyarrow as pa
import pytest

from easymtl.drafting import profile as profiles
from easymtl.drafting import table as tables
from easymtl.drafting.profile import positive, read_profile
from easymtl.drafting.table import open_table

RANDOM = np.random.default_rng(0)
ROWS = 1000
CLICK = RANDOM.integers(0, 2, ROWS)
FACTS = (
    *("num_rows", "num_missing", "num_zeros", "num_values", "num_distinct", "low", "high", "is_whole", "is_number"),
    *("is_time", "is_weighted", "has_infinite", "shortest", "longest", "mean_length", "separator", "held"),
)


@pytest.fixture
def rows():
    return pa.table(
        {
            "click": CLICK,
            "buy": CLICK * RANDOM.integers(0, 2, ROWS),
            # The extremes lie in neither the first nor the last batch.
            "number": [None if row % 9 == 0 else row * (300 - row) / 7 for row in range(ROWS)],
            "count": [1000 if row == 500 else row % 5 for row in range(ROWS)],
            "text": [("", "a b", "c", None)[row % 4] for row in range(ROWS)],
            "tags": [f"t{row % 3}|t{row % 5}" if row % 7 else None for row in range(ROWS)],
            "list": [None if row % 8 == 0 else list(range(row % 6)) for row in range(ROWS)],
        }
    )


def test_batches_do_not_matter(rows, monkeypatch):
    whole = read_profile(open_table(rows, None, []), ["click", "buy"])
    monkeypatch.setattr(tables, "_BATCH_ROWS", 70)
    parts = read_profile(open_table(rows, None, []), ["click", "buy"])
    for name, column in whole.columns.items():
        for fact in FACTS:
            assert getattr(parts.columns[name], fact) == getattr(column, fact), (name, fact)
        found = [one.tally.counted()[0].to_pylist() for one in (column, parts.columns[name])]
        assert found[0] == found[1], name
    assert (parts.num_rows, parts.lengths, parts.together) == (whole.num_rows, whole.lengths, whole.together)
    assert parts.sample.combine_chunks().equals(whole.sample.combine_chunks())


def test_what_is_found(rows):
    profile = read_profile(open_table(rows, None, []), ["click", "buy"])
    number, lists, count = (profile.columns[name] for name in ("number", "list", "count"))
    known = [value for value in rows["number"].to_pylist() if value is not None]
    assert (number.low, number.high, number.num_zeros) == (min(known), max(known), known.count(0))
    full = [row for row in rows["list"].to_pylist() if row]
    assert lists.num_missing == ROWS - len(full) and (lists.shortest, lists.longest) == (1, 5)
    assert lists.mean_length == pytest.approx(np.mean([len(row) for row in full]))
    assert (count.high, count.num_distinct, profile.columns["text"].num_missing) == (1000, 6, ROWS // 2)
    buy = rows["buy"].to_numpy()
    assert profile.together == {("click", "buy"): 0, ("buy", "click"): int((buy < CLICK).sum())}


def test_a_sample_of_many_rows_is_drawn_evenly_and_in_order(monkeypatch):
    monkeypatch.setattr(profiles, "_SAMPLE_ROWS", 200)
    monkeypatch.setattr(tables, "_BATCH_ROWS", 130)
    table = pa.table({"row": np.arange(20_000)})
    found = read_profile(open_table(table, None, []), []).sample["row"].to_numpy()
    assert len(found) == 200 and (np.diff(found) > 0).all()
    # Four standard deviations of the mean of 200 numbers that are spread evenly.
    assert found.mean() == pytest.approx(10_000, abs=4 * 20_000 / np.sqrt(12 * 200))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([1, 0, None, -1]), [True, False, False, False]),
        (pa.array([True, False, None]), [True, False, False]),
        (pa.array(["2", "0", None]), [True, False, False]),
        (pa.array(["yes", "no"]), None),
        (pa.nulls(2), None),
        (pa.array([[1]]), None),
    ],
)
def test_what_is_above_zero(values, expected):
    found = positive(values)
    assert (None if found is None else found.tolist()) == expected
