"""The MMoE paper's experiment on synthetic data: does a mixture of experts help, the less related the tasks are?

    python -m benchmarks.mmoe_paper [--seeds 30] [--rate_seeds 3] [--results benchmarks/results/mmoe_paper.csv]
    python -m benchmarks.mmoe_paper --table
    python -m benchmarks.mmoe_paper --seeds 3 --rows 20000 --rates 0.01 --cosines 0.5 1 --at_most 0.1

Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts (Ma et al., 2018), sections 3 and
4. For each seed: `easymtl synth mmoe_paper`; for each cosine p between the tasks and each model, a training as
`easymtl train` does it with `benchmarks/configs/mmoe_paper_<model>.config`. The first `--rate_seeds` seeds train at
each learning rate, and the others at the one that was best for the model and p. The error of a task is its mean
squared error on the evaluation rows over the variance of its label there.

A finished training is a row of the results file and is not done again: stop it whenever you like, and run it again to
go on. Seeds are done one after the other, so that the table of a part is fair. `--table` prints what there is.
"""

import argparse
import itertools
import multiprocessing
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks.kept_rows import KeptRows, Value
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.config import load_config
from easymtl.synth import best_reachable, write
from easymtl.synth.mmoe_paper import COSINES

FOLDER = Path(__file__).parent
MODELS = ("shared_bottom", "mmoe")
RATES = (0.0001, 0.001, 0.01)
KEYS = ("rows", "epochs", "seed", "p", "model", "learning_rate")
_RATE_FIELD = "train_config.optimizer_config[0].adam_optimizer.learning_rate.constant_learning_rate.learning_rate"
Key = tuple[int, int, int, float, str, float]
Row = dict[str, Value]


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains what is not in the results file yet, and prints the table."""
    options = _options(arguments)
    if not options.table:
        # TensorFlow gives the memory of a traced graph back only when its process ends: one for each seed.
        with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            for seed in range(1, options.seeds + 1):
                pool.apply(_train_seed, (seed, options))
    kept = KeptRows(options.results, KEYS)
    rows = rows_of(kept.rows, options)
    for table in tables(rows, options.rate_seeds):
        Console(width=120).print(table)
    worst = worst_mean(rows)
    if worst > options.at_most:
        raise SystemExit(f"A mean error over variance of {worst:.4f} is more than {options.at_most:g}.")


def _train_seed(seed: int, options: argparse.Namespace) -> None:
    """Does the trainings of a seed that are not done yet."""
    kept = KeptRows(options.results, KEYS)
    todo = [key for key in keys_of(options, seed, kept.rows) if key not in kept]
    if not todo:
        return
    start_tensorflow(inter_op_threads=1, intra_op_threads=1)
    with tempfile.TemporaryDirectory() as folder:
        paths = write("mmoe_paper", options.rows, seed, out=folder)
        for key in todo:
            begin = time.perf_counter()
            errors = train(key, paths)
            seconds = round(time.perf_counter() - begin, 1)
            row: dict[str, Value] = dict(zip(KEYS, key))
            kept.append(row | errors | {"seconds": seconds})
            print(*(f"{name}={value}" for name, value in kept.rows[-1].items()), flush=True)


def keys_of(options: argparse.Namespace, seed: int, rows: Sequence[Row]) -> list[Key]:
    """Returns the trainings of a seed by the values of `KEYS`; what is done already decides about the rates."""
    settings = (options.rows, options.epochs, seed)
    if seed <= options.rate_seeds:
        choices = itertools.product(options.cosines, MODELS, options.rates)
        return [(*settings, *choice) for choice in choices]
    rates = best_rates(rows_of(rows, options), options.rate_seeds)
    return [(*settings, p, model, rates[p, model]) for p, model in itertools.product(options.cosines, MODELS)]


def worst_mean(rows: Sequence[Row]) -> float:
    """Returns the largest error of a p, model and rate, each the mean of its seeds; 0 of no rows."""
    return max((_mean(errors) for errors in errors_by_seed(rows).values()), default=0.0)


def rows_of(rows: Sequence[Row], options: argparse.Namespace) -> list[Row]:
    """Returns the rows of trainings with the same settings."""
    return [row for row in rows if (row["rows"], row["epochs"]) == (options.rows, options.epochs)]


def best_rates(rows: Sequence[Row], rate_seeds: int) -> dict[tuple[float, str], float]:
    """Returns the learning rate with the smallest mean error in the seeds that try each, by p and model."""
    errors = errors_by_seed([row for row in rows if int(row["seed"]) <= rate_seeds])
    best: dict[tuple[float, str], float] = {}
    for p, model, rate in sorted(errors, key=lambda key: _mean(errors[key]), reverse=True):
        best[p, model] = rate
    return best


def train(key: Key, paths: dict[str, Path]) -> dict[str, float]:
    """Trains a model on the files of its seed; returns the `error_<task>` and `reachable_<task>`, that of the truth."""
    from easymtl.training.trainer import Trainer

    _, epochs, seed, p, model, rate = key
    labels = ["y1", next(name for name, cosine in COSINES.items() if cosine == p)]
    with tempfile.TemporaryDirectory() as model_dir:
        overrides = [
            f"train_input_path={paths['train']}",
            f"eval_input_path={paths['eval']}",
            f"model_dir={model_dir}",
            f"train_config.seed={seed}",
            f"data_config.num_epochs={epochs}",
            f"data_config.label_fields[1]={labels[1]}",
            f"{_RATE_FIELD}={rate}",
        ]
        config = load_config(str(FOLDER / "configs" / f"mmoe_paper_{model}.config"), overrides)
        metrics = Trainer(config, lambda event: None).run().metrics
    table = pq.read_table(paths["eval"])
    reachable = best_reachable(table)
    errors: dict[str, float] = {}
    for task, label in enumerate(labels, start=1):
        variance = float(np.var(table[label].to_numpy()))
        errors[f"error_{task}"] = round(metrics[f"mean_squared_error_task{task}"] / variance, 7)
        errors[f"reachable_{task}"] = round(reachable[f"mean_squared_error_{label}"] / variance, 7)
    return errors


def tables(rows: Sequence[Row], rate_seeds: int) -> list[Table]:
    """Returns the errors at each rate, and the paired comparison at the best rate of each model and p."""
    tried = whole_seeds([row for row in rows if int(row["seed"]) <= rate_seeds])
    if not tried:
        return []
    chosen = best_rates(tried, rate_seeds)
    at_best = [row for row in rows if chosen[float(row["p"]), str(row["model"])] == row["learning_rate"]]
    return [_rate_table(tried), _paired_table(whole_seeds(at_best), chosen)]


def _rate_table(rows: Sequence[Row]) -> Table:
    errors = errors_by_seed(rows)
    reachable = errors_by_seed(rows, "reachable")
    rates = sorted({rate for _, _, rate in errors})
    table = Table(title=f"Error over variance: mean of both tasks and of {_num_seeds(rows)} seeds")
    for heading in ("p", "model", *(f"rate {rate:g}" for rate in rates), "reachable"):
        table.add_column(heading, justify="right")
    for p, model in itertools.product(_cosines(rows), MODELS):
        cells = [f"{_mean(errors[p, model, rate]):.4f}" for rate in rates]
        table.add_row(f"{p:g}", model, *cells, f"{_mean(reachable[p, model, rates[0]]):.4f}")
    return table


def _paired_table(rows: Sequence[Row], rates: Mapping[tuple[float, str], float]) -> Table:
    errors = errors_by_seed(rows)
    table = Table(title=f"At the best rate: mean (median) of {_num_seeds(rows)} seeds; differences within a seed")
    for heading in ("p", *MODELS, "difference", "standard error", "mmoe better in"):
        table.add_column(heading, justify="right")
    for p in _cosines(rows):
        table.add_row(f"{p:g}", *_paired_cells({model: errors[p, model, rates[p, model]] for model in MODELS}))
    return table


def _cosines(rows: Sequence[Row]) -> list[float]:
    return sorted({float(row["p"]) for row in rows})


def _num_seeds(rows: Sequence[Row]) -> int:
    return len({row["seed"] for row in rows})


def whole_seeds(rows: Sequence[Row]) -> list[Row]:
    """Returns the rows of seeds that have all trainings any seed has: the others are under way."""
    counts = Counter(row["seed"] for row in rows)
    return [row for row in rows if counts[row["seed"]] == max(counts.values())]


def errors_by_seed(rows: Sequence[Row], name: str = "error") -> dict[tuple[float, str, float], dict[int, float]]:
    """Returns the mean of `<name>_1` and `<name>_2` by seed, for each (p, model, rate)."""
    errors: dict[tuple[float, str, float], dict[int, float]] = {}
    for row in rows:
        key = (float(row["p"]), str(row["model"]), float(row["learning_rate"]))
        errors.setdefault(key, {})[int(row["seed"])] = (float(row[f"{name}_1"]) + float(row[f"{name}_2"])) / 2
    return errors


def _paired_cells(best: dict[str, dict[int, float]]) -> list[str]:
    cells = [f"{_mean(best[model]):.4f} ({np.median(list(best[model].values())):.4f})" for model in MODELS]
    first, second = (best[model] for model in MODELS)
    differences = np.array([first[seed] - second[seed] for seed in first if seed in second])
    error = differences.std(ddof=1) / np.sqrt(len(differences)) if len(differences) > 1 else float("nan")
    better = f"{(differences > 0).sum()} of {len(differences)}"
    return [*cells, f"{differences.mean():+.4f}", f"{error:.4f}", better]


def _mean(errors: dict[int, float]) -> float:
    return float(np.mean(list(errors.values())))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rate_seeds", type=int, default=3, help="seeds that try each learning rate")
    parser.add_argument("--cosines", type=float, nargs="+", default=list(COSINES.values()), choices=COSINES.values())
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    parser.add_argument("--results", type=Path, default=FOLDER / "results" / "mmoe_paper.csv")
    parser.add_argument("--at_most", type=float, default=float("inf"), help="exit code 1 if a mean error is larger")
    parser.add_argument("--table", action="store_true", help="print the table of what is finished, and train nothing")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
