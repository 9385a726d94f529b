"""Drafts of many ids, by a hash and by tables that grow: `python -m benchmarks.growing_drafts [--table]`.

`easymtl init` drafts a config of rows with a known truth, and the table of the items in it is exchanged: for the hash
that as many values would get, and for tables that grow and admit an item when it is seen for the first, second, third
or fifth time. All have as many rows. Each item has an effect of its own on a click and on a like, beside one of its
category, and items are as frequent as Zipf's law has it, so that some evaluation rows have one that no training row
has. Seeds differ in the data too. AUC is of evaluation rows, of all and of those of unseen items; that of the truth is
the most that any model can have.

Finished trainings are rows of `benchmarks/results/growing_drafts.csv`: stopped and started again it goes on.
"""

import argparse
import csv
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

RESULTS = Path(__file__).parent / "results" / "growing_drafts.csv"
_CATEGORIES, _USERS = 100, 2000
_EVAL_ROWS = 100_000
_ADMITTED_AFTER = (1, 2, 3, 5)


@dataclass(frozen=True)
class Shape:
    """Rows to draft from.

    Attributes:
        num_rows: of training.
        num_items: that there are; fewer are seen.
        exponent: of Zipf's law; 0 has all items equally frequent.
    """

    num_rows: int
    num_items: int
    exponent: float


SHAPES = {
    "few rows each": Shape(600_000, 400_000, 0.7),
    "some rows each": Shape(1_200_000, 170_000, 0.7),
    "fewer items": Shape(400_000, 60_000, 0.7),
}
COLUMNS = ("shape", "way", "seed", "items", "unseen_share", "auc_click", "auc_like", "auc_click_unseen", "truth_click")


def make_rows(shape: Shape, seed: int) -> tuple[pa.Table, pa.Table, np.ndarray]:
    """Returns training rows, evaluation rows, and of the latter the logit of a click.

    Args:
        shape: of the data.
        seed: of everything that is drawn.
    """
    random = np.random.default_rng(seed)
    names = random.permutation(shape.num_items).astype(np.int64) * 7_919_000_017
    categories = random.integers(0, _CATEGORIES, shape.num_items)
    effects, of_categories = random.normal(0, 1, (2, shape.num_items)), random.normal(0, 0.7, (2, _CATEGORIES))
    of_users = random.normal(0, 0.7, _USERS)
    shares = 1 / np.arange(1, shape.num_items + 1) ** shape.exponent
    tables, logits = [], np.zeros(0)
    for number in (shape.num_rows, _EVAL_ROWS):
        items = random.choice(shape.num_items, number, p=shares / shares.sum())
        users = random.integers(0, _USERS, number)
        both = effects[:, items] + of_categories[:, categories[items]] + of_users[users]
        logits = both[0] - 1
        happened = random.random((2, number)) < 1 / (1 + np.exp(-np.stack([logits, both[1] / 2 + logits / 2 - 0.5])))
        columns = {
            "click": happened[0].astype(np.int32),
            "like": happened[1].astype(np.int32),
            "item_id": names[items],
            "category_id": categories[items],
            "user_id": users,
        }
        tables.append(pa.table(columns))
    return tables[0], tables[1], logits


def ways(num_rows: int) -> dict[str, dict[str, Any]]:
    """Returns how rows of a table of so many rows can be found: fields of a feature, by name."""
    grown = {
        f"admit_after {after}": {"growing": {"max_rows": num_rows, "admit_after": after}} for after in _ADMITTED_AFTER
    }
    return {"hash": {"hash_bucket_size": num_rows}, **grown}


def measure(name: str, seed: int, done: set[str]) -> Iterator[dict[str, Any]]:
    """Drafts a config of a shape, trains it in each way that is not done, and yields a row of the results for each."""
    from sklearn.metrics import roc_auc_score

    from easymtl.drafting import draft_config
    from easymtl.drafting.ids import num_buckets
    from easymtl.protos.feature_pb2 import FeatureConfig

    shape = SHAPES[name]
    train, judged, logits = make_rows(shape, seed)
    seen = np.isin(judged["item_id"].to_numpy(), train["item_id"].to_numpy())
    clicks = judged["click"].to_numpy()
    found = {
        "shape": name,
        "seed": seed,
        "items": len(np.unique(train["item_id"].to_numpy())),
        "unseen_share": round(1 - seen.mean(), 4),
        "truth_click": round(float(roc_auc_score(clicks, logits)), 4),
    }
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{part}.parquet" for part in ("train", "eval")]
        for path, rows in zip(paths, (train, judged)):
            pq.write_table(rows, path, row_group_size=50_000)
        draft = draft_config(str(paths[0]), ["click", "like"], evaluation=str(paths[1]), out=f"{folder}/x.config")
        for way, fields in ways(num_buckets(found["items"])).items():
            if way in done:
                continue
            pipeline = draft.pipeline
            (feature,) = (one for one in pipeline.feature_config.features if list(one.input_names) == ["item_id"])
            for field in ("hash_bucket_size", "growing"):
                feature.ClearField(field)
            feature.MergeFrom(FeatureConfig(**fields))
            scores, metrics = trained(pipeline, Path(folder) / way.replace(" ", "_"), seed)
            of_unseen = float(roc_auc_score(clicks[~seen], scores[~seen]))
            aucs = {f"auc_{label}": round(metrics[f"auc_{label}"], 4) for label in ("click", "like")}
            yield {**found, "way": way, **aucs, "auc_click_unseen": round(of_unseen, 4)}


def trained(pipeline: Any, folder: Path, seed: int) -> tuple[np.ndarray, dict[str, float]]:
    """Trains a config and returns its scores of a click on the evaluation rows, in their order, and its metrics."""
    from google.protobuf import text_format

    import easymtl
    from easymtl.config import load_config
    from easymtl.training.trainer import Trainer

    path = folder.with_suffix(".config")
    path.write_text(text_format.MessageToString(pipeline))
    # Evaluated once, at its end: what is trained does not depend on it.
    overrides = ("export_config.exporter_type=none", "train_config.save_checkpoints_steps=1000000")
    config = load_config(str(path), [f"model_dir={folder}", f"train_config.seed={seed}", *overrides])
    result = Trainer(config, lambda event: None).run()
    scores = easymtl.open(str(folder)).predict(pipeline.eval_input_path)
    return scores["probs_click"].to_numpy(), dict(result.metrics)


def print_table(rows: list[dict[str, str]]) -> None:
    """Prints the means over the seeds, and the differences from the hash within a seed, as Markdown."""
    print("| Rows, items seen | Table | click | like | click of unseen items | click less the hash, by seed |")
    print("|---|---|---|---|---|---|")
    for name, shape in SHAPES.items():
        for way in ways(1):
            of_way = [row for row in rows if (row["shape"], row["way"]) == (name, way)]
            if not of_way:
                continue
            hashed = {row["seed"]: row for row in rows if (row["shape"], row["way"]) == (name, "hash")}
            means = [
                statistics.fmean(float(row[column]) for row in of_way)
                for column in ("auc_click", "auc_like", "auc_click_unseen")
            ]
            gains = [
                float(row["auc_click"]) - float(hashed[row["seed"]]["auc_click"])
                for row in of_way
                if row["seed"] in hashed
            ]
            items = statistics.fmean(int(row["items"]) for row in of_way)
            cells = [f"{shape.num_rows:,}, {items:,.0f}", way, *(f"{mean:.4f}" for mean in means)]
            print(f"| {' | '.join(cells)} | {' '.join(f'{gain:+.4f}' for gain in gains)} |")


def main() -> None:
    """Trains what is not done yet, writing a row for each, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="only print the table of what is finished")
    options = parser.parse_args()
    for seed in () if options.table else range(1, options.seeds + 1):
        for name in options.shapes:
            done = {row["way"] for row in _finished(options.out) if (row["shape"], row["seed"]) == (name, str(seed))}
            if done >= set(ways(1)):
                continue
            for row in measure(name, seed, done):
                is_new = not options.out.exists()
                with options.out.open("a", newline="") as file:
                    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                    if is_new:
                        writer.writeheader()
                    writer.writerow(row)
                print(row, flush=True)
    print_table(_finished(options.out))


def _finished(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()
