"""A small training whose tables grow: every kind of feature that can, ids that come and go over the rows."""

from pathlib import Path

import numpy as np

from easymtl.config import Config, load_config
from easymtl.training import events
from easymtl.training.result import TrainingResult
from easymtl.training.trainer import Trainer

CONFIG = """
train_input_path: "{folder}/train.csv"
eval_input_path: "{folder}/eval.csv"
model_dir: "{folder}/model"
train_config {{
  optimizer_config {{
    adam_optimizer {{ learning_rate {{ constant_learning_rate {{ learning_rate: 0.01 }} }} }}
    use_moving_average: true
  }}
  num_steps: 24
  save_checkpoints_steps: 12
  log_step_count_steps: 1
  mixed_precision: FLOAT32
  seed: 5
}}
data_config {{
  batch_size: 32
  shuffle: false
  num_epochs: 0
  label_fields: "click"
  separator: "\\t"
  input_fields {{ input_name: "click" input_type: INT32 }}
  input_fields {{ input_name: "user" }}
  input_fields {{ input_name: "item" input_type: INT64 }}
  input_fields {{ input_name: "seen" }}
  input_fields {{ input_name: "tags" }}
  input_fields {{ input_name: "place" }}
  input_fields {{ input_name: "steps" }}
}}
feature_config {{
  features {{
    input_names: "user" feature_type: IdFeature embedding_dim: 4
    growing {{ max_rows: 30 expire_after_steps: 3 }}
  }}
  features {{
    input_names: "item" feature_type: IdFeature embedding_dim: 4 embedding_name: "items"
    growing {{ max_rows: 500 admit_after: 2 }}
  }}
  features {{
    input_names: "seen" feature_type: SequenceFeature embedding_dim: 4 embedding_name: "items" max_seq_len: 5
    growing {{ max_rows: 500 admit_after: 2 }}
  }}
  features {{
    input_names: "tags" feature_type: TagFeature embedding_dim: 4 kv_separator: ":" combiner: "mean"
    growing {{ max_rows: 8 }}
  }}
  features {{
    feature_name: "user_place" input_names: ["user", "place"] feature_type: ComboFeature embedding_dim: 4
    growing {{ max_rows: 300 }}
  }}
  features {{ input_names: "place" feature_type: IdFeature hash_bucket_size: 5 embedding_dim: 4 }}
  features {{
    input_names: "steps" feature_type: SequenceFeature embedding_dim: 4 seq_multi_sep: "," combiner: "mean"
    sequence_combiner {{ attention {{ }} }}
    ev_params {{ max_capacity: 40 filter_freq: 2 }}
  }}
}}
model_config {{
  feature_groups {{
    group_name: "all" feature_names: ["user", "item", "tags", "user_place", "place", "steps"] wide_deep: DEEP
    sequence_features {{
      group_name: "history" seq_att_map {{ key: "item" hist_seq: "seen" }} seq_dnn {{ hidden_units: [4, 1] }}
    }}
  }}
  simple_multi_task {{
    task_towers {{ tower_name: "ctr" label_name: "click" dnn {{ hidden_units: 4 }} metrics_set {{ auc {{}} }} }}
  }}
  embedding_regularization: 0.0001
}}
"""


def write_rows(path: Path, number: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    lines = []
    for row in range(number):
        user = "" if random.random() < 0.05 else f"u{row // 40 + random.integers(12)}"
        item = random.integers(60) * 10**15
        seen = "|".join(str(one * 10**15) for one in random.integers(0, 60, random.integers(0, 7)))
        tags = "|".join(f"t{tag}:{random.random():.2f}" for tag in random.integers(0, 12, random.integers(0, 4)))
        steps = "|".join(",".join(map(str, random.integers(0, 30, random.integers(0, 3)))) for _ in range(3))
        click = int(random.random() < (0.8 if item % 3 else 0.2))
        lines.append(f"{click}\t{user}\t{item}\t{seen}\t{tags}\tp{random.integers(3)}\t{steps}")
    path.write_text("\n".join(lines) + "\n")


def write_data(folder: Path) -> None:
    """Writes 400 training rows and 80 evaluation rows, which have ids that are not in training."""
    write_rows(folder / "train.csv", 400, seed=1)
    write_rows(folder / "eval.csv", 80, seed=2)


def growing_config(folder: Path, *overrides: str) -> Config:
    """Returns the config of a folder, `path=value` overrides applied."""
    path = folder / "growing.config"
    path.write_text(CONFIG.format(folder=folder))
    return load_config(str(path), overrides)


def train(folder: Path, *overrides: str, new_data: bool = False) -> tuple[TrainingResult, list[events.Event]]:
    """Trains, and returns the result with all that was told."""
    told: list[events.Event] = []
    return Trainer(growing_config(folder, *overrides), told.append, new_data=new_data).run(), told
