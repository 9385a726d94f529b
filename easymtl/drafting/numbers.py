"""Numbers become buckets, each with a vector of its own, cut so that each holds about as many rows.

Against scaling this lets the network read any shape, and takes no unit or outlier for granted. What is mostly 0, as
amounts are, is cut by the quantiles of the other values: those of all would all be 0.
"""

import math

import numpy as np
import pyarrow as pa

from easymtl.drafting.column_profile import ColumnProfile, numbers_of
from easymtl.drafting.drafted import Drafted, feature_of, field_of
from easymtl.drafting.facts import Fact
from easymtl.drafting.kinds import Kind
from easymtl.drafting.labels import shown_share

_MOST_BUCKETS, _FEWEST_ROWS = 40, 100
# An amount that few rows have tells much of each: finer buckets of fewer rows gained .0009 of AUC on income in
# Census-Income: docs/guides/quality.md.
_MOST_NONZERO, _FEWEST_NONZERO = 60, 30
_MANY_ZEROS = 0.3
_DIGITS = 4


def draft_number(column: ColumnProfile, sample: pa.ChunkedArray, width: int) -> Drafted:
    """Returns the draft of a column of numbers.

    Args:
        column: what is known of it.
        sample: its values in the sample, from which quantiles are taken where not all were counted.
        width: of the vectors.
    """
    values, counts = numbers_of(column, sample)
    cuts, how = boundaries(values, counts)
    default, missing = None, ""
    if column.num_missing:
        # A number below all others: its bucket holds the missing ones alone.
        lowest = math.floor(column.low or 0)
        fits = column.kind is not Kind.WHOLE or lowest - 1 >= -(1 << 62)
        if fits and abs(lowest) < 1e15:
            default, cuts = str(lowest - 1), [lowest - 0.5, *cuts]
            missing = f", {shown_share(column.missing_rate)} missing: a bucket of their own"
    field = field_of(column.name, number_type(column), default)
    feature = feature_of(column.name, "RawFeature", boundaries=cuts, embedding_dim=width)
    draft = Drafted(field, [feature], f"{how}{missing}")
    if not cuts:
        feature.ClearField("boundaries")
        draft.reason = f"one value only{missing}"
    if column.has_infinite:
        draft.notes.append(Fact(f'"{column.name}" holds infinite numbers. They tell nothing; write them as null.'))
    return draft


def number_type(column: ColumnProfile) -> str:
    """Returns the type that a column of numbers is declared as."""
    if column.kind in (Kind.BOOL, Kind.DATE):
        return "INT32"
    is_whole = column.is_whole and column.kind in (Kind.WHOLE, Kind.TEXT)
    if is_whole and column.num_values:
        default_fits = (column.low or 0) - 1 >= -(1 << 31)
        is_small = default_fits and (column.high or 0) < 1 << 31 and "64" not in column.type_name
        is_timed = column.type_name.startswith(("time", "duration"))
        return "INT32" if is_small and not is_timed else "INT64"
    return "FLOAT" if column.type_name in ("float", "halffloat", "float16") else "DOUBLE"


def boundaries(values: np.ndarray, counts: np.ndarray) -> tuple[list[float], str]:
    """Returns where to cut numbers into buckets, and how that was found.

    Bucket i holds the numbers in [boundary i - 1, boundary i).

    Args:
        values: different numbers `[n]`, ascending.
        counts: how often each occurs `[n]`.
    """
    total, zeros = int(counts.sum()), int(counts[values == 0].sum())
    if len(values) <= _MOST_BUCKETS and total >= 10 * len(values):
        return _written(values[1:]), f"{len(values)} values, a bucket for each"
    if zeros > _MANY_ZEROS * total and (values >= 0).all():
        others, times = values[values != 0], counts[values != 0]
        num_buckets = int(np.clip(times.sum() // _FEWEST_NONZERO, 2, _MOST_NONZERO))
        cuts = np.concatenate([others[:1], _quantiles(others, times, num_buckets)])
        return _written(cuts), f"{shown_share(zeros / total)} are 0; quantiles of the others to {values[-1]:g}"
    num_buckets = int(np.clip(total // _FEWEST_ROWS, 4, _MOST_BUCKETS))
    cuts = _quantiles(values, counts, num_buckets)
    return _written(cuts[cuts > values[0]]), f"quantiles of {values[0]:g} to {values[-1]:g}"


def _quantiles(values: np.ndarray, counts: np.ndarray, num_buckets: int) -> np.ndarray:
    """Returns the values below which 1, 2, ... of `num_buckets` shares of the rows lie."""
    reached = np.cumsum(counts) / counts.sum()
    places = np.searchsorted(reached, np.arange(1, num_buckets) / num_buckets - 1e-12)
    return values[np.minimum(places, len(values) - 1)]


def _written(cuts: np.ndarray) -> list[float]:
    """Returns rising borders with few digits, so that people can read them."""
    whole = (cuts == np.floor(cuts)).all() and (np.abs(cuts) < 1e6).all()
    short = cuts if whole else np.asarray([float(f"{cut:.{_DIGITS}g}") for cut in cuts], float)
    return np.unique(short).tolist()
