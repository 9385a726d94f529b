"""The tables of a `speed.json` (see benchmarks/speed.py), as Markdown."""

import statistics
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.bars import Values, peer_rates, quotients, rates

_GIGA = 1e9
_OPERATIONS = 6
"""For a weight and a row: a multiplication and an addition, forward, backward to the inputs, backward to the weight."""

_LABELS = {"products": "matrix products alone", "roofline": "products and unavoidable bytes"}


def markdown(found: Mapping) -> str:
    """Returns all tables of a run."""
    parts = [machine(found["machine"]), bar_table(found["bars"])]
    parts += [workload_table(found, name) for name in found["workloads"]]
    return "\n\n".join(parts) + "\n"


def machine(said: Mapping) -> str:
    """Returns a sentence on where and when a run was made, and how long it took."""
    minutes = said["seconds"] / 60
    peak = said.get("peak_bytes")
    largest = f", largest process: {peak / _GIGA:.1f} GB" if peak else ""
    return (
        f"{said['date']}, {said['cores']} cores of {said['processor']}, TensorFlow {said['tensorflow']}, "
        f"{said['rounds']} rounds, {minutes:.0f} minutes in all{largest}; "
        f"load of the machine before: {said['load']:.1f}."
    )


def bar_table(bars: Sequence[Mapping]) -> str:
    """Returns the table of the bars: median of the rounds, lowest to highest."""
    rows = []
    for bar in bars:
        unit = f" {bar['unit']}" if bar["unit"] else ""
        sign = "<= " if bar["is_most"] else ""
        asked = [f"{sign}{_plain(bar[name])}{unit}" if bar[name] is not None else "" for name in ("bar", "aim")]
        measured = _spread(bar["median"], bar["lowest"], bar["highest"]) + unit if "median" in bar else "-"
        met = {True: "yes", False: "**no**", None: ""}[bar["is_met"]]
        what = f"{bar['what']} ({bar['note']})" if bar["note"] else bar["what"]
        rows.append([bar["number"], what, *asked, measured, met])
    return _table(["#", "What", "Bar", "Aim", "Measured", "Met"], rows)


def workload_table(found: Mapping, name: str) -> str:
    """Returns the table of one workload: rates and ratios by precision."""
    said = found["workloads"][name]
    columns = said["precisions"]
    head = [
        name,
        *(asked if asked == one["precision"] else f"{asked}: {one['precision']}" for asked, one in columns.items()),
    ]
    rows = [[label, *cells] for label, cells in _rows(found, name, list(columns))]
    started = said["started"]
    rows.append(["first step of a new process, s", f"{started['first_step_seconds']:.1f}", *[""] * (len(columns) - 1)])
    if started["peak_bytes"]:
        rows.append(["peak memory, GB", f"{started['peak_bytes'] / _GIGA:.2f}", *[""] * (len(columns) - 1)])
    return _table(head, rows)


def _rows(found: Mapping, name: str, precisions: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    said = found["workloads"][name]
    yield "matrix products alone, GFLOP/s", [f"{product_rate(said, one):,.0f}" for one in precisions]
    measured = list(dict.fromkeys(key for one in said["precisions"].values() for key in one["rates"]))
    for key in measured:
        label = _LABELS.get(key, key)
        yield f"{label}, examples/s", [_median(rates(found, name, one, key)) for one in precisions]
    for peer in said["peers"]:
        yield f"{peer}, examples/s", [_median(peer_rates(found, name, peer))] * len(precisions)
    yield from _ratios(found, name, precisions, [key for key in measured if key.startswith("training")])
    for file_format in said["precisions"][precisions[0]]["wait_shares"]:
        shares = [said["precisions"][one]["wait_shares"].get(file_format, ()) for one in precisions]
        cells = [f"{statistics.median(values):.1%}" if values else "-" for values in shares]
        yield f"waiting for input, {file_format}", cells


def _ratios(
    found: Mapping, name: str, precisions: Sequence[str], trained: Sequence[str]
) -> Iterator[tuple[str, list[str]]]:
    def cells(first: str, others: Sequence[Values]) -> list[str]:
        pairs = zip(precisions, others)
        return [ratio_text(quotients(rates(found, name, one, first), other)) for one, other in pairs]

    for key, label in _LABELS.items():
        limits = [rates(found, name, one, key) for one in precisions]
        if any(limits):
            yield f"step / {label.removesuffix(' alone')}", cells("step", limits)
    for key in trained:
        yield f"{key} / step", cells(key, [rates(found, name, one, "step") for one in precisions])
    for peer in found["workloads"][name]["peers"]:
        yield f"{trained[-1]} / {peer}", cells(trained[-1], [peer_rates(found, name, peer)] * len(precisions))


def product_rate(said: Mapping, precision: str) -> float:
    """Returns the GFLOP/s of the matrix products of a workload."""
    products = statistics.median(said["precisions"][precision]["rates"]["products"])
    return _OPERATIONS * said["weights"] * products / _GIGA


def ratio_text(values: Values) -> str:
    """Returns the median of the rounds with its range."""
    return _spread(statistics.median(values), min(values), max(values)) if values else "-"


def _spread(median: float, lowest: float, highest: float) -> str:
    return f"{_number(median)} ({_number(lowest)} to {_number(highest)})"


def _median(values: Values) -> str:
    return f"{statistics.median(values):,.0f}" if values else "-"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _plain(value: float) -> str:
    return f"{value:g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
