"""A small config, with an architecture or with a block graph."""

_CONFIG = """
train_input_path: "train.csv"
model_dir: "model"
train_config {
  optimizer_config { adam_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.01 } } } }
  num_steps: 1
}
data_config {
  label_fields: ["click", "buy"]
  input_fields { input_name: "click" input_type: INT32 }
  input_fields { input_name: "buy" input_type: INT32 }
  input_fields { input_name: "item" }
  input_fields { input_name: "price" input_type: FLOAT }
  input_fields { input_name: "seen" }
}
feature_config {
  features { input_names: "item" feature_type: IdFeature hash_bucket_size: 40 embedding_dim: 4 }
  features { input_names: "price" feature_type: RawFeature }
  features { input_names: "seen" feature_type: SequenceFeature hash_bucket_size: 40 embedding_dim: 4 separator: "|" }
}
model_config {
  feature_groups { group_name: "all" feature_names: ["item", "price"] wide_deep: DEEP }
  feature_groups { group_name: "seq" feature_names: "item" wide_deep: DEEP %s }
  %s
}
"""
_ATTENDED = 'sequence_features { group_name: "h" seq_att_map { key: "item" hist_seq: "seen" } }'
_TOWERS = """
    task_towers { tower_name: "ctr" label_name: "click" dnn { hidden_units: 4 } metrics_set { auc {} } }
    task_towers { tower_name: "cvr" label_name: "buy" dnn { hidden_units: 4 } metrics_set { auc {} } }
"""


def with_backbone(text: str) -> str:
    """Returns the config whose backbone says a text."""
    return _CONFIG % ('feature_names: "seen"', f"backbone {{ {text} }} model_params {{ {_TOWERS} }}")


def with_mmoe() -> str:
    """Returns the config with mixtures of experts."""
    network = f"mmoe {{ expert_dnn {{ hidden_units: [8, 6] dropout_ratio: [0.2, 0] }} num_expert: 2 {_TOWERS} }}"
    return _CONFIG % (_ATTENDED, network)
