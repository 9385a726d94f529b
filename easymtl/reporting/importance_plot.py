"""The ranking of features as a picture."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from easymtl.checkpoints.publishing import reason
from easymtl.errors import UserError
from easymtl.reporting.importance import ranked_rates
from easymtl.scoring.importance import Importance

_ROW_INCHES = 0.22
_MOST_BARS = 40

# Of a bar: what it is of, its length, and how far its interval reaches on both sides.
Bar = tuple[str, float, float]


def bars_of_tasks(found: Sequence[Importance]) -> dict[str, list[Bar]]:
    """Returns the bars of each task, the most important first."""
    return {
        f"{task}: worse {ones[0].metric}": [(one.part, one.loss, one.high - one.loss) for one in ones]
        for task, ones in ((task, list(group)) for task, group in groupby(found, key=lambda one: one.task))
    }


def bars_of_rates(rates: Mapping[str, Mapping[str, float]]) -> dict[str, list[Bar]]:
    """Returns the bars of each group: the share 1 - p that is kept of a feature, the most important first."""
    return {
        f"group {group}: kept": [(name, 1.0 - rate, 0.0) for name, rate in ranked_rates(found).items()]
        for group, found in rates.items()
    }


def draw_importance(path: Path, panels: Mapping[str, Sequence[Bar]]) -> None:
    """Writes a panel of bars for each title, at most the first 40; the ending of the path names the format.

    Raises:
        UserError: matplotlib is not installed, or the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError("--plot needs matplotlib, which is not installed: pip install matplotlib.") from None
    shown = {title: bars[:_MOST_BARS] for title, bars in panels.items()}
    heights = [len(bars) + 2.5 for bars in shown.values()]
    figure = Figure(figsize=(7, _ROW_INCHES * sum(heights) + 0.5), layout="constrained")
    axes = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights)
    for (panel,), (title, bars) in zip(axes, shown.items()):
        names, lengths, reaches = zip(*bars)
        # A length that is not defined has no bar, and its name stays.
        lengths, reaches = np.nan_to_num(lengths), np.nan_to_num(reaches)
        panel.barh(range(len(bars)), lengths, xerr=reaches if reaches.any() else None, height=0.7)
        panel.set_yticks(range(len(bars)), names, fontsize=8, parse_math=False)
        panel.invert_yaxis()
        panel.axvline(0.0, color="black", linewidth=0.6)
        panel.set_title(title, loc="left", fontsize=9, fontweight="bold", parse_math=False)
    try:
        figure.savefig(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {reason(error)}. Check the folder.") from None
