"""How fast training is, beside the processor's limit and other libraries: `make bench`.

    python -m benchmarks.speed [--only taobao_dbmtl,...] [--rounds 5] [--steps 30] [--rows 400000] [--peers FOLDER]

For each workload (benchmarks/workloads.py), round by round and in turn, so that all meet the same machine:
  products      the matrix products of the network, forward and backward, and nothing else: the limit
  step          the update on one batch, without reading
  training      `easymtl train` from files, parsing included, the first 20 steps left out
  peers         the same network in DeepCTR and torch-rechub on arrays in memory, with `--peers`
and once: evaluation, prediction, seconds to the first step of a new process, peak memory. A ratio is the median of the
rounds, with its range. Everything also goes into a JSON file.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from easymtl.verbs.tensorflow_start import start_tensorflow

start_tensorflow()

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from benchmarks.measures import Measure, first_step, precision_name  # noqa: E402
from benchmarks.peer_data import write_arrays  # noqa: E402
from benchmarks.peers import PEERS, Peer  # noqa: E402
from benchmarks.workloads import WORKLOADS, DataFiles, Workload  # noqa: E402
from easymtl.config import load_config  # noqa: E402

PRECISIONS = ("FLOAT32", "AUTO")
_PEER_WARM_UP = 10
_PEER_BATCHES = 16


def main() -> None:
    """Measures, prints a table for each workload, and writes all of it as JSON."""
    options = _options()
    chosen = [workload for workload in WORKLOADS if not options.only or workload.name in options.only.split(",")]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        data = DataFiles(Path(folder) / "data", options.rows)
        for workload in chosen:
            if not workload.is_available:
                print(f"{workload.name}: its data is not there; samples/README.md tells how to get it.")
                continue
            found[workload.name] = _measure(workload, data, Path(folder), options)
            _print(workload.name, found[workload.name])
    Path(options.out).parent.mkdir(parents=True, exist_ok=True)
    Path(options.out).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"Written to {options.out}")


def _measure(workload: Workload, data: DataFiles, folder: Path, options: argparse.Namespace) -> dict:
    """Returns rates and ratios of a workload, by precision."""
    config = workload.write_config(folder)
    formats = {name: data.overrides(workload, name) for name in workload.formats}
    measures = {name: Measure(config, formats, name) for name in PRECISIONS}
    peers = PEERS if options.peers and workload.peer else []
    arrays = folder / f"{workload.name}-arrays"
    if peers:
        arrays.mkdir()
        loaded = load_config(str(config), next(iter(formats.values())))
        write_arrays(workload, loaded, arrays, _PEER_BATCHES, _PEER_WARM_UP, options.steps)
    of_peers: dict[str, list[float]] = {peer.name: [] for peer in peers}
    for _ in range(options.rounds):
        for measure in measures.values():
            measure.round(options.steps)
        for peer in peers:
            of_peers[peer.name].append(_rate_of(peer, Path(options.peers), arrays))
    for measure in measures.values():
        measure.score()
    started = first_step(config, next(iter(formats.values())))
    return {
        "precisions": {name: _summary(measure, of_peers) for name, measure in measures.items()},
        "peers": {name: {"median": statistics.median(rates), "rates": rates} for name, rates in of_peers.items()},
        **started,
    }


def _rate_of(peer: Peer, environments: Path, arrays: Path) -> float:
    return peer.examples_per_second(environments, arrays)


def _summary(measure: Measure, of_peers: dict[str, list[float]]) -> dict:
    """Returns the medians of the rates, and the ratios that say something: median and range."""
    trained = [name for name in measure.rates if name.startswith("training")]
    best = measure.rates[trained[-1]]
    operations = 6 * measure.num_weights / 1e9
    ratios = {"step / limit": _ratio(measure.ratio("step", "products"))}
    ratios |= {f"{name} / step": _ratio(measure.ratio(name, "step")) for name in trained}
    ratios |= {
        f"{trained[-1]} / {peer}": _ratio([ours / theirs for ours, theirs in zip(best, rates)])
        for peer, rates in of_peers.items()
    }
    return {
        "precision": precision_name(measure.precision),
        "GFLOP/s of the products": operations * statistics.median(measure.rates["products"]),
        "examples per second": {name: statistics.median(rates) for name, rates in measure.rates.items()},
        "waiting for input": {name: statistics.median(shares) for name, shares in measure.wait_shares.items()},
        "ratios": ratios,
    }


def _ratio(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}


def _print(name: str, found: dict) -> None:
    precisions = found["precisions"]
    table = Table(name, *[f"{asked} ({said['precision']})" for asked, said in precisions.items()])
    columns = list(precisions.values())
    _row(table, "products, GFLOP/s", [f"{column['GFLOP/s of the products']:,.0f}" for column in columns])
    for rate in columns[0]["examples per second"]:
        _row(table, f"{rate}, examples/s", [f"{column['examples per second'][rate]:,.0f}" for column in columns])
    for peer, said in found["peers"].items():
        _row(table, f"{peer}, examples/s", [f"{said['median']:,.0f}"] * len(columns))
    for ratio in columns[0]["ratios"]:
        _row(table, ratio, [_text(column["ratios"][ratio]) for column in columns])
    for file_format in columns[0]["waiting for input"]:
        shares = [f"{column['waiting for input'][file_format]:.1%}" for column in columns]
        _row(table, f"waiting for input, {file_format}", shares)
    _row(table, "first step, seconds", [f"{found['first_step_seconds']:.1f}"] * len(columns))
    _row(table, "peak memory, GB", [f"{found['peak_bytes'] / 1e9:.2f}"] * len(columns))
    Console().print(table)


def _row(table: Table, name: str, values: Sequence[str]) -> None:
    table.add_row(name, *values)


def _text(ratio: dict[str, float]) -> str:
    return f"{ratio['median']:.2f} ({ratio['lowest']:.2f} to {ratio['highest']:.2f})"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names of workloads, with commas; all of them if not given")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rows", type=int, default=400_000, help="of the training files that are made")
    parser.add_argument("--peers", default="", help="folder of the other libraries' environments, made if needed")
    parser.add_argument("--out", default="benchmarks/results/speed.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
