"""A small shop: a config, rows as a notebook holds them, and the folder that examples are run in."""

from pathlib import Path

import numpy as np
import pandas as pd

CONFIG = """
train_input_path: "train.parquet"
eval_input_path: "eval.parquet"
model_dir: "models/shop"
train_config {
  optimizer_config { adam_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.01 } } } }
  num_steps: 20
  save_checkpoints_steps: 10
  log_step_count_steps: 5
  mixed_precision: FLOAT32
  seed: 5
}
data_config {
  batch_size: 64
  num_epochs: 0
  label_fields: ["click", "buy"]
  input_fields { input_name: "click" input_type: INT32 }
  input_fields { input_name: "buy" input_type: INT32 }
  input_fields { input_name: "city" }
  input_fields { input_name: "item" }
  input_fields { input_name: "tags" }
  input_fields { input_name: "age" input_type: INT64 default_val: "-1" }
  input_fields { input_name: "price" input_type: FLOAT }
}
feature_config {
  features {
    input_names: "city" feature_type: IdFeature vocab_list: ["Berlin", "Rom", "Wien"] embedding_dim: 4
  }
  features { input_names: "item" feature_type: IdFeature hash_bucket_size: 50 embedding_dim: 4 }
  features { input_names: "tags" feature_type: TagFeature hash_bucket_size: 20 embedding_dim: 4 separator: "|" }
  features { input_names: "age" feature_type: IdFeature num_buckets: 100 embedding_dim: 2 }
  features { input_names: "price" feature_type: RawFeature }
}
model_config {
  feature_groups { group_name: "all" feature_names: ["city", "item", "tags", "age", "price"] wide_deep: DEEP }
  mmoe {
    expert_dnn { hidden_units: [8, 6] }
    num_expert: 2
    task_towers { tower_name: "click" label_name: "click" dnn { hidden_units: 4 } metrics_set { auc {} } }
    task_towers { tower_name: "buy" label_name: "buy" dnn { hidden_units: 4 } metrics_set { auc {} } }
  }
}
export_config { exporter_type: "none" }
"""


def shop_rows(number: int = 200, seed: int = 1) -> pd.DataFrame:
    """Returns rows with nulls of all kinds, categories, lists, and an index that is no range."""
    random = np.random.default_rng(seed)
    city = random.choice(["Berlin", "Rom", "Wien"], number)
    click = (random.random(number) < np.where(city == "Rom", 0.8, 0.3)).astype(int)
    price = random.gamma(2.0, 1.5, number).round(2)
    tags = [[f"t{tag}" for tag in random.integers(0, 9, count)] for count in random.integers(0, 4, number)]
    tags = [None if place % 17 == 0 else of_row for place, of_row in enumerate(tags)]
    age = pd.array(random.integers(16, 90, number), "Int64")
    age[::13] = pd.NA
    price[::11] = np.nan
    item = pd.Series(random.integers(0, 40, number)).map("i{}".format)
    item[::19] = None
    return pd.DataFrame(
        {
            "city": pd.Categorical(city),
            "item": item.to_numpy(),
            "tags": tags,
            "age": age,
            "price": price,
            "click": click,
            "buy": click * (random.random(number) < 0.4),
            "note": [object() for _ in range(number)],
        },
        index=[f"row{place}" for place in range(number)],
    )


def write_shop(folder: Path) -> Path:
    """Writes the config, both files of rows and two days of rows into a folder; returns the config."""
    for part, number, seed in (("train", 200, 1), ("eval", 120, 2)):
        shop_rows(number, seed).drop(columns="note").to_parquet(folder / f"{part}.parquet", index=False)
    for day in (1, 2):
        part = folder / "days" / f"dt=2026-01-{day:02}"
        part.mkdir(parents=True)
        shop_rows(100, day).drop(columns="note").to_parquet(part / "rows.parquet", index=False)
    config = folder / "shop.config"
    config.write_text(CONFIG)
    return config
