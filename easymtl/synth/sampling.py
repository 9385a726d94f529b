"""Vectorised draws: skewed ids, properties of an id that are a pure function of it, and text columns."""

import math
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_QUANTILES = 4096
_GOLDEN = 0x9E3779B97F4A7C15


def mix(keys: np.ndarray, salt: int) -> np.ndarray:
    """Hashes integers to uint64 `[rows]` (the finaliser of splitmix64); another salt is another function."""
    words = keys.astype(np.uint64)
    words += np.uint64((salt * _GOLDEN + 1) % 2**64)
    words ^= words >> np.uint64(30)
    words *= np.uint64(0xBF58476D1CE4E5B9)
    words ^= words >> np.uint64(27)
    words *= np.uint64(0x94D049BB133111EB)
    words ^= words >> np.uint64(31)
    return words


class Zipf:
    """Ranks 0..size-1 with frequency proportional to 1 / (rank + shift), by inverting the distribution function."""

    def __init__(self, size: int, shift: float):
        self.size = size
        self.shift = shift
        self._span = math.log((size + shift) / shift)

    def ranks(self, uniforms: np.ndarray) -> np.ndarray:
        """Turns uniform numbers in [0, 1) into int64 ranks of the same shape."""
        ranks = self.shift * np.expm1(uniforms * np.asarray(self._span, uniforms.dtype))
        return np.minimum(ranks.astype(np.int64), self.size - 1)

    def ranks_of(self, hashes: np.ndarray) -> np.ndarray:
        """Turns uint64 hashes into int64 ranks, so that a rank can be a property of an id."""
        return self.ranks(uniform_of(hashes))


class Shares:
    """Categories 0..n-1 with given shares, rounded to 1/4096, drawn by one look-up."""

    def __init__(self, shares: Sequence[float]):
        ends = np.cumsum(np.asarray(shares, np.float64)) / np.sum(shares)
        middles = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
        self.size = len(shares)
        self._category = np.minimum(np.searchsorted(ends, middles), self.size - 1).astype(np.int32)

    def of(self, hashes: np.ndarray) -> np.ndarray:
        """Turns uint64 hashes into int32 categories."""
        return self._category[(hashes >> np.uint64(52)).astype(np.int64)]

    def draw(self, random: np.random.Generator, num_rows: int) -> np.ndarray:
        """Draws int32 categories `[num_rows]`."""
        return self._category[random.integers(0, _QUANTILES, num_rows, dtype=np.int32)]


class TagLists:
    """Lists of 1 to `most` tags that are a pure function of an id; a tag may repeat."""

    def __init__(self, tags: Zipf, most: int):
        self._tags = tags
        self._most = most

    def of(self, which: np.ndarray, how_many: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns tags `[rows, most]` and how many of them count `[rows]`, from two hashes of the id."""
        tags = np.stack([self._tags.ranks_of(mix(which, place)) for place in range(self._most)], axis=1)
        return tags, 1 + ((how_many >> np.uint64(32)) % np.uint64(self._most)).astype(np.int32)


def uniform_of(hashes: np.ndarray) -> np.ndarray:
    """Turns uint64 hashes into float64 numbers in [0, 1)."""
    return (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal_of(hashes: np.ndarray) -> np.ndarray:
    """Turns uint64 hashes into standard normal float32 numbers, in 4096 steps."""
    return _normal_quantiles()[(hashes >> np.uint64(52)).astype(np.int64)]


@cache
def _normal_quantiles() -> np.ndarray:
    normal = NormalDist()
    return np.array([normal.inv_cdf((i + 0.5) / _QUANTILES) for i in range(_QUANTILES)], np.float32)


def scatter(ranks: np.ndarray, size: int) -> np.ndarray:
    """Maps ranks one to one onto ids 0..size-1 without order, so that an id does not tell its popularity."""
    step = 7_368_787
    while math.gcd(step, size) != 1:
        step += 2
    return (ranks * step + size // 3) % size


def text(ids: np.ndarray) -> pa.Array:
    """Returns integers as their decimal text, an Arrow string array."""
    return pc.cast(pa.array(ids), pa.string())


def named(categories: np.ndarray, names: Sequence[str]) -> pa.Array:
    """Returns the name of each category, an Arrow string array."""
    return pa.array(names, pa.string()).take(pa.array(categories))


def joined(tags: np.ndarray, counts: np.ndarray, separator: str = "|") -> pa.Array:
    """Joins the first `counts[row]` tags of each row.

    Args:
        tags: ids, or texts as objects, `[rows, most]`.
        counts: number of tags of each row, `[rows]`; 0 gives an empty text.
        separator: what stands between two tags.
    """
    kept = np.arange(tags.shape[1]) < counts[:, None]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), text(tags[kept]))
    return pc.binary_join(lists, separator)


def with_texts(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Returns rows whose lists are text: items joined with `|`, empty for a list that is null."""
    for place, field in enumerate(batch.schema):
        if pa.types.is_list(field.type):
            texts = pc.binary_join(pc.cast(batch.column(place), pa.list_(pa.string())), "|")
            batch = batch.set_column(place, pa.field(field.name, pa.string()), pc.fill_null(texts, ""))
    return batch


def padded(tags: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Returns tags `[rows, most]` with -1 from the place `counts[row]` on."""
    return np.where(np.arange(tags.shape[1]) < counts[:, None], tags, -1)


def standard_log(numbers: np.ndarray, mean: float, deviation: float) -> np.ndarray:
    """Returns log(1 + number), centred, scaled and cut to [-2.5, 2.5]."""
    return np.clip((np.log1p(numbers) - mean) / deviation, -2.5, 2.5)
