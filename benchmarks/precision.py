"""Does training in bfloat16 cost quality? Paired trainings in float32 and bfloat16, and how their test AUC differs.

    python -m benchmarks.precision [--seeds 8] [--configs mmoe_on_census ...]
    python -m benchmarks.precision --table

A pair shares data, initial weights and the order of rows; only `train_config.mixed_precision` differs. After a
training the evaluation rows are scored twice: in the precision of training, as `easymtl train` and `easymtl eval` do
it, and in float32, as the exported model does it (`served`).

A finished training is in `results/precision.csv`, a row for each of its tasks, and is not done again: stop it whenever
you like, and run it again to go on. Seeds are done one after the other, so that the table of a part is fair. `--table`
prints what there is. Synthetic data is made; a config whose data is not there is left out, in so many words.
"""

import argparse
import itertools
import math
import multiprocessing
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.kept_rows import KeptRows, Value
from benchmarks.sample_data import CONFIGS, DataMissing, data_overrides
from easymtl.config import load_config, view
from easymtl.verbs.tensorflow_start import start_tensorflow

RESULTS = Path(__file__).parent / "results" / "precision.csv"
KEYS = ("config", "rows", "seed", "precision", "task")
PRECISIONS = ("FLOAT32", "BFLOAT16")
MEASURES = {"auc": "trained precision", "served": "served in float32"}
BAR = 0.0005
Row = dict[str, Value]


@dataclass(frozen=True)
class Workload:
    """A sample config and how much data it trains on.

    Attributes:
      rows: of the training file, if it is made; Census-Income is what it is.
      eval_rows: of the evaluation file, if it is made.
      overrides: what is set besides.
    """

    rows: int
    eval_rows: int
    overrides: tuple[str, ...] = ()


WORKLOADS = {
    "mmoe_on_census": Workload(60_000, 19_762),
    "dbmtl_on_census": Workload(60_000, 19_762),
    "dbmtl_on_livestream": Workload(400_000, 200_000),
    "dbmtl_on_taobao": Workload(400_000, 200_000, ("data_config.batch_size=1024", "data_config.eval_batch_size=4096")),
}


@dataclass(frozen=True)
class Pairs:
    """The AUC of a task in both precisions, a value for each seed that has both, `[pairs]`."""

    float32: np.ndarray
    bfloat16: np.ndarray

    @property
    def differences(self) -> np.ndarray:
        """AUC in bfloat16 over that in float32."""
        return self.bfloat16 - self.float32

    @property
    def mean(self) -> float:
        """The mean difference."""
        return float(self.differences.mean())

    @property
    def standard_error(self) -> float:
        """That of the mean difference; NaN of a single pair."""
        num_pairs = len(self.differences)
        return float(self.differences.std(ddof=1) / math.sqrt(num_pairs)) if num_pairs > 1 else math.nan

    @property
    def verdict(self) -> str:
        """What the spread lets one say of the bar: two standard errors on either side of the mean decide."""
        if not abs(self.mean) < BAR:
            return "beyond the bar"
        spread = 2 * self.standard_error
        return "within, by two errors" if abs(self.mean) + spread < BAR else "mean within"


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains what is not in the results file yet, and prints the table."""
    options = _options(arguments)
    if not options.table:
        _train_all(options)
    kept = KeptRows(options.results, KEYS)
    for measure in MEASURES:
        Console(width=140).print(table(kept.rows, measure))


def _train_all(options: argparse.Namespace) -> None:
    # TensorFlow gives the memory of a traced graph back only when its process ends: one for each training.
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, spawn.Pool(1, maxtasksperchild=1) as pool:
        for training in itertools.product(range(1, options.seeds + 1), options.configs, PRECISIONS):
            pool.apply(_train_missing, (*training, Path(folder), options.results))


def _train_missing(seed: int, name: str, precision: str, folder: Path, results: Path) -> None:
    """Does a training unless each of its tasks is in the results."""
    kept = KeptRows(results, KEYS)
    work = WORKLOADS[name]
    keys = {task: (name, work.rows, seed, precision, task) for task in tasks_of(name)}
    if all(key in kept for key in keys.values()):
        return
    try:
        data = data_overrides(name, work.rows, work.eval_rows, folder)
    except DataMissing as error:
        print(f"{name}: left out: {error}", flush=True)
        return
    start_tensorflow()
    begin = time.perf_counter()
    trained, served = train(name, [*data, *work.overrides, f"train_config.seed={seed}"], precision)
    seconds = round(time.perf_counter() - begin, 1)
    for task, key in keys.items():
        if key not in kept:
            aucs = {"auc": round(trained[f"auc_{task}"], 7), "served": round(served[f"auc_{task}"], 7)}
            kept.append({**dict(zip(KEYS, key)), **aucs, "seconds": seconds})
            print(*(f"{column}={value}" for column, value in kept.rows[-1].items()), flush=True)


def tasks_of(name: str) -> list[str]:
    """Returns the tasks of a sample config that are measured by their AUC."""
    metrics = view.metric_results(load_config(str(CONFIGS / f"{name}.config")).pipeline)
    return [metric.removeprefix("auc_") for metric in metrics if metric.startswith("auc_")]


def train(name: str, overrides: Sequence[str], precision: str) -> tuple[dict[str, float], dict[str, float]]:
    """Trains a sample config; returns its test metrics in the precision of training, and in float32."""
    import tensorflow as tf

    from easymtl.training.evaluation import RankerScorer, evaluate
    from easymtl.training.trainer import Trainer

    with tempfile.TemporaryDirectory() as model_dir:
        settings = [f"model_dir={model_dir}", f"train_config.mixed_precision={precision}"]
        trainer = Trainer(load_config(str(CONFIGS / f"{name}.config"), [*overrides, *settings]), lambda event: None)
        trained = trainer.run().metrics
        served = evaluate(trainer.pipeline, trainer.ranker.tasks, RankerScorer(trainer.ranker, tf.float32)).metrics
    return trained, served


def pairs_of(rows: Sequence[Row], measure: str) -> dict[tuple[str, str], Pairs]:
    """Returns the pairs of each (config, task) on the data that `WORKLOADS` says; a seed with one half is left out."""
    found: dict[tuple[str, str], dict[str, dict[int, float]]] = {}
    for row in rows:
        name = str(row["config"])
        if name in WORKLOADS and row["rows"] == WORKLOADS[name].rows:
            of_task = found.setdefault((name, str(row["task"])), {precision: {} for precision in PRECISIONS})
            of_task[str(row["precision"])][int(row["seed"])] = float(row[measure])
    return {key: pairs for key, by_precision in found.items() if len((pairs := _paired(by_precision)).float32)}


def _paired(by_precision: Mapping[str, Mapping[int, float]]) -> Pairs:
    float32, bfloat16 = (by_precision[precision] for precision in PRECISIONS)
    seeds = sorted(set(float32) & set(bfloat16))
    return Pairs(np.array([float32[seed] for seed in seeds]), np.array([bfloat16[seed] for seed in seeds]))


def table(rows: Sequence[Row], measure: str) -> Table:
    """Returns the mean AUC of both precisions and their paired difference, a line for each config and task."""
    result = Table(title=f"Test AUC, {MEASURES[measure]}; differences within a seed, bar {BAR:g}")
    for heading in ("config", "task", *PRECISIONS, "difference", "standard error", "pairs", "over seeds", "verdict"):
        result.add_column(heading, justify="left" if heading in ("config", "task", "verdict") else "right")
    for (name, task), pairs in pairs_of(rows, measure).items():
        means = [f"{values.mean():.5f}" for values in (pairs.float32, pairs.bfloat16)]
        spread = f"{pairs.float32.std(ddof=1):.5f}" if len(pairs.float32) > 1 else "-"
        cells = [f"{pairs.mean:+.5f}", f"{pairs.standard_error:.5f}", str(len(pairs.float32)), spread, pairs.verdict]
        result.add_row(name, task, *means, *cells)
    return result


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--configs", nargs="+", choices=list(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="print the tables of what is finished, and train nothing")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
