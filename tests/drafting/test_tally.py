import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from easymtl.drafting.tally import MOST_COUNTED, Tally, hashes


def tally_of(values, parts=7):
    tally = Tally()
    for part in np.array_split(np.arange(len(values)), parts):
        counted = pc.value_counts(values.take(pa.array(part)))
        tally.add(counted.field("values"), counted.field("counts"))
    return tally


def test_few_values_are_counted_over_all_batches():
    values = pa.array(["b", "a", "b", "c", "b", "a"] * 10)
    tally = tally_of(values)
    found, counts = tally.counted()
    assert (found.to_pylist(), counts.tolist()) == (["b", "a", "c"], [30, 20, 10])
    assert tally.num_distinct == 3


@pytest.mark.parametrize(
    "make", [lambda n: pa.array(np.arange(n) * 7919), lambda n: pa.array([f"user_{k}" for k in range(n)])]
)
def test_many_values_are_estimated_within_a_few_percent(make):
    count = 4 * MOST_COUNTED
    tally = tally_of(make(count))
    assert not tally.is_exact and not len(tally.counted()[0])
    # Four times the relative error of a sketch of 4,096 hashes.
    assert tally.num_distinct == pytest.approx(count, rel=4 / np.sqrt(4096))


def test_hashes_tell_texts_apart_and_are_spread_evenly():
    texts = pa.array(["", "a", "b", "ab", "ba", "aa", "aaa", "é", "a\0", "日本"] + [str(n) for n in range(50_000)])
    found = hashes(texts)
    assert len(np.unique(found)) == len(set(texts.to_pylist()))
    assert (found < np.uint64(1 << 62)).mean() == pytest.approx(0.25, abs=0.01)


def test_a_hash_depends_on_the_value_alone():
    sliced = pa.array(["x", "abc", "", "def"])[1:]
    assert hashes(sliced).tolist() == [int(hashes(pa.array([text]))[0]) for text in ("abc", "", "def")]
    assert hashes(pa.array([0.0])) == hashes(pa.array([-0.0]))
    whole = [0, 7, -3, 1 << 52]
    assert hashes(pa.array(whole, pa.float64())).tolist() == hashes(pa.array(whole)).tolist()
    others = [0.5, 7.5, 1e300, float("inf"), float("nan")]
    assert len({*hashes(pa.array(others)).tolist(), *hashes(pa.array(whole)).tolist()}) == 9
