"""Does training in bfloat16 cost quality? Paired trainings in float32 and bfloat16, and how their test AUC differs.

    python -m benchmarks.precision [--seeds 5] [--configs mmoe_on_census ...]
    python -m benchmarks.precision --table

A pair shares data, initial weights and the order of rows; only `train_config.mixed_precision` differs. After a
training the evaluation rows are scored twice: in the precision of training, as `easymtl train` and `easymtl eval` do
it, and in float32, as the exported model does it (`served`). A third training is the control: float32 again, with
TensorFlow's own kernels in place of oneDNN's, which only add in another order. What it differs by is what rounding
alone does to a training; a difference of bfloat16 that is no larger says nothing against it.

A finished training is in `results/precision.csv`, a row for each of its tasks, and is not done again: stop it whenever
you like, and run it again to go on. Seeds are done one after the other, so that the table of a part is fair. `--table`
prints what there is. Synthetic data is made; a config whose data is not there is left out, in so many words.
"""

import argparse
import itertools
import math
import multiprocessing
import os
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
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.config import load_config, view

RESULTS = Path(__file__).parent / "results" / "precision.csv"
KEYS = ("config", "rows", "seed", "precision", "task")
CONTROL = "FLOAT32_EIGEN"
PRECISIONS = ("FLOAT32", "BFLOAT16", CONTROL)
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
    """The AUC of a task in float32 and in another way, a value for each seed that has both, `[pairs]`."""

    float32: np.ndarray
    other: np.ndarray

    @property
    def differences(self) -> np.ndarray:
        """The other AUC over that in float32."""
        return self.other - self.float32

    @property
    def mean(self) -> float:
        """The mean difference."""
        return float(self.differences.mean())

    @property
    def rms(self) -> float:
        """The root of the mean square of the differences: how far two trainings of a pair are apart."""
        return float(np.sqrt(np.mean(np.square(self.differences))))

    @property
    def standard_error(self) -> float:
        """That of the mean difference; infinite of a single pair."""
        num_pairs = len(self.differences)
        return float(self.differences.std(ddof=1) / math.sqrt(num_pairs)) if num_pairs > 1 else math.inf

    @property
    def verdict(self) -> str:
        """Whether the true mean is within the bar, beyond it, or one cannot say: two standard errors on either side."""
        if abs(self.mean) + 2 * self.standard_error < BAR:
            return "within"
        return "beyond" if abs(self.mean) - 2 * self.standard_error > BAR else "undecided"


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
        for training in itertools.product(range(1, options.seeds + 1), options.configs, options.precisions):
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
    if precision == CONTROL:
        os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
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

    from easymtl.scoring.evaluation import evaluate
    from easymtl.scoring.scorer import RankerScorer
    from easymtl.training.trainer import Trainer

    with tempfile.TemporaryDirectory() as model_dir:
        settings = [f"model_dir={model_dir}", f"train_config.mixed_precision={precision.partition('_')[0]}"]
        trainer = Trainer(load_config(str(CONFIGS / f"{name}.config"), [*overrides, *settings]), lambda event: None)
        trained = trainer.run().metrics
        served = evaluate(trainer.pipeline, trainer.ranker.tasks, RankerScorer(trainer.ranker, tf.float32)).metrics
    return trained, served


def pairs_of(rows: Sequence[Row], measure: str, other: str = "BFLOAT16") -> dict[tuple[str, str], Pairs]:
    """Returns the pairs of each (config, task) on the data that `WORKLOADS` says; a seed with one half is left out."""
    found: dict[tuple[str, str], dict[str, dict[int, float]]] = {}
    for row in rows:
        name = str(row["config"])
        if name in WORKLOADS and row["rows"] == WORKLOADS[name].rows:
            of_task = found.setdefault((name, str(row["task"])), {precision: {} for precision in PRECISIONS})
            of_task[str(row["precision"])][int(row["seed"])] = float(row[measure])
    pairs = {key: _paired(by_precision["FLOAT32"], by_precision[other]) for key, by_precision in found.items()}
    return {key: one for key, one in pairs.items() if len(one.float32)}


def _paired(first: Mapping[int, float], second: Mapping[int, float]) -> Pairs:
    seeds = sorted(set(first) & set(second))
    return Pairs(np.array([first[seed] for seed in seeds]), np.array([second[seed] for seed in seeds]))


def table(rows: Sequence[Row], measure: str) -> Table:
    """Returns the mean AUC of both precisions and their paired difference, a line for each config and task."""
    result = Table(title=f"Test AUC, {MEASURES[measure]}; differences within a seed, bar {BAR:g}")
    numbers = ("FLOAT32", "BFLOAT16", "difference", "standard error", "pairs", "rms", "control rms")
    for heading in ("config", "task", *numbers, "verdict"):
        result.add_column(heading, justify="right" if heading in numbers else "left")
    controls = pairs_of(rows, measure, CONTROL)
    for (name, task), pairs in pairs_of(rows, measure).items():
        means = [f"{values.mean():.5f}" for values in (pairs.float32, pairs.other)]
        control = f"{controls[name, task].rms:.5f}" if (name, task) in controls else "-"
        cells = [f"{pairs.mean:+.5f}", f"{pairs.standard_error:.5f}", str(len(pairs.float32)), f"{pairs.rms:.5f}"]
        result.add_row(name, task, *means, *cells, control, pairs.verdict)
    return result


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--configs", nargs="+", choices=list(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="print the tables of what is finished, and train nothing")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
