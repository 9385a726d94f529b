"""An export that is made in a moment, with all signatures, names that are no identifiers, lists, classes and texts."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from easymtl.serving.signatures import Signature, save

CONFIG = """
model_dir: "gone"
data_config {
  label_fields: "click"
  input_fields { input_name: "click" input_type: INT32 }
  input_fields { input_name: "user id" input_type: STRING }
  input_fields { input_name: "用户" input_type: STRING }
  input_fields { input_name: "item.id" input_type: INT64 }
  input_fields { input_name: "price" input_type: FLOAT default_val: "1.5" }
  input_fields { input_name: "age" input_type: DOUBLE }
  input_fields { input_name: "is_new" input_type: BOOL }
  input_fields { input_name: "tags" input_type: STRING }
}
feature_config {
  features { input_names: "user id" feature_type: IdFeature hash_bucket_size: 50 embedding_dim: 4 }
  features { input_names: "用户" feature_type: IdFeature hash_bucket_size: 50 embedding_dim: 4 }
  features { input_names: "item.id" feature_type: IdFeature hash_bucket_size: 50 embedding_dim: 4 }
  features { input_names: "price" feature_type: RawFeature }
  features { input_names: "age" feature_type: RawFeature }
  features { input_names: "is_new" feature_type: IdFeature hash_bucket_size: 50 embedding_dim: 4 }
  features { input_names: "tags" feature_type: TagFeature separator: "|" hash_bucket_size: 50 embedding_dim: 4 }
}
model_config {
  feature_groups {
    group_name: "all" feature_names: ["user id", "用户", "item.id", "price", "age", "is_new", "tags"]
  }
  mmoe {
    num_expert: 2
    expert_dnn { hidden_units: 4 }
    task_towers { tower_name: "click" label_name: "click" }
    task_towers { tower_name: "kind" label_name: "click" num_class: 3 }
  }
}
export_config {
  multi_value_fields { input_name: "tags" }
  user_fields: ["user id", "age"]
  final_score { name: "rank" expression: "probs_click * 1000 + 1" }
}
"""
TYPES = {
    "user id": tf.string,
    "用户": tf.string,
    "item.id": tf.int64,
    "price": tf.float32,
    "age": tf.float64,
    "is_new": tf.bool,
    "tags": tf.string,
}
OF_USER = ("user id", "age")
DESCRIPTION = {
    "name": "tiny",
    "step": 7,
    "inputs": {name: kind.name for name, kind in TYPES.items()},
    "line": None,
    "missing": {"user id": "", "用户": "", "item.id": 0, "price": 1.5, "age": 0.0, "is_new": False},
    "padding": {"tags": ""},
}


def some_rows(num_rows: int, seed: int = 0) -> pa.Table:
    """Rows in which every column lacks values, and texts hold what protocols trip over."""
    random = np.random.default_rng(seed)
    texts = ["u1", "北京", 'a"b', "50%", "x,y", " ", "\\", "a\tb", "a\nb", "🙂", "{b64}"]
    tags = ["a|b|c", "b", "用|户", "a||c"]

    def column(values, kind):
        gone = random.random(num_rows) < 0.2
        return pa.array([None if lost else value for value, lost in zip(values, gone)], kind)

    return pa.table(
        {
            "user id": column(random.choice(texts, num_rows).tolist(), pa.string()),
            "用户": column(random.choice(texts, num_rows).tolist(), pa.string()),
            "item.id": column(random.integers(-(1 << 62), 1 << 62, num_rows).tolist(), pa.int64()),
            "price": column(random.gamma(1.5, size=num_rows).tolist(), pa.float32()),
            "age": column(random.uniform(1, 99, num_rows).tolist(), pa.float64()),
            "is_new": column((random.random(num_rows) < 0.5).tolist(), pa.bool_()),
            "tags": column(random.choice(tags, num_rows).tolist(), pa.string()),
        }
    )


def write_rows(path: Path, num_rows: int) -> str:
    """Writes some rows as Parquet, and returns the path."""
    pq.write_table(some_rows(num_rows), path)
    return str(path)


def write_export(folder: Path, num_rows: int | None = None, description: dict | None = None) -> Path:
    """Writes an export; with `num_rows`, each request has to have as many."""
    specs = {name: tf.TensorSpec([num_rows], kind) for name, kind in TYPES.items()}
    specs["tags"] = tf.TensorSpec([num_rows, None], tf.string)
    packed = {
        "ids": tf.TensorSpec([num_rows, 4], tf.int64),
        "dense": tf.TensorSpec([num_rows, 2], tf.float32),
        "bag_ids": tf.TensorSpec([num_rows, 1, None], tf.int64),
    }
    once = {name: tf.TensorSpec([1], spec.dtype) if name in OF_USER else spec for name, spec in specs.items()}
    texts = {"examples": tf.TensorSpec([num_rows], tf.string)}
    signatures = {
        "serving_default": Signature(lambda request: {**scores(packed_of(request)), **shown(request)}, specs),
        "encode": Signature(packed_of, specs),
        "encoded": Signature(scores, packed),
        "tf_example": Signature(lambda request: of_examples(request["examples"]), texts),
        "user_once": Signature(of_user, once),
    }
    save(tf.Module(), folder, signatures)
    extra = folder / "assets.extra"
    extra.mkdir()
    (extra / "easymtl.json").write_text(json.dumps(DESCRIPTION | (description or {})), encoding="utf-8")
    (extra / "pipeline.config").write_text(CONFIG, encoding="utf-8")
    return folder


def packed_of(request):
    """Returns packed tensors."""
    texts = [request["user id"], request["用户"]]
    ids = [tf.strings.to_hash_bucket_fast(text, 50) for text in texts]
    ids += [request["item.id"] % 50, tf.cast(request["is_new"], tf.int64)]
    price = tf.where(tf.math.is_nan(request["price"]), 1.5, request["price"])
    bags = tf.where(
        request["tags"] == "", tf.constant(-1, tf.int64), tf.strings.to_hash_bucket_fast(request["tags"], 9)
    )
    return {
        "ids": tf.stack(ids, axis=1),
        "dense": tf.stack([price, tf.cast(request["age"] / 100, tf.float32)], axis=1),
        "bag_ids": bags[:, tf.newaxis],
    }


def scores(packed):
    """Returns the scores of a row: some smooth function of all of it."""
    of_ids = tf.reduce_sum(tf.sin(tf.cast(packed["ids"], tf.float32) * [0.1, 0.2, 0.3, 0.4]), axis=1)
    of_tags = tf.reduce_sum(tf.cast(packed["bag_ids"] + 1, tf.float32) ** 0.5, axis=[1, 2])
    logits = of_ids + tf.reduce_sum(packed["dense"], axis=1) - 0.1 * of_tags
    kinds = tf.nn.softmax(tf.stack([logits, of_ids, of_tags], axis=1))
    clicks = tf.sigmoid(logits)
    return {
        "logits_click": logits,
        "probs_click": clicks,
        "probs_kind": kinds,
        "y_kind": tf.argmax(kinds, axis=1),
        "rank": clicks * 1000 + 1,
    }


def shown(request):
    """Returns what a feature has read."""
    return {"feature_user id": request["user id"]}


def of_examples(serialized):
    """Returns the scores of examples."""
    kinds = {tf.bool: tf.int64, tf.float64: tf.float32}
    defaults = {tf.string: "", tf.int64: 0, tf.float32: 0.0}
    forms = {}
    for name, kind in TYPES.items():
        kind = kinds.get(kind, kind)
        missing = float("nan") if name == "price" else defaults[kind]
        is_list = name == "tags"
        forms[name] = tf.io.RaggedFeature(kind) if is_list else tf.io.FixedLenFeature([], kind, missing)
    found = tf.io.parse_example(serialized, forms)
    found["tags"] = found["tags"].to_tensor("")
    request = {name: tf.cast(found[name], kind) if kind != tf.string else found[name] for name, kind in TYPES.items()}
    return {**scores(packed_of(request)), **shown(request)}


def of_user(request):
    """Returns the scores of the items of one user."""
    num_rows = tf.shape(request["price"])
    tiled = {name: tf.tile(values, num_rows) if name in OF_USER else values for name, values in request.items()}
    return {**scores(packed_of(tiled)), **shown(tiled)}


def write_lines_export(folder: Path) -> Path:
    """Writes an export whose rows are lines of three fields."""

    def serve(request):
        lengths = tf.strings.length(tf.strings.split(request["features"], "\t").to_tensor("", shape=[None, 3]))
        return {"y_length": tf.reduce_sum(tf.cast(lengths, tf.float32) * [1.0, 10.0, 100.0], axis=1)}

    save(tf.Module(), folder, {"serving_default": Signature(serve, {"features": tf.TensorSpec([None], tf.string)})})
    extra = folder / "assets.extra"
    extra.mkdir()
    line = {"separator": "\t", "fields": ["user id", "price", "用户"]}
    (extra / "easymtl.json").write_text(json.dumps({"name": "tiny", "line": line}), encoding="utf-8")
    (extra / "pipeline.config").write_text(CONFIG, encoding="utf-8")
    return folder
