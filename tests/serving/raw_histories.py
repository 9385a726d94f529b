"""Rows with two-level histories, as a file and as a request have them, and their vectors by NumPy."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

MOST_STEPS = 4
WIDTH = 4
History = list[list[str | None]] | None
TAGS: list[History] = [
    [["a"], ["b", "c"]],
    None,
    [],
    [["a"], ["b"], ["c", "d", "e"], ["f"]],
    [["a", "c"], ["b"], [], ["e", "e"], ["f"], ["g", "h"], ["a"]],
    [[], ["b", None], ["é"], []],
    [["d"]],
    [[]],
    [["h"], [], [], [], ["a"]],
    [["b"], ["a", "b", "c", "d"], ["f"]],
]
"""Full, over-long, missing and empty ones; steps and items without anything, also where the limit cuts."""
KINDS: list[History] = [row and [[f"k{item}" for item in step if item][:2] for step in row] for row in TAGS]
"""Of the same steps, fewer items."""
ITEMS = ["a", "b", "", "c", "zz", "a", "é", "d", None, "b"]
USERS = ["u1", "u2", "u3", "u1", None, "u2", "u4", "u5", "u1", "u3"]
PRICES = [0.5, 2.0, 9.5, 4.0, 7.25, 1.0, 3.0, 10.0, 6.5, 5.0]
NUM_ROWS = len(TAGS)

CONFIG = """
train_input_path: "{folder}/rows.parquet" eval_input_path: "{folder}/rows.parquet" model_dir: "{folder}/model"
train_config {{ num_steps: 6 seed: 3 mixed_precision: FLOAT32 optimizer_config {{ adam_optimizer {{ learning_rate {{
  constant_learning_rate {{ learning_rate: 0.05 }} }} }} }} }}
data_config {{
  input_type: ParquetInput batch_size: 4 num_epochs: 0 label_fields: ["click", "buy"]
  input_fields {{ input_name: "click" input_type: INT32 }} input_fields {{ input_name: "buy" input_type: INT32 }}
  input_fields {{ input_name: "item" }} input_fields {{ input_name: "user" }}
  input_fields {{ input_name: "price" input_type: FLOAT }}
  input_fields {{ input_name: "tags" }} input_fields {{ input_name: "kinds" }}
}}
feature_config {{
  features {{ input_names: "item" feature_type: IdFeature hash_bucket_size: 50 embedding_dim: 4 embedding_name: "tag"
             {initializer} }}
  features {{ input_names: "user" feature_type: IdFeature hash_bucket_size: 20 embedding_dim: 4 embedding_name: "user"
             {initializer} }}
  features {{ input_names: "price" feature_type: RawFeature min_val: 0 max_val: 10 }}
  features {{ input_names: "tags" feature_type: SequenceFeature seq_multi_sep: ";" combiner: "mean" max_seq_len: 4
             hash_bucket_size: 50 embedding_dim: 4 embedding_name: "tag" {initializer} {combiner} }}
  features {{ input_names: "kinds" feature_type: SequenceFeature seq_multi_sep: ";" combiner: "sqrtn" max_seq_len: 4
             hash_bucket_size: 20 embedding_dim: 4 embedding_name: "kind" {initializer} {combiner} }}
}}
model_config {{ {model} }}
"""
_INITIALIZER = "initializer { random_normal_initializer { mean: 0 stddev: 0.5 } }"


def write(folder: Path, model: str, combiner: str = "") -> Path:
    """Writes the rows, and a config of a model; tags are texts in the file, kinds are lists.

    Args:
        folder: takes both.
        model: the text of model_config.
        combiner: what histories become where they are features of a group; empty where they do not.

    Returns:
        The path of the config.
    """
    columns = {
        "click": pa.array([0, 1] * (NUM_ROWS // 2), pa.int32()),
        "buy": pa.array([0, 0, 1, 1, 0] * (NUM_ROWS // 5), pa.int32()),
        "item": pa.array(ITEMS, pa.string()),
        "user": pa.array(USERS, pa.string()),
        "price": pa.array(PRICES, pa.float32()),
        "tags": pa.array([None if row is None else text(row) for row in TAGS], pa.string()),
        "kinds": pa.array(KINDS, pa.list_(pa.list_(pa.string()))),
    }
    pq.write_table(pa.table(columns), folder / "rows.parquet")
    path = folder / "x.config"
    combiner = combiner and f"sequence_combiner {{ {combiner} }}"
    config = CONFIG.format(folder=folder, model=model, combiner=combiner, initializer=_INITIALIZER)
    path.write_text(config, encoding="utf-8")
    return path


def text(row: History) -> str:
    """Returns a history as separated text: nothing is an empty text, also in between."""
    return "|".join(";".join(item or "" for item in step) for step in row or [])


def request() -> dict[str, tf.Tensor]:
    """Returns the rows as a client sends them."""
    texts = {"item": ITEMS, "user": USERS, "tags": list(map(text, TAGS)), "kinds": list(map(text, KINDS))}
    tensors = {name: tf.constant([one or "" for one in column], tf.string) for name, column in texts.items()}
    return {**tensors, "price": tf.constant(PRICES, tf.float32)}


class Vectors:
    """The vectors of the rows in float64, from tables by the names that they have in a checkpoint.

    Attributes:
        item: `[rows, width]`, zeros where there is none.
        user: likewise.
        price: `[rows, 1]`.
        tags: of each row `[steps, width]`, the mean of the items of each step.
        kinds: likewise, the sum over the root of their number.
    """

    def __init__(self, weights: Mapping[str, np.ndarray], is_side_by_side: bool):
        """Looks all of them up; steps that are side by side with those of another history stay, whatever they hold."""
        tables = {name: _table(weights, name) for name in ("tag", "user", "kind")}
        self.item = np.stack([_rows(tables["tag"], [item]).sum(0) for item in ITEMS])
        self.user = np.stack([_rows(tables["user"], [user]).sum(0) for user in USERS])
        self.price = np.array(PRICES)[:, np.newaxis] / 10
        self.tags = [_steps(tables["tag"], row, lambda number: number, is_side_by_side) for row in TAGS]
        self.kinds = [_steps(tables["kind"], row, np.sqrt, is_side_by_side) for row in KINDS]


def _table(weights: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """What only attention reads has its group in front of the name, and all else `input_layer`."""
    [found] = [value for key, value in weights.items() if key.endswith(f"/{name}/embedding_weights")]
    return found


def _steps(table: np.ndarray, row: History, divisor, keeps_last: bool) -> np.ndarray:
    """The first steps, as many as there may be, up to the last one that has an item; a text is a step at least."""
    steps = [[item for item in step if item] for step in (row or [[]])[:MOST_STEPS]]
    while steps and not steps[-1] and not keeps_last:
        steps.pop()
    sums = [_rows(table, step).sum(0) / divisor(max(len(step), 1)) for step in steps]
    return np.stack(sums) if sums else np.zeros([0, WIDTH])


def _rows(table: np.ndarray, items: list[str | None]) -> np.ndarray:
    texts = [item for item in items if item]
    ids = tf.strings.to_hash_bucket_fast(tf.constant(texts, tf.string), len(table)).numpy()
    return table[ids]


def joined(*histories: list[np.ndarray]) -> list[np.ndarray]:
    """Returns histories of the same steps side by side, row by row."""
    return [np.concatenate(rows, axis=1) for rows in zip(*histories)]


def padded(rows: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Returns `[rows, MOST_STEPS, width]` with zeros behind each row, and which steps exist."""
    values = np.stack([np.pad(row, [(0, MOST_STEPS - len(row)), (0, 0)]) for row in rows])
    return values, np.arange(MOST_STEPS) < np.array([len(row) for row in rows])[:, np.newaxis]
