"""Draws the speeds of a run: `python -m benchmarks.plot [benchmarks/results/speed.json] [--out docs/images/speed.svg]`.

A row for each workload: on the left examples per second, ours and those of other libraries; on the right what share
of the speed of its matrix products alone the step reaches. Bars are medians of the rounds, thin lines reach from the
lowest to the highest.
"""

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.bars import Values, peer_rates, quotients, rates

SERIES = ("easymtl, AUTO", "easymtl, float32", "DeepCTR", "torch-rechub")
_COLORS = {"easymtl, AUTO": "#1f5fa8", "easymtl, float32": "#8db8e2", "DeepCTR": "#d9822b", "torch-rechub": "#8c8c8c"}
_ROW_INCHES = 0.25


def speeds(found: Mapping) -> dict[str, dict[str, Values]]:
    """Returns the examples per second of training by workload and series; without what was not measured."""
    result = {}
    for name in found["workloads"]:
        trained = _trained(found, name)
        values = {
            SERIES[0]: rates(found, name, "AUTO", trained),
            SERIES[1]: rates(found, name, "FLOAT32", trained),
            **{peer: peer_rates(found, name, peer) for peer in SERIES[2:]},
        }
        result[name] = {series: measured for series, measured in values.items() if measured}
    return result


def _trained(found: Mapping, name: str) -> str:
    """Returns the last kind of training that was measured in every precision."""
    measured = [one["rates"] for one in found["workloads"][name]["precisions"].values()]
    return [key for key in measured[0] if key.startswith("training") and all(key in one for one in measured)][-1]


def shares(found: Mapping) -> dict[str, dict[str, Values]]:
    """Returns step / matrix products by workload and series."""
    result = {}
    for name in found["workloads"]:
        values = {
            series: quotients(rates(found, name, asked, "step"), rates(found, name, asked, "products"))
            for series, asked in zip(SERIES, ("AUTO", "FLOAT32"))
        }
        result[name] = {series: measured for series, measured in values.items() if measured}
    return result


def draw(found: Mapping, path: Path) -> None:
    """Writes the picture; the ending of the path names its format."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "easymtl", "font.size": 9})
    from matplotlib import pyplot

    panels = list(zip(speeds(found).items(), shares(found).values()))
    heights = [len(speed) + 1.5 for (_, speed), _ in panels]
    size = (9, _ROW_INCHES * sum(heights) + 0.5)
    options = {"width_ratios": (5, 3), "height_ratios": heights, "squeeze": False, "layout": "constrained"}
    figure, axes = pyplot.subplots(len(panels), 2, figsize=size, **options)
    for (left, right), ((name, speed), share) in zip(axes, panels):
        _bars(left, speed, "{:,.0f}", len(speed))
        left.set_title(name, loc="left", fontsize=9, fontweight="bold")
        _bars(right, share, "{:.0%}", len(speed), limit=1.0)
    axes[0, 0].set_title(f"{panels[0][0][0]}: examples/s of training", loc="left", fontsize=9, fontweight="bold")
    axes[0, 1].set_title("step / its matrix products alone", loc="left", fontsize=9, fontweight="bold")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _bars(axes, series: Mapping[str, Values], text: str, places: int, limit: float | None = None) -> None:
    """Draws a horizontal bar for each series, from above, with its value behind it.

    Args:
        axes: of matplotlib.
        series: the values of the rounds by name.
        text: how a value is written.
        places: for how many bars there is room.
        limit: where a line is drawn that no bar should reach, or None.
    """
    longest = max([limit or 0.0, *(max(values) for values in series.values())], default=1.0)
    for place, (name, values) in enumerate(series.items()):
        middle = statistics.median(values)
        axes.barh(place, middle, 0.78, color=_COLORS[name])
        axes.plot([min(values), max(values)], [place, place], color="#333333", linewidth=1)
        axes.text(max(values) + 0.015 * longest, place, text.format(middle), va="center", fontsize=8)
    if limit:
        axes.axvline(limit, color="#333333", linestyle=":", linewidth=1)
    axes.set_yticks(range(len(series)), list(series))
    axes.set(xlim=(0, 1.15 * longest), ylim=(places - 0.5, -0.5), xticks=[])
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="?", default="benchmarks/results/speed.json")
    parser.add_argument("--out", default="docs/images/speed.svg")
    options = parser.parse_args(arguments)
    draw(json.loads(Path(options.results).read_text(encoding="utf-8")), Path(options.out))
    print(f"Written to {options.out}")


if __name__ == "__main__":
    main()
