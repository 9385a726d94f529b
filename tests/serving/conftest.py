"""One small model with every kind of feature and task, trained once for a few steps."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from easymtl.config import load_config

NUM_ROWS = 300
CITIES = ["amsterdam", "北京", "cairo", "delhi"]

CONFIG = """
train_input_path: "{folder}/rows.parquet"
eval_input_path: "{folder}/rows.parquet"
model_dir: "{folder}/model_dir"
train_config {{
  optimizer_config {{ adam_optimizer {{ learning_rate {{ constant_learning_rate {{ learning_rate: 0.02 }} }} }} }}
  num_steps: 4
}}
data_config {{
  batch_size: 64
  eval_batch_size: 128
  input_type: ParquetInput
  label_fields: ["click", "kind", "seconds"]
  sample_weight: "weight"
  input_fields {{ input_name: "click" input_type: INT32 }}
  input_fields {{ input_name: "kind" input_type: INT32 }}
  input_fields {{ input_name: "seconds" input_type: FLOAT }}
  input_fields {{ input_name: "weight" input_type: FLOAT }}
  input_fields {{ input_name: "row" input_type: INT64 }}
  input_fields {{ input_name: "user" input_type: STRING }}
  input_fields {{ input_name: "city" input_type: STRING }}
  input_fields {{ input_name: "level" input_type: INT32 default_val: "3" }}
  input_fields {{ input_name: "tags" input_type: STRING }}
  input_fields {{ input_name: "price" input_type: FLOAT }}
  input_fields {{ input_name: "age" input_type: DOUBLE }}
  input_fields {{ input_name: "is_new" input_type: BOOL }}
}}
feature_config {{
  features {{ input_names: "user" feature_type: IdFeature hash_bucket_size: 50 embedding_dim: 4 }}
  features {{ input_names: "city" feature_type: IdFeature vocab_file: "{folder}/cities.txt" embedding_dim: 4 }}
  features {{ input_names: "level" feature_type: IdFeature num_buckets: 6 embedding_dim: 4 }}
  features {{
    input_names: "tags" feature_type: TagFeature separator: "|" kv_separator: ":" combiner: "mean"
    hash_bucket_size: 20 embedding_dim: 8
  }}
  features {{ input_names: "price" feature_type: RawFeature boundaries: [1, 2, 5] embedding_dim: 4 }}
  features {{ input_names: "age" feature_type: RawFeature min_val: 0 max_val: 100 }}
  features {{
    feature_name: "user_city" input_names: ["user", "city"] feature_type: ComboFeature
    hash_bucket_size: 30 embedding_dim: 4
  }}
}}
model_config {{
  feature_groups {{
    group_name: "all"
    feature_names: ["user", "city", "level", "tags", "price", "age", "user_city"]
  }}
  mmoe {{
    num_expert: 2
    expert_dnn {{ hidden_units: [8] }}
    task_towers {{
      tower_name: "click" label_name: "click" metrics_set {{ auc {{}} }} metrics_set {{ gauc {{ uid_field: "user" }} }}
      dnn {{ hidden_units: [4] }}
    }}
    task_towers {{
      tower_name: "kind" label_name: "kind" num_class: 3 metrics_set {{ accuracy {{}} }} dnn {{ hidden_units: [4] }}
    }}
    task_towers {{
      tower_name: "seconds" label_name: "seconds" loss_type: L2_LOSS metrics_set {{ mean_squared_error {{}} }}
      dnn {{ hidden_units: [4] }}
    }}
  }}
}}
export_config {{ exporter_type: "none" }}
"""


def make_rows(num_rows: int = NUM_ROWS, seed: int = 0) -> pa.Table:
    """Rows with missing, unknown and out-of-range values in every feature."""
    random = np.random.default_rng(seed)

    def column(values, kind, missing=0.1):
        gone = random.random(num_rows) < missing
        return pa.array([None if lost else value for value, lost in zip(values, gone)], kind)

    def some_tags():
        return "|".join(f"t{random.integers(9)}:{random.integers(1, 4)}" for _ in range(random.integers(4)))

    return pa.table(
        {
            "click": column(random.integers(0, 2, num_rows).tolist(), pa.int32(), 0.05),
            "kind": column(random.integers(0, 3, num_rows).tolist(), pa.int32(), 0),
            "seconds": column(random.gamma(2.0, size=num_rows).tolist(), pa.float32(), 0),
            "weight": column(random.choice([0.5, 1.0, 2.0], num_rows).tolist(), pa.float32(), 0),
            "row": pa.array(np.arange(num_rows)),
            "user": column([f"u{n}" for n in random.integers(0, 30, num_rows)], pa.string()),
            "city": column(random.choice([*CITIES, "elsewhere"], num_rows).tolist(), pa.string()),
            "level": column(random.integers(-1, 8, num_rows).tolist(), pa.int32()),
            "tags": column([some_tags() for _ in range(num_rows)], pa.string()),
            "price": column(random.gamma(1.5, size=num_rows).tolist(), pa.float32()),
            "age": column(random.uniform(1, 99, num_rows).tolist(), pa.float64()),
            "is_new": column((random.random(num_rows) < 0.5).tolist(), pa.bool_()),
        }
    )


@dataclass(frozen=True)
class Trained:
    """A config, its data and its newest checkpoint."""

    folder: Path
    config_path: Path
    rows: pa.Table

    def config(self, *overrides: str):
        return load_config(str(self.config_path), overrides)

    def pipeline(self, *overrides: str):
        return self.config(*overrides).pipeline

    @property
    def checkpoint(self):
        from easymtl.checkpoints.restore import find_checkpoint

        return find_checkpoint(self.pipeline())


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Trained:
    """The small model after 4 steps."""
    from easymtl.training.trainer import Trainer

    folder = tmp_path_factory.mktemp("small")
    rows = make_rows()
    pq.write_table(rows, folder / "rows.parquet", row_group_size=100)
    pyarrow.csv.write_csv(rows, folder / "rows.csv")
    (folder / "cities.txt").write_text("\n".join(CITIES) + "\n", encoding="utf-8")
    path = folder / "small.config"
    path.write_text(CONFIG.format(folder=folder), encoding="utf-8")
    case = Trained(folder, path, rows)
    Trainer(case.config(), lambda event: None).run()
    return case


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    """An export that was proved in this process."""
    from easymtl.serving import parity
    from easymtl.serving.export import export
    from tests.serving.scoring_here import score_here

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "score_apart", score_here)
        return export(trained.pipeline(), trained.checkpoint, tmp_path_factory.mktemp("exported"))
