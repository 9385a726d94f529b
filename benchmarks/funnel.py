"""A funnel with known truth: how biased are models of the order given a click, on rows that were not clicked?

    python -m benchmarks.funnel [--seeds 5] [--rows 500000] [--models naive esmm ...]
    python -m benchmarks.funnel --table

For each seed: `easymtl synth funnel`, and for each model `easymtl train` and `easymtl predict` with the config that
`configs/funnel/shared.config` and `configs/funnel/<model>.config` make together. Its p(order | click) is then held
against the truth of all evaluation rows, which no log has: in the rows that were not clicked nobody saw it.

A finished model of a seed is a row of `results/funnel.csv` and is not trained again; `--table` prints what there is.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

from benchmarks.kept_rows import KeptRows, Value
from easymtl.cli import main as easymtl
from easymtl.synth import write

FOLDER = Path(__file__).parent
KEYS = ("rows", "epochs", "seed", "model")
TRUTH = "truth"
MEASURES = ("bias", "bias_unclicked", "error", "auc", "auc_clicked", "auc_order")


@dataclass(frozen=True)
class Outputs:
    """The columns in which a model predicts. What is not predicted follows: p(order) = p(click) p(order | click).

    Attributes:
        click: of p(click), if it has that task.
        given: of p(order | click), or
        order: of p(order).
    """

    click: str | None = "probs_ctr"
    given: str | None = None
    order: str | None = None

    def read(self, scores: pa.Table) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns p(order | click) and, if the model tells it, p(order), `[rows]`."""
        columns = {name: scores[name].to_numpy().astype(np.float64) for name in scores.schema.names}
        click = columns[self.click] if self.click else None
        if self.given:
            return columns[self.given], None if click is None else click * columns[self.given]
        order = columns[str(self.order)]
        return np.minimum(order / columns[str(self.click)], 1), order


MODELS = {
    "naive": Outputs(click=None, given="probs_cvr"),
    "shared_bottom": Outputs(given="probs_cvr"),
    "dbmtl": Outputs(given="probs_cvr"),
    "dbmtl_parent": Outputs(order="probs_order"),
    "esmm": Outputs(given="probs_cvr"),
    "escm2_ips": Outputs(given="probs_cvr"),
    "escm2_dr": Outputs(given="probs_cvr"),
    "aitm": Outputs(order="probs_order"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains what is not in the results file yet, and prints the table."""
    options = _options(arguments)
    kept = KeptRows(options.results, KEYS)
    if not options.table:
        for seed in range(1, options.seeds + 1):
            _run_seed(kept, seed, options)
    same = [row for row in kept.rows if (row["rows"], row["epochs"]) == (options.rows, options.epochs)]
    Console(width=120).print(table(same))


def _run_seed(kept: KeptRows, seed: int, options: argparse.Namespace) -> None:
    """Does the models of a seed that are not done yet."""
    todo = [name for name in (TRUTH, *options.models) if (options.rows, options.epochs, seed, name) not in kept]
    if not todo:
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = write("funnel", options.rows, seed, out=folder, eval_rows=options.eval_rows)
        rows = pq.read_table(paths["eval"])
        for name in todo:
            begin = time.perf_counter()
            print(f"Seed {seed}: {name}", flush=True)
            given, order = truth(rows) if name == TRUTH else predict(name, paths, seed, options.epochs)
            row: dict[str, Value] = dict(zip(KEYS, (options.rows, options.epochs, seed, name)))
            measures = against_truth(rows, given, order)
            kept.append(row | measures | {"seconds": round(time.perf_counter() - begin, 1)})


def predict(name: str, paths: dict[str, Path], seed: int, epochs: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Trains a model; returns its p(order | click) and, if it tells, p(order) of the evaluation rows, `[rows]`."""
    with tempfile.TemporaryDirectory() as folder:
        config, scores = Path(folder) / f"{name}.config", Path(folder) / "scores.parquet"
        config.write_text(config_text(name))
        overrides = [
            f"train_input_path={paths['train']}",
            f"eval_input_path={paths['eval']}",
            f"model_dir={folder}/model_dir",
            f"train_config.seed={seed}",
            f"data_config.num_epochs={epochs}",
        ]
        flags = ["--pipeline_config", str(config), *(word for text in overrides for word in ("--set", text))]
        _command("train", *flags)
        _command("predict", *flags, "--input", str(paths["eval"]), "--output", str(scores))
        return MODELS[name].read(pq.read_table(scores))


def config_text(name: str) -> str:
    """Returns the config of a model: what all share, and then its own."""
    folder = FOLDER / "configs" / "funnel"
    return (folder / "shared.config").read_text() + (folder / f"{name}.config").read_text()


def truth(rows: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Returns the true p(order | click) and p(order), `[rows]`."""
    click, order = (rows[f"true_{name}"].to_numpy().astype(np.float64) for name in ("click", "order"))
    return order / click, order


def against_truth(rows: pa.Table, given: np.ndarray, order: np.ndarray | None) -> dict[str, Value]:
    """Holds predictions against the truth.

    Args:
        rows: evaluation rows with their truth.
        given: predicted p(order | click) `[rows]`.
        order: predicted p(order) `[rows]`, if there is one.

    Returns:
        `bias`, mean of prediction - truth over all rows, `bias_unclicked` over those without a click, `error`, the root
        mean square of prediction - truth; `auc` over all rows, were all of them clicked, see `expected_auc`;
        `auc_clicked` of the orders in clicked rows; `auc_order` of p(order) over all rows, empty if it is not told.
    """
    clicked, ordered = (rows[name].to_numpy() > 0 for name in ("click", "order"))
    true_given, _ = truth(rows)
    difference = given - true_given
    measures: dict[str, Value] = {
        "bias": float(difference.mean()),
        "bias_unclicked": float(difference[~clicked].mean()),
        "error": float(np.sqrt(np.mean(difference**2))),
        "auc": expected_auc(true_given, given),
        "auc_clicked": float(roc_auc_score(ordered[clicked], given[clicked])),
        "auc_order": "" if order is None else float(roc_auc_score(ordered, order)),
    }
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in measures.items()}


def expected_auc(probabilities: np.ndarray, scores: np.ndarray) -> float:
    """Returns the AUC of scores for labels of these probabilities, without drawing any.

    Every row counts as a positive by p and as a negative by 1 - p:
    sum_ij p_i (1 - p_j) [s_i > s_j] / sum_ij p_i (1 - p_j), and half where they are equal.
    """
    labels = np.repeat([1, 0], len(scores))
    weights = np.concatenate([probabilities, 1 - probabilities])
    return float(roc_auc_score(labels, np.tile(scores, 2), sample_weight=weights))


def table(rows: Sequence[dict[str, Value]]) -> Table:
    """Returns mean and standard deviation over seeds of each measure, a line for each model."""
    num_seeds = len({row["seed"] for row in rows})
    result = Table(
        title=f"p(order | click) against the truth of all rows: mean ± standard deviation of {num_seeds} seeds"
    )
    for heading in ("model", *MEASURES):
        result.add_column(heading.replace("_", " "), justify="right")
    for name in (TRUTH, *MODELS):
        of_model = [row for row in rows if row["model"] == name]
        if of_model:
            result.add_row(name, *(_cell([row[measure] for row in of_model]) for measure in MEASURES))
    return result


def _cell(values: Sequence[Value]) -> str:
    if "" in values:
        return "-"
    numbers = np.array(values, np.float64)
    spread = f" ± {numbers.std(ddof=1):.3f}" if len(numbers) > 1 else ""
    return f"{numbers.mean():.3f}{spread}"


def _command(*words: str) -> None:
    code = easymtl(list(words))
    if code:
        raise SystemExit(f"easymtl {' '.join(words)} ended with {code}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--eval_rows", type=int, default=200_000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--results", type=Path, default=FOLDER / "results" / "funnel.csv")
    parser.add_argument("--table", action="store_true", help="print the table of what is finished, and train nothing")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
