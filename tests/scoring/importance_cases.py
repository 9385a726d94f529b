"""Models that read features in many ways, and rows of them, for the tests of importance."""

import csv
from pathlib import Path

import numpy as np

from easymtl.config import load_config
from easymtl.protos.pipeline_pb2 import Pipeline

FIELDS = ("click", "buy", "user", "item", "page", "hist", "ages", "liked", "tags", "price", "city")
_HISTORY = "feature_type: SequenceFeature"
_TABLE = "hash_bucket_size: 60 embedding_dim: 4"
_HEAD = """
train_input_path: "{folder}/rows.csv"
eval_input_path: "{folder}/rows.csv"
model_dir: "{folder}/model"
train_config {{
  optimizer_config {{ adam_optimizer {{ learning_rate {{ constant_learning_rate {{ learning_rate: 0.01 }} }} }} }}
  num_steps: 2 seed: 3 mixed_precision: FLOAT32
}}
data_config {{
  label_fields: ["click", "buy"]
  input_fields {{ input_name: "click" input_type: INT32 }}
  input_fields {{ input_name: "buy" input_type: INT32 }}
  {fields}
}}
feature_config {{ {features} }}
"""
_FEATURES = f"""
  features {{ input_names: "item" embedding_name: "items" {_TABLE} }}
  features {{ input_names: "page" embedding_name: "items" {_TABLE} }}
  features {{ input_names: "hist" embedding_name: "items" {_HISTORY} {_TABLE} }}
  features {{ input_names: "ages" {_HISTORY} sub_feature_type: RawFeature boundaries: [1, 3] embedding_dim: 4 }}
  features {{ input_names: "liked" {_HISTORY} seq_multi_sep: ";" combiner: "mean" {_TABLE} }}
  features {{ input_names: "tags" feature_type: TagFeature kv_separator: ":" {_TABLE} }}
  features {{ feature_name: "tags_mean" input_names: "tags" feature_type: TagFeature kv_separator: ":" combiner: "mean"
    {_TABLE} }}
  features {{ input_names: "price" feature_type: RawFeature }}
  features {{ feature_name: "price_range" input_names: "price" feature_type: RawFeature boundaries: [0]
    embedding_dim: 4 }}
  features {{ feature_name: "pair" input_names: ["item", "city"] feature_type: ComboFeature {_TABLE} }}
"""
_TOWERS = """
    task_towers { tower_name: "ctr" label_name: "click" dnn { hidden_units: 4 }
      metrics_set { auc { } } metrics_set { gauc { uid_field: "user" } }
      losses { loss_type: CLASSIFICATION }
      losses { loss_type: LISTWISE_RANK_LOSS listwise_rank_loss { session_name: "user" } } }
    task_towers { tower_name: "cvr" label_name: "buy" dnn { hidden_units: 4 }
      metrics_set { session_auc { session_id_field: "user" } } metrics_set { auc { } weighted: true }
      task_space_indicator_label: "click" out_task_space_weight: 0 %s }
"""
_ATTENTION = """
    sequence_features { group_name: "din" seq_dnn { hidden_units: [4, 1] } allow_key_transform: true
      seq_att_map { key: "item" hist_seq: "hist" aux_hist_seq: "ages" } }
"""
ATTENTION = f"""
model_config {{
  feature_groups {{ group_name: "all" {_ATTENTION}
    feature_names: ["item", "page", "tags", "tags_mean", "price", "pair", "price_range"] }}
  feature_groups {{ group_name: "own" feature_names: ["price", "tags", "page"] }}
  mmoe {{ num_expert: 2 expert_dnn {{ hidden_units: 6 }} {_TOWERS % 'feature_group: "own"'} }}
}}
"""
GRAPH = f"""
model_config {{
  feature_groups {{ group_name: "all" feature_names: ["item", "page", "tags", "price", "pair"] }}
  feature_groups {{ group_name: "wide" feature_names: ["item", "tags"] wide_deep: WIDE }}
  feature_groups {{ group_name: "steps" feature_names: ["item", "liked"] }}
  feature_groups {{ group_name: "numbers" feature_names: ["price"] }}
  backbone {{
    blocks {{ name: "deep" inputs {{ feature_group_name: "all" }} input_layer {{ }} }}
    blocks {{ name: "sums" inputs {{ feature_group_name: "wide" }} input_layer {{ wide_output_dim: 2 }} }}
    blocks {{ name: "read" inputs {{ feature_group_name: "steps" }}
      input_layer {{ output_seq_and_normal_feature: true }} }}
    blocks {{ name: "din" inputs {{ block_name: "read" }}
      keras_layer {{ class_name: "DIN" din {{ attention_dnn {{ hidden_units: [4, 1] }} }} }} }}
    blocks {{ name: "raw" inputs {{ feature_group_name: "numbers" }} raw_input {{ }} }}
    blocks {{ name: "column" inputs {{ block_name: "raw" input_fn: "lambda x: tf.stack(x, 1)" }} }}
    concat_blocks: ["deep", "sums", "din", "column"]
  }}
  model_params {{ {_TOWERS % ""} }}
}}
"""


def read(folder: Path, model: str, *overrides: str) -> Pipeline:
    """Returns the config of a model, over `rows.csv` of a folder."""
    fields = [
        f'input_fields {{ input_name: "{name}" input_type: {"FLOAT" if name == "price" else "STRING"} }}'
        for name in FIELDS[2:]
    ]
    path = folder / "x.config"
    path.write_text(_HEAD.format(folder=folder, fields=" ".join(fields), features=_FEATURES) + model)
    return load_config(str(path), overrides).pipeline


def make_rows(number: int = 240) -> dict[str, list[str]]:
    """Returns columns of texts: some features say something of the labels, if not much."""
    random = np.random.default_rng(8)

    def words(most: int, letter: str) -> list[str]:
        return [f"{letter}{one}" for one in random.integers(0, 12, random.integers(most + 1))]

    columns: dict[str, list[str]] = {name: [] for name in FIELDS}
    for _ in range(number):
        hist, price = words(4, "i"), random.normal()
        row = {
            "click": str(int(random.random() < 0.5)),
            "buy": str(int(random.random() < 0.4)),
            "user": f"u{random.integers(30)}",
            "item": f"i{random.integers(12)}",
            "page": f"i{random.integers(12)}",
            "hist": "|".join(hist),
            "ages": "|".join(str(random.integers(6)) for _ in hist),
            "liked": "|".join(";".join(words(2, "l")) or "l" for _ in range(random.integers(4))),
            "tags": "|".join(f"{tag}:{random.random():.2f}" for tag in words(3, "t")),
            "price": f"{price:.3f}",
            "city": f"c{random.integers(25)}",
        }
        for name, value in row.items():
            columns[name].append(value)
    return columns


def write_rows(path: Path, columns: dict[str, list[str]]) -> None:
    """Writes columns as CSV."""
    with path.open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(zip(*(columns[name] for name in FIELDS)))
