"""A small training on synthetic rows, for the tests of this folder."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from easymtl.checkpoints.folder import Checkpoint
from easymtl.config import Config, load_config
from easymtl.training import events
from easymtl.training.result import TrainingResult
from easymtl.training.trainer import Trainer

CONFIG = """
train_input_path: "{folder}/train.csv"
eval_input_path: "{folder}/eval.csv"
model_dir: "{folder}/model"
train_config {{
  optimizer_config {{ adam_optimizer {{ learning_rate {{ constant_learning_rate {{ learning_rate: 0.01 }} }} }} }}
  num_steps: 6
  save_checkpoints_steps: 3
  log_step_count_steps: 1
  mixed_precision: FLOAT32
  seed: 5
}}
data_config {{
  batch_size: 32
  shuffle: true
  num_epochs: 0
  label_fields: ["click", "buy"]
  input_fields {{ input_name: "click" input_type: INT32 }}
  input_fields {{ input_name: "buy" input_type: INT32 }}
  input_fields {{ input_name: "item" }}
  input_fields {{ input_name: "tags" }}
  input_fields {{ input_name: "price" input_type: FLOAT }}
}}
feature_config {{
  features {{ input_names: "item" feature_type: IdFeature hash_bucket_size: 40 embedding_dim: 4 }}
  features {{ input_names: "tags" feature_type: TagFeature hash_bucket_size: 20 embedding_dim: 4 }}
  features {{ input_names: "price" feature_type: RawFeature }}
}}
model_config {{
  feature_groups {{ group_name: "all" feature_names: ["item", "tags", "price"] wide_deep: DEEP }}
  mmoe {{
    expert_dnn {{ hidden_units: [8, 6] dropout_ratio: [0.2, 0.2] }}
    num_expert: 2
    task_towers {{ tower_name: "ctr" label_name: "click" dnn {{ hidden_units: 4 }} metrics_set {{ auc {{}} }} }}
    task_towers {{ tower_name: "cvr" label_name: "buy" dnn {{ hidden_units: 4 }} metrics_set {{ auc {{}} }} }}
  }}
  embedding_regularization: 0.0001
}}
"""
NUM_ROWS = 150


def write_data(folder: Path) -> None:
    """Writes 150 training rows and 70 evaluation rows."""
    write_rows(folder / "train.csv", NUM_ROWS, seed=1)
    write_rows(folder / "eval.csv", 70, seed=2)


def write_rows(path: Path, number: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    lines = []
    for _ in range(number):
        item = random.integers(30)
        click = int(random.random() < (0.7 if item % 3 else 0.2))
        tags = "|".join(f"t{tag}" for tag in random.integers(0, 12, random.integers(0, 4)))
        lines.append(f"{click},{click * int(random.random() < 0.5)},i{item},{tags},{random.normal():.4f}")
    path.write_text("\n".join(lines) + "\n")


def small_config(folder: Path, *overrides: str) -> Config:
    """Returns the config of a folder, `path=value` overrides applied."""
    path = folder / "small.config"
    path.write_text(CONFIG.format(folder=folder))
    return load_config(str(path), overrides)


def train(folder: Path, *overrides: str) -> tuple[TrainingResult, list[events.Event]]:
    """Trains, and returns the result with all that was told."""
    told: list[events.Event] = []
    return Trainer(small_config(folder, *overrides), told.append).run(), told


def of_kind(told: list[events.Event], kind: type) -> list:
    return [event for event in told if isinstance(event, kind)]


def arrays(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    """Returns all that a checkpoint holds, by its name there."""
    reader = tf.train.load_checkpoint(checkpoint.prefix)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
