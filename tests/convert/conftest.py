from collections.abc import Callable
from pathlib import Path

import pytest

from easymtl.convert import Conversion, convert
from easymtl.convert.report import Kind
from tests.errors.project import replaced

CONFIGS = Path(__file__).parent / "configs"
SMALL = """\
train_input_path: "train.parquet"
eval_input_path: "eval.parquet"
model_dir: "model"
train_config {
  sparse_optimizer { adam_optimizer { lr: 0.001 } constant_learning_rate { } }
  dense_optimizer { adam_optimizer { lr: 0.001 } constant_learning_rate { } }
  num_epochs: 1
}
data_config { dataset_type: ParquetDataset fg_mode: FG_DAG label_fields: ["click", "buy"] }
feature_configs {
  id_feature { feature_name: "user" expression: "user:uid" embedding_dim: 4 hash_bucket_size: 10 value_dim: 1 }
}
model_config {
  feature_groups { group_name: "all" feature_names: ["user"] group_type: DEEP }
  mmoe {
    expert_mlp { hidden_units: 4 }
    num_expert: 2
    task_towers { tower_name: "ctr" label_name: "click" losses { binary_cross_entropy { } } }
    task_towers { tower_name: "cvr" label_name: "buy" losses { binary_cross_entropy { } } }
  }
}
"""
"""A config of TorchEasyRec in which each test changes what it is about."""


class Small:
    """Conversions of the small config after replacements."""

    def __call__(self, *changes: tuple[str, str]) -> Conversion:
        return convert(replaced(SMALL, *changes), "x.config")

    def with_feature(self, feature: str, *changes: tuple[str, str], group: str = "") -> Conversion:
        """Converts it with one more feature, which must be named `f`, in the group of the model."""
        return self(
            ("model_config {", f"feature_configs {{ {feature} }}\nmodel_config {{"),
            ('feature_names: ["user"]', f'feature_names: ["user"{group or ", " + QUOTED_F}]'),
            *changes,
        )

    def feature(self, feature: str, *changes: tuple[str, str]):
        """Returns what becomes of a feature named `f`."""
        found = self.with_feature(feature, *changes).pipeline.feature_config.features
        return next((one for one in found if one.feature_name == "f"), None)


QUOTED_F = '"f"'


@pytest.fixture
def small() -> Small:
    return Small()


@pytest.fixture
def said() -> Callable[[Conversion, Kind], list[str]]:
    """Returns the remarks of one kind as `line field: text`."""

    def list_remarks(conversion: Conversion, kind: Kind) -> list[str]:
        return [f"{remark.line} {remark.field}: {remark.text}" for remark in conversion.report.of(kind)]

    return list_remarks
