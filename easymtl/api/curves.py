"""Learning curves as a figure."""

import math
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pandas as pd

from easymtl.config import view
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL = (4.2, 3.0)
_PANELS_IN_A_ROW = 3
_LOSS = "loss"


def draw_curves(pipeline: Pipeline, history: pd.DataFrame) -> "Figure":
    """Returns a figure of the loss and of the first metric of each tower, over the steps.

    Args:
        pipeline: of the training.
        history: see `Run.history`.

    Raises:
        UserError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise UserError("plot() needs matplotlib, which is not installed: pip install 'easymtl[plot]'")
    from matplotlib import pyplot

    results = [_LOSS, *(result for result in view.metric_results(pipeline) if f"eval_{result}" in history)]
    first = list(dict.fromkeys(_first_of_each(pipeline, results)))
    num_columns = min(len(first), _PANELS_IN_A_ROW)
    num_rows = math.ceil(len(first) / num_columns)
    figure = pyplot.figure(figsize=(_PANEL[0] * num_columns, _PANEL[1] * num_rows), layout="constrained")
    # A notebook shows what a cell returns; what is open besides it would show twice.
    pyplot.close(figure)
    for place, result in enumerate(first):
        _draw(figure.add_subplot(num_rows, num_columns, place + 1), history, result)
    return figure


def _first_of_each(pipeline: Pipeline, results: list[str]) -> list[str]:
    """Returns the loss, and the first metric of each tower that has one."""
    found = [_LOSS]
    for tower in view.task_towers(pipeline):
        names = view.result_names(pipeline)[tower.tower_name]
        own = [result for name in names for result in view.results_of_tower(tower, name)]
        found += [result for result in own if result in results][:1]
    return found


def _draw(axes: "Axes", history: pd.DataFrame, result: str) -> None:
    for part, style in (("train", {"alpha": 0.7}), ("eval", {"marker": "o", "markersize": 3})):
        column = f"{part}_{result}"
        if column in history:
            values = history[column].dropna()
            axes.plot(values.index, values.to_numpy(), label=part, **style)
    axes.set_title(result)
    axes.set_xlabel("step")
    if axes.lines:
        axes.legend()
