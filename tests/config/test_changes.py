"""What differs between two configs."""

from google.protobuf import text_format

from easymtl.config.changes import changes
from easymtl.protos.pipeline_pb2 import Pipeline

CONFIG = """
train_input_path: "a.csv"
train_config { num_steps: 10 mixed_precision: FLOAT32 optimizer_config { adam_optimizer { } } }
data_config { label_fields: ["click", "buy"] batch_size: 64 }
feature_config {
  features { input_names: "user" feature_type: IdFeature hash_bucket_size: 10 }
  features { input_names: "price" feature_type: RawFeature boundaries: [1, 2.5] }
}
model_config { mmoe {
  num_expert: 2
  task_towers { tower_name: "ctr" label_name: "click" dnn { hidden_units: [8, 4] } }
  task_towers { tower_name: "cvr" label_name: "buy" weight: 2.0 }
} }
"""


def found(old: str, new: str) -> list[str]:
    assert old in CONFIG
    before = text_format.Parse(CONFIG, Pipeline())
    after = text_format.Parse(CONFIG.replace(old, new), Pipeline())
    return [str(change) for change in changes(before, after)]


def test_equal_configs_have_none():
    assert found("num_steps: 10", "num_steps: 10") == []


def test_numbers_texts_and_choices():
    assert found("num_steps: 10", "num_steps: 20") == ["train_config.num_steps: 10 -> 20"]
    assert found("a.csv", "b.csv") == ['train_input_path: "a.csv" -> "b.csv"']
    assert found("FLOAT32", "BFLOAT16") == ["train_config.mixed_precision: FLOAT32 -> BFLOAT16"]
    assert found("[1, 2.5]", "[1, 2.5, 7]") == ["feature_config.features[price].boundaries: [1, 2.5] -> [1, 2.5, 7]"]


def test_a_field_that_was_not_set_had_its_default():
    assert found("batch_size: 64", "") == ["data_config.batch_size: 64 -> not set (32)"]


def test_entries_are_matched_by_name_wherever_they_stand():
    user = 'features { input_names: "user" feature_type: IdFeature hash_bucket_size: 10 }'
    new = 'features { input_names: "city" feature_type: IdFeature hash_bucket_size: 5 }'
    (text,) = found(user, f"{new} {user}")
    assert text.startswith("feature_config.features[city]: not set -> { input_names: ")
    assert found("weight: 2.0", "weight: 3.0") == ["model_config.mmoe.task_towers[cvr].weight: 2 -> 3"]
    (text,) = found('task_towers { tower_name: "cvr" label_name: "buy" weight: 2.0 }', "")
    assert text == 'model_config.mmoe.task_towers[cvr]: { tower_name: "cvr" label_name: "buy" weight: 2.0 } -> not set'


def test_another_member_of_a_choice_is_one_gone_and_one_come():
    assert found("adam_optimizer { }", "adagrad_optimizer { }") == [
        "train_config.optimizer_config[0].adam_optimizer: {  } -> not set",
        "train_config.optimizer_config[0].adagrad_optimizer: not set -> {  }",
    ]


def test_parameters_of_a_layer_are_matched_by_key():
    def layer(params: str) -> Pipeline:
        block = f'blocks {{ name: "top" keras_layer {{ class_name: "MLP" st_params {{ {params} }} }} }}'
        return text_format.Parse(f"model_config {{ backbone {{ {block} }} }}", Pipeline())

    rate, units = (
        'fields { key: "rate" value { number_value: 0.5 } }',
        'fields { key: "units" value { number_value: 8 } }',
    )
    path = "model_config.backbone.blocks[top].keras_layer.st_params.fields"
    before = layer(f"{rate} {units}")
    assert list(changes(before, layer(f"{units} {rate}"))) == []
    (change,) = changes(before, layer(f"{rate} {units.replace('8', '16')}"))
    assert str(change) == f"{path}[units].number_value: 8 -> 16"
    (change,) = changes(before, layer(units))
    assert str(change) == f"{path}[rate]: {{ number_value: 0.5 }} -> not set"


def test_long_values_are_cut():
    (text,) = found("a.csv", "x" * 200)
    assert text.endswith("xxx ...") and len(text) < 110
