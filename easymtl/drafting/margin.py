"""How much better a checkpoint may look by chance: the standard error of what tells the best one."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from easymtl.drafting.labels import Label, label_numbers
from easymtl.drafting.profile import Profile
from easymtl.drafting.table import Table


def standard_error(metric: str, labels: Sequence[Label], profile: Profile, num_rows: int) -> float:
    """Returns the standard error of a metric, the mean over the tasks that have it, on so many rows.

    Tasks count as independent of each other, and scores as telling little: those of a good model vary less.

    Args:
        metric: `auc`, `accuracy` or `root_mean_squared_error`.
        labels: what is learnt.
        profile: of rows as those that the metric is measured on.
        num_rows: that it is measured on; some of a label may be missing.
    """
    kinds, error = _ERRORS[metric]
    errors = [error(label, label_numbers(label, profile.sample[label.name]), num_rows) for label in labels]
    errors = [one for label, one in zip(labels, errors) if label.kind in kinds]
    return math.hypot(*errors) / len(errors)


def _of_auc(label: Label, numbers: np.ndarray, num_rows: int) -> float:
    """Returns that of the AUC of scores that tell nothing (Mann and Whitney, 1947)."""
    events, others = (max(num_rows * float(of.mean()), 1.0) for of in (numbers > 0, numbers <= 0))
    return math.sqrt((events + others + 1) / (12 * events * others))


def _of_accuracy(label: Label, numbers: np.ndarray, num_rows: int) -> float:
    """Returns the largest that a share may have, that of one half."""
    return 0.5 / math.sqrt(_known(numbers, num_rows))


def _of_errors(label: Label, numbers: np.ndarray, num_rows: int) -> float:
    """Returns that of the root of a mean of squared normal errors which are as large as the label's own deviation."""
    return label.deviation / math.sqrt(2 * _known(numbers, num_rows))


def _known(numbers: np.ndarray, num_rows: int) -> float:
    return max(num_rows * float(np.isfinite(numbers).mean()), 1.0)


_ERRORS: dict[str, tuple[tuple[str, ...], Callable[[Label, np.ndarray, int], float]]] = {
    "auc": (("event",), _of_auc),
    "accuracy": (("classes",), _of_accuracy),
    "root_mean_squared_error": (("rate", "count", "value"), _of_errors),
}


def num_rows_of(table: Table, profile: Profile) -> int:
    """Returns how many rows a table has beside the one of a profile: of CSV, about as many as its bytes tell."""
    known = table.count_rows()
    return known if known is not None else round(profile.num_rows * table.num_bytes / max(profile.table.num_bytes, 1))
