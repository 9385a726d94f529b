"""How much one column alone tells of a label: enough of it is no coincidence, but the answer itself."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_FEWEST_ROWS = 50
_FEWEST_EXPECTED = 10.0
_MOST_BINS = 200


def tells(values: pa.Array, label: np.ndarray, is_event: bool) -> float:
    """Returns how well a label is told by the mean label of the rows with the same value, learnt from other rows.

    Half of the rows give the means, the other half is judged: the AUC for events, the square of the correlation for
    numbers. Numbers of many values are cut into 200 bins.

    Args:
        values: a column `[n]`, as `kinds.plain` gives it.
        label: `[n]`, NaN where it is missing.
        is_event: whether the label is 0 or 1.
    """
    known = np.isfinite(label)
    codes = _codes(values)[known]
    label = label[known]
    if len(label) < _FEWEST_ROWS or label.min() == label.max():
        return 0.0
    learns = np.arange(len(label)) % 2 == 0
    if _is_constant(label[~learns]) or _is_constant(label[learns]):
        return 0.0
    size = codes.max() + 1
    totals = np.bincount(codes[learns], label[learns], size)
    counts = np.bincount(codes[learns], minlength=size)
    mean = label[learns].mean()
    # One row more of the mean keeps rare values modest.
    score = ((totals + mean) / (counts + 1))[codes[~learns]]
    return _auc(score, label[~learns]) if is_event else _correlation(score, label[~learns]) ** 2


def follows(values: pa.Array, happened: np.ndarray) -> bool:
    """Returns whether a column only says something where an event happened, as seconds of watching need a click.

    A number says something where it is above 0; anything else, where it is not missing.

    Args:
        values: a column `[n]`, as `kinds.plain` gives it.
        happened: the event `[n]`, above 0 where it happened, NaN where that is not known.
    """
    says = values.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_floating(values.type) or pa.types.is_integer(values.type) or pa.types.is_boolean(values.type):
        numbers = pc.fill_null(_as_doubles(values), 0).to_numpy(zero_copy_only=False)
        if (numbers < 0).any():
            return False
        says = numbers > 0
    known = np.isfinite(happened)
    return is_never_without(says[known], happened[known] > 0)


def _as_doubles(values: pa.Array) -> pa.Array:
    return values.cast(pa.int8() if pa.types.is_boolean(values.type) else pa.float64(), safe=False).cast(pa.float64())


def is_never_without(one: np.ndarray, event: np.ndarray) -> bool:
    """Returns whether something never happens without an event, and that is no chance.

    It is none where at least ten rows would have it without the event if the two had nothing to do with each other:
    the chance of none is then below exp(-10).

    Args:
        one: where it happens, bool `[n]`.
        event: where the event does, bool `[n]`.
    """
    expected = float(one.sum()) * (1 - float(event.mean())) if len(event) else 0.0
    return expected >= _FEWEST_EXPECTED and not (one & ~event).any()


def _is_constant(values: np.ndarray) -> bool:
    return not len(values) or values.min() == values.max()


def _codes(values: pa.Array) -> np.ndarray:
    """Returns a number for each value `[n]`, from 0 on, the same for the same value; missing is a value."""
    if pa.types.is_floating(values.type) or pa.types.is_integer(values.type):
        numbers = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        finite = numbers[np.isfinite(numbers)]
        if len(np.unique(finite)) > _MOST_BINS:
            borders = np.unique(np.quantile(finite, np.arange(1, _MOST_BINS) / _MOST_BINS))
            return np.where(np.isfinite(numbers), np.searchsorted(borders, numbers, side="right"), _MOST_BINS + 1)
    encoded = values.dictionary_encode()
    return pc.fill_null(encoded.indices, len(encoded.dictionary)).to_numpy(zero_copy_only=False).astype(np.int64)


def _auc(score: np.ndarray, label: np.ndarray) -> float:
    """Returns the area under the ROC curve, ties counted half (the statistic of Mann and Whitney, 1947)."""
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    is_positive = label > 0
    positives = int(is_positive.sum())
    negatives = len(label) - positives
    if not positives or not negatives:
        return 0.0
    return float((ranks[is_positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    if _is_constant(one):
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
