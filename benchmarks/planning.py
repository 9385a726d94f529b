"""What `easymtl plan` expects of workers, beside what workers on this machine have sent and worked.

    python -m benchmarks.planning [--workers 3] [--steps 60] [--rows 200000] [--out benchmarks/results/planning.json]

measures rates as `easymtl plan --measure` does, then trains with 1, 2, ... workers as `easymtl launch` starts them,
first with replicated, then with sharded tables. Bytes are those of what the common operations are handed; processor
time is that of the worker's process, threads and all. Both are of the steps behind the first ones. Seconds are not
compared: workers that share the cores of one machine do not show how fast machines of their own would be.

    python -m benchmarks.planning worker OUT CONFIG OVERRIDE...

is one worker, with a `TF_CONFIG`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.workloads import saving_once
from easymtl.launch.ports import Ports
from easymtl.launch.shares import shares
from easymtl.launch.workers import Workers
from easymtl.peers.cluster import VARIABLE, Cluster

CONFIG = Path("samples/configs/dbmtl_on_taobao.config")
RESULTS = Path(__file__).parent / "results" / "planning.json"
LAYOUTS = ("REPLICATED", "SHARDED")
_WARM_UP = 10
_BATCH_SIZE = 1024


def sent_by_sum(num_bytes: float, workers: int) -> float:
    """Returns the bytes that a worker sends to add up so many in a ring."""
    return 2 * num_bytes * (workers - 1) / workers


def sent_by_gather(num_bytes: float, workers: int) -> float:
    """Returns the bytes that a worker sends when each hands so many in, and all get all."""
    return num_bytes * (workers - 1)


def sent_by_exchange(num_bytes: float, workers: int) -> float:
    """Returns the bytes that a worker sends when it hands in so many, a part for each worker, itself among them."""
    return num_bytes * (workers - 1) / workers


def error(expected: float, measured: float) -> float | None:
    """Returns by which share of what was measured the expected number is too high; None of nothing."""
    return (expected - measured) / measured if measured else None


def compare(scaling: Sequence[dict], measured: dict[int, dict]) -> list[dict]:
    """Returns a row for each number of workers: what was expected, what was measured, and the error.

    Args:
        scaling: of the plan, as its line of JSON has it.
        measured: means over the workers, by their number.
    """
    rows = []
    for scale in scaling:
        found = measured[scale["workers"]]
        sent = scale["sent"]["total"]
        rows.append(
            {
                "workers": scale["workers"],
                "expected_bytes": sent,
                "measured_bytes": found["bytes"],
                "bytes_error": error(sent, found["bytes"]),
                "expected_cpu_seconds": scale["cpu_seconds"],
                "measured_cpu_seconds": found["cpu_seconds"],
                "cpu_error": error(scale["cpu_seconds"], found["cpu_seconds"]),
                "collectives": found["collectives"],
            }
        )
    return rows


def markdown(rows: Sequence[dict]) -> str:
    """Returns the table of a guide."""
    lines = [
        "| Workers | Bytes sent: expected | measured | error | Processor time: expected | measured | error |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        sent = [f"{row[f'{kind}_bytes'] / 1e6:.3f} MB" for kind in ("expected", "measured")]
        cpu = [f"{row[f'{kind}_cpu_seconds'] * 1e3:.1f} ms" for kind in ("expected", "measured")]
        cells = [*sent, _percent(row["bytes_error"]), *cpu, _percent(row["cpu_error"])]
        lines.append(f"| {row['workers']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:+.1%}"


def train(workers: int, config: Path, overrides: Sequence[str], folder: Path) -> dict:
    """Trains with some workers, and returns means over them: `bytes`, `cpu_seconds` and `collectives` of a step."""
    folder.mkdir(exist_ok=True)
    out = folder / f"of_{workers}"
    settings = [*overrides, *saving_once(str(folder / f"model_{workers}"), 1000)]
    command = [sys.executable, "-m", "benchmarks.planning", "worker", str(out), str(config), *settings]
    heard: list[str] = []
    with Ports(workers) as ports:
        environs = []
        for index, own in enumerate(shares(os.environ, workers)):
            cluster = Cluster(index, workers, ports.addresses)
            of_worker = {VARIABLE: cluster.tf_config()} if workers > 1 else {}
            environs.append({**os.environ, **own, **of_worker})
        ended = Workers([command] * workers, environs, lambda index, line: heard.append(f"[{index}] {line}")).wait()
    if ended.code:
        raise SystemExit("\n".join(heard))
    found = [json.loads(Path(f"{out}-{index}.json").read_text(encoding="utf-8")) for index in range(workers)]
    return {name: statistics.mean(one[name] for one in found) for name in ("bytes", "cpu_seconds", "collectives")}


class Meter:
    """Counts, in the process of a worker, what is handed to common operations and the time of the processor."""

    def __init__(self) -> None:
        import tensorflow as tf

        from easymtl.peers.workers import Workers as Together

        self._tf = tf
        self._sent = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        self._calls = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._marks: list[tuple[float, float, int]] = []
        Together._reduce = self._counted(Together._reduce, sent_by_sum)  # type: ignore[method-assign]
        Together._gather = self._counted(Together._gather, sent_by_gather)  # type: ignore[method-assign]
        Together._all_to_all = self._counted(Together._all_to_all, sent_by_exchange)  # type: ignore[method-assign]

    def _counted(self, operation, sent):
        def run(peers, value, key):
            num_bytes = self._tf.cast(self._tf.size(value) * value.dtype.size, self._tf.float64)
            self._sent.assign_add(sent(num_bytes, peers.size))
            self._calls.assign_add(1)
            return operation(peers, value, key)

        return run

    def mark(self) -> None:
        """Notes where the counters stand, between two steps."""
        self._marks.append((time.process_time(), float(self._sent), int(self._calls)))

    def result(self) -> dict[str, float]:
        """Returns the means of the steps behind the first ones."""
        first, last = self._marks[_WARM_UP], self._marks[-1]
        steps = len(self._marks) - 1 - _WARM_UP
        cpu, sent, calls = ((end - begin) / steps for begin, end in zip(first, last))
        return {"cpu_seconds": cpu, "bytes": sent, "collectives": calls}


def _worker(out: str, config: str, overrides: Sequence[str]) -> None:
    from easymtl.api.training import ready_to_train
    from easymtl.api.working_together import asked, beats
    from easymtl.config import load_config

    loaded = load_config(config, overrides)
    with ready_to_train(loaded, True) as worker:
        from easymtl.training import trainer

        meter = Meter()
        make = trainer.make_train_step

        class Metered:
            """A step that has the meter marked before it."""

            def __init__(self, *arguments):
                self._step = make(*arguments)

            def __getattr__(self, name):
                return getattr(self._step, name)

            def __call__(self, *batch):
                meter.mark()
                return self._step(*batch)

        trainer.make_train_step = Metered
        signs = worker.signs
        trainer.Trainer(loaded, beats(signs), asked(signs, lambda: False), peers=worker.peers()).run()
        Path(f"{out}-{worker.cluster.index}.json").write_text(json.dumps(meter.result()), encoding="utf-8")


def _plan(workers: int, config: Path, overrides: Sequence[str], folder: Path) -> dict:
    """Returns the plan; what was measured for one is taken for the next."""
    settings = [word for one in overrides for word in ("--set", one)]
    rates = folder / "rates.json"
    words = ["plan", str(config), "--workers", str(workers), "--rates", str(rates)]
    words += [] if rates.exists() else ["--measure"]
    command = [sys.executable, "-m", "easymtl", *words, "--log_format", "json", *settings]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measures, prints the table and keeps the numbers."""
    parser = argparse.ArgumentParser(description="What easymtl plan expects, beside what was measured.")
    parser.add_argument("--workers", type=int, default=3, help="the most; 1, 2, ... of them are trained with")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make = [sys.executable, "-m", "easymtl", "synth", "taobao", "--rows", str(options.rows), "--out", name]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
        overrides = [
            f"train_input_path={next(folder.rglob('train.*'))}",
            "eval_input_path=",
            f"data_config.batch_size={_BATCH_SIZE}",
            "data_config.num_epochs=0",
            f"train_config.num_steps={options.steps + _WARM_UP + 1}",
            "train_config.mixed_precision=FLOAT32",
        ]
        rows = {}
        for layout in LAYOUTS:
            settings = [*overrides, f"train_config.table_sharding={layout}"]
            plan = _plan(options.workers, CONFIG, settings, folder)
            measured = {scale["workers"]: {} for scale in plan["scaling"]}
            for workers in measured:
                measured[workers] = train(workers, CONFIG, settings, folder / layout)
            rows[layout] = compare(plan["scaling"], measured)
    kept = {name: plan[name] for name in ("dense", "distinct_by_width", "batch_size", "rates", "rates_source")}
    result = {"config": str(CONFIG), "steps": options.steps, "load": os.getloadavg()[0], **kept, "rows": rows}
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for layout, found in rows.items():
        print(f"{layout}\n\n{markdown(found)}\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        _worker(sys.argv[2], sys.argv[3], sys.argv[4:])
    else:
        main()
