"""The Pareto front of a study as a picture."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from easymtl.checkpoints.publishing import reason
from easymtl.errors import UserError

FRONT_NAME = "front.svg"


def can_draw() -> bool:
    """Returns whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def draw_front(path: Path, result: Mapping[str, Any]) -> None:
    """Draws the complete trials by the first two objectives, and the front as a line.

    Args:
        path: of the picture, whose ending names the format.
        result: what `result_of` returned, of a study of at least two objectives.

    Raises:
        UserError: the file cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    first, second = (one["name"] for one in result["objectives"][:2])
    complete = [row for row in result["trials"] if row["state"] == "complete"]
    front = sorted((row for row in complete if row["number"] in result["best"]), key=lambda row: row["values"][0])
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(*_columns(complete), "o", color="#999999", markersize=4, label="trials")

    axes.plot(*_columns(front), "o-", color="#0072B2", label="Pareto front")
    for row in front:
        axes.annotate(str(row["number"]), row["values"][:2], textcoords="offset points", xytext=(5, 5), fontsize=8)
    axes.set_xlabel(_axis(first, result["objectives"][0]["bigger"]), parse_math=False)
    axes.set_ylabel(_axis(second, result["objectives"][1]["bigger"]), parse_math=False)
    axes.legend()
    try:
        # The same study is the same file.
        with rc_context({"svg.hashsalt": "easymtl", "svg.fonttype": "none"}):
            figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {reason(error)}. Check the folder.") from None


def _columns(rows: list[Mapping[str, Any]]) -> tuple[list[float], list[float]]:
    return [row["values"][0] for row in rows], [row["values"][1] for row in rows]


def _axis(name: str, bigger: bool) -> str:
    return f"{name} ({'more' if bigger else 'less'} is better)"
