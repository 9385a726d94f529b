from pathlib import Path

import pytest

from easymtl.config import Config, ConfigError, load_config

BASE = """\
train_input_path: "train.csv"
eval_input_path: "eval.csv"
model_dir: "model"
train_config {
  optimizer_config {
    adam_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.01 } } }
  }
  num_steps: 5
}
data_config {
  batch_size: 64
  label_fields: ["click", "order", "seconds"]
  sample_weight: "weight"
  input_fields { input_name: "click" input_type: INT32 }
  input_fields { input_name: "order" input_type: INT32 }
  input_fields { input_name: "seconds" input_type: FLOAT }
  input_fields { input_name: "weight" input_type: FLOAT }
  input_fields { input_name: "user" input_type: STRING }
  input_fields { input_name: "tags" input_type: STRING }
  input_fields { input_name: "price" input_type: FLOAT }
}
feature_config {
  features { input_names: "user" feature_type: IdFeature hash_bucket_size: 50 embedding_dim: 4 }
  features { input_names: "tags" feature_type: TagFeature hash_bucket_size: 20 embedding_dim: 4 }
  features { input_names: "price" feature_type: RawFeature }
}
model_config {
  feature_groups { group_name: "all" feature_names: ["user", "tags", "price"] }
  dbmtl {
    bottom_dnn { hidden_units: [8, 6] }
    task_towers {
      tower_name: "ctr"
      label_name: "click"
      dnn { hidden_units: [4] }
      metrics_set { auc { } }
    }
    task_towers {
      tower_name: "cvr"
      label_name: "order"
      dnn { hidden_units: [4] }
      metrics_set { auc { } }
      relation_tower_names: "ctr"
    }
    task_towers {
      tower_name: "stay"
      label_name: "seconds"
      loss_type: L2_LOSS
      metrics_set { mean_squared_error { } }
    }
  }
}
"""


@pytest.fixture
def base() -> str:
    """A small config that is right."""
    return BASE


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Loads a text as the file `x.config`, after replacements of parts that must be in it."""
    monkeypatch.chdir(tmp_path)

    def load_text(*changes: tuple[str, str], text: str = BASE, overrides: tuple[str, ...] = ()) -> Config:
        for old, new in changes:
            assert old in text, f"{old!r} is not in the text"
            text = text.replace(old, new, 1)
        Path("x.config").write_text(text, encoding="utf-8")
        return load_config("x.config", overrides)

    return load_text


@pytest.fixture
def problems(load):
    """Returns the lines that loading a text ends in, without the first, which counts them."""

    def list_problems(*changes: tuple[str, str], **options) -> list[str]:
        try:
            load(*changes, **options)
        except ConfigError as error:
            first, *lines = str(error).split("\n")
            assert first.startswith(f"{len(lines)} problem")
            return lines
        return []

    return list_problems
