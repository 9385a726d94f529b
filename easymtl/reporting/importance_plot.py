"""The ranking of features as a picture."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

import numpy as np

from easymtl.checkpoints.publishing import reason
from easymtl.errors import UserError
from easymtl.reporting.importance import Rates, has_elements, ranked_elements, ranked_rates
from easymtl.scoring.importance import Ranking

_ROW_INCHES = 0.22
_MOST_BARS = 40

# Of a bar: what it is of, its length, and how far its interval reaches on both sides.
Bar = tuple[str, float, float]


def can_draw() -> bool:
    """Returns whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def bars_of_tasks(ranking: Ranking) -> dict[str, list[Bar]]:
    """Returns the bars of each task, the most important first."""
    return {
        f"{task}: worse {ones[0].metric}": [(one.part, one.loss, one.high - one.loss) for one in ones]
        for task, ones in ((task, list(group)) for task, group in groupby(ranking.found, key=lambda one: one.task))
    }


def bars_of_rates(rates: Mapping[str, Rates]) -> dict[str, list[Bar]]:
    """Returns the bars of each group: the share 1 - p that is kept of a feature, the most important first.

    Where numbers of a vector have rates of their own, further bars are theirs.
    """
    panels: dict[str, list[Bar]] = {}
    for group, found in rates.items():
        panels[f"group {group}: kept"] = [(name, 1.0 - rate, 0.0) for name, rate in ranked_rates(found).items()]
        if has_elements(found):
            elements = ranked_elements(found).items()
            bars = [(f"{name}[{index}]", 1.0 - rate, 0.0) for (name, index), rate in elements]
            panels[f"group {group}: kept, by element"] = bars
    return panels


def draw_importance(path: Path, panels: Mapping[str, Sequence[Bar]]) -> None:
    """Writes a panel of bars for each title, at most the first 40; the ending of the path names the format.

    Raises:
        UserError: the file cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    heights = [min(len(bars), _MOST_BARS) + 2.5 for bars in panels.values()]
    figure = Figure(figsize=(7, _ROW_INCHES * sum(heights) + 0.5), layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)
    for (panel,), (title, bars) in zip(axes, panels.items()):
        cut = f" (the first {_MOST_BARS} of {len(bars)})" if len(bars) > _MOST_BARS else ""
        names, lengths, reaches = zip(*bars[:_MOST_BARS])
        # A length that is not defined has no bar, and its name stays.
        lengths, reaches = np.nan_to_num(lengths), np.nan_to_num(reaches)
        panel.barh(range(len(names)), lengths, xerr=reaches if reaches.any() else None, height=0.7)
        panel.set_yticks(range(len(names)), names, fontsize=8, parse_math=False)
        panel.invert_yaxis()
        panel.axvline(0.0, color="black", linewidth=0.6)
        panel.set_title(title + cut, loc="left", fontsize=9, fontweight="bold", parse_math=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The same ranking is the same file.
        with rc_context({"svg.hashsalt": "easymtl"}):
            figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {reason(error)}. Check the folder.") from None
