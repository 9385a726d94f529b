"""The bars of speed: what is asked of each measured ratio, and whether it is there.

Everything here goes by the numbers of a `speed.json` (see benchmarks/speed.py), so it needs no measuring.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Values = Sequence[float]

_MAIN = "taobao_dbmtl"
_EASYREC_PEAK_GB = 1.75
_GIGA = 1e9
_ELSEWHERE = (
    ("S12", "first word of any command", 1.0, None, "s", "words"),
    ("S15", "feed alone, processor time for a row of 20 columns, Parquet", 1.5, 1.0, "µs", "feed"),
    ("S15", "feed alone, processor time for a row of 20 columns, CSV", 2.2, 1.8, "µs", "feed"),
    ("S16", "feed from a warm encoded cache", 1.2, 2.0, "million rows/s of a core", "encoded_cache"),
    ("S17", "feed with 2 threads over 1, on two free cores", 1.7, 1.9, "", "feed"),
    ("S18", "tensors that come down from a GPU in a step, beside a refused step's flag", 0.0, 0.0, "", "placement"),
    ("S21", "exported census MMoE at batch 1, processor time: encoder", 0.8, 0.5, "ms", "encoder"),
    ("S21", "exported census MMoE at batch 1, processor time: whole", 1.6, 1.0, "ms", "latency"),
    ("S22", "test suite, processor time over that at 5d272ea", 0.67, 0.5, "", "cost"),
    ("S22", "test suite, largest process", 1.2, None, "GB", "cost"),
)
"""What other commands measure: number, what, bar, aim, unit, command."""
_AT_LEAST = ("S16", "S17")


@dataclass(frozen=True)
class Bar:
    """One line of the table of bars.

    Attributes:
        number: of the bar, such as "S4".
        what: is measured.
        values: of the rounds; empty when nothing was measured here.
        bar: what is asked, or None where only our side is measured here.
        aim: what is hoped for.
        is_most: whether the bar must not be exceeded; else it must be reached.
        unit: of the values; a ratio has none.
        note: what else there is to say.
    """

    number: str
    what: str
    values: Values = ()
    bar: float | None = None
    aim: float | None = None
    is_most: bool = False
    unit: str = ""
    note: str = ""

    @property
    def median(self) -> float | None:
        """Returns the median of the rounds."""
        return statistics.median(self.values) if self.values else None

    @property
    def is_met(self) -> bool | None:
        """Returns whether the median meets the bar; None where that is not decided here."""
        if self.median is None or self.bar is None:
            return None
        return self.median <= self.bar if self.is_most else self.median >= self.bar

    def as_json(self) -> dict:
        """Returns it as what JSON can hold."""
        measured = {}
        if self.values:
            measured = {"median": self.median, "lowest": min(self.values), "highest": max(self.values)}
        asked = {"bar": self.bar, "aim": self.aim, "is_most": self.is_most, "unit": self.unit}
        said = {"is_met": self.is_met, "note": self.note}
        return {"number": self.number, "what": self.what, **asked, **measured, **said}


def quotients(first: Values, second: Values) -> list[float]:
    """Returns first / second round by round; empty when one of them was not measured."""
    return [a / b for a, b in zip(first, second)]


def bars(found: Mapping) -> list[Bar]:
    """Returns all bars by the numbers of a run; those of workloads that were left out have no values."""
    parts = (_training, _peers, _limits, _growth, _scoring, _process, _small_models, _by_other_commands)
    return sorted((bar for part in parts for bar in part(found)), key=lambda bar: int(bar.number[1:]))


def rates(found: Mapping, workload: str, precision: str, name: str) -> Values:
    """Returns examples per second of the rounds, or nothing where they were not measured."""
    return found["workloads"].get(workload, {}).get("precisions", {}).get(precision, {}).get("rates", {}).get(name, ())


def peer_rates(found: Mapping, workload: str, peer: str) -> Values:
    """Returns the examples per second of another library, round by round."""
    return found["workloads"].get(workload, {}).get("peers", {}).get(peer, {}).get("rates", ())


def _training(found: Mapping) -> Iterator[Bar]:
    elsewhere = "over EasyRec on the same machine: {}; EasyRec wants an older TensorFlow and is measured outside"
    for number, precision, bar in (("S1", "AUTO", "bar 5, aim 6"), ("S2", "FLOAT32", "bar 1.8, aim 2.2")):
        values = rates(found, _MAIN, precision, "training from csv")
        what = f"training from CSV, taobao, {precision}"
        yield Bar(number, what, values, unit="examples/s", note=elsewhere.format(bar))
    for number, what, bar in (
        ("S8", "histories of 50 with target attention", "bar 3, aim 5"),
        ("S9", "pair losses by session", "bar 5, aim 10"),
    ):
        yield Bar(number, f"{what} over EasyRec's", note=f"{bar}; EasyRec is measured outside")


def _peers(found: Mapping) -> Iterator[Bar]:
    if not any(said["peers"] for said in found["workloads"].values()):
        yield Bar("S3", "training over other libraries at the same network", (), 3.0, 4.0, note="needs --peers")
    for workload, said in found["workloads"].items():
        if not workload.startswith("taobao"):
            continue
        ours = rates(found, workload, "AUTO", "training from parquet")
        for peer in said["peers"]:
            what = f"training from Parquet, {workload}, AUTO, over {peer}"
            yield Bar("S3", what, quotients(ours, peer_rates(found, workload, peer)), 3.0, 4.0)


def _limits(found: Mapping) -> Iterator[Bar]:
    for precision in ("AUTO", "FLOAT32"):
        step = rates(found, _MAIN, precision, "step")
        values = quotients(step, rates(found, _MAIN, precision, "products"))
        yield Bar("S4", f"step over its matrix products alone, taobao, {precision}", values, 0.65, 0.80)
    for precision, bar, aim in (("AUTO", 0.70, 0.80), ("FLOAT32", 0.80, 0.90)):
        step = rates(found, _MAIN, precision, "step")
        values = quotients(step, rates(found, _MAIN, precision, "roofline"))
        yield Bar("S19", f"step over products and unavoidable bytes, taobao, {precision}", values, bar, aim)
    step = rates(found, _MAIN, "AUTO", "step")
    for file_format, bar in (("csv", 0.92), ("parquet", 0.95)):
        values = quotients(rates(found, _MAIN, "AUTO", f"training from {file_format}"), step)
        yield Bar("S5", f"training from {file_format} over the step alone, taobao, AUTO", values, bar, 0.97)


def _growth(found: Mapping) -> Iterator[Bar]:
    vocabulary = found["scaling"].get("vocabulary", {}).get("seconds", {})
    small, large = sorted(vocabulary, key=int) or ("100000", "20000000")
    values = quotients(vocabulary.get(large, ()), vocabulary.get(small, ()))
    what = f"step with {int(large):,} rows of tables over {int(small):,}, taobao, AUTO"
    yield Bar("S6", what, values, 1.15, 1.05, is_most=True)
    experts = found["scaling"].get("experts", {"seconds": {}, "weights": {}})
    values = per_weight(experts["seconds"], experts["weights"], "32", "4")
    yield Bar("S7", "MMoE of 32 experts over 4, time for an operation, AUTO", values, 1.1, 1.0, is_most=True)


def per_weight(seconds: Mapping[str, Values], weights: Mapping[str, int], first: str, second: str) -> list[float]:
    """Returns the seconds of a step for a dense weight in one model over those in another, round by round.

    A step has 6 operations for each weight and row, so that is the ratio of the seconds for an operation, too.
    """
    return [a / weights[first] / (b / weights[second]) for a, b in zip(seconds.get(first, ()), seconds.get(second, ()))]


def _by_other_commands(found: Mapping) -> Iterator[Bar]:
    values = found["scaling"].get("histories", {}).get("ratios", ())
    what = "step with two histories of 50 (mean 20) and DIN over the same without, float32"
    yield Bar("S20", what, values, 1.6, 1.4, is_most=True)
    for number, what, bar, aim, unit, command in _ELSEWHERE:
        is_most = number not in _AT_LEAST
        yield Bar(number, what, (), bar, aim, is_most, unit, f"`python -m benchmarks.{command}`")


def _scoring(found: Mapping) -> Iterator[Bar]:
    trained = rates(found, _MAIN, "FLOAT32", "training from csv")
    for name, which, bar, aim in (("evaluation", "AUTO", 4.0, 5.0), ("prediction", "float32", 3.0, 4.0)):
        values = quotients(rates(found, _MAIN, "AUTO", name), trained)
        yield Bar("S10", f"{name} ({which}) over training in float32, taobao, from CSV", values, bar, aim)


def _process(found: Mapping) -> Iterator[Bar]:
    started = found["workloads"].get(_MAIN, {}).get("started", {})
    peak = started.get("peak_bytes")
    asked = {"bar": _EASYREC_PEAK_GB, "aim": 0.6 * _EASYREC_PEAK_GB, "is_most": True, "unit": "GB"}
    note = "EasyRec's is 1.75 GB"
    yield Bar("S11", "peak memory of training, taobao, from CSV", [peak / _GIGA] if peak else (), **asked, note=note)
    for command, bar in (("--help", 0.2), ("check", 0.7)):
        values = found["commands"].get(command, ())
        yield Bar("S12", f"easymtl {command}", values, bar, is_most=True, unit="s")
    values = [started["first_step_seconds"]] if started else []
    yield Bar("S12", "first step of a new process, taobao", values, 7.0, 5.0, is_most=True, unit="s")


def _small_models(found: Mapping) -> Iterator[Bar]:
    ours = rates(found, "census_mmoe", "AUTO", "training from parquet")
    values = quotients(ours, peer_rates(found, "census_mmoe", "DeepCTR"))
    yield Bar("S13", "training from Parquet, census_mmoe, AUTO, over DeepCTR's fit in memory", values, 2.2, 3.0)
    ours = rates(found, "tenrec_mlp", "AUTO", "training from parquet")
    note = "Merlin, measured outside: 1,200-3,800 with Adam (bar 100 times), 291,000-328,000 with LazyAdam (bar 1.2)"
    yield Bar("S14", "training from Parquet, tenrec_mlp, AUTO", ours, unit="examples/s", note=note)
