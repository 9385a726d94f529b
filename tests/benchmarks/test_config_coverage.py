"""Sample configs together use all that a config can say, and what they would not use is named."""

import pytest
from google.protobuf import text_format

from benchmarks import config_coverage
from benchmarks.config_coverage import FIELDS, FUNCTIONS, LAYERS, VALUES, Item, print_report, uncovered, used, wanted
from benchmarks.sample_data import CONFIGS, TOUR, sample_paths
from easymtl.protos.pipeline_pb2 import Pipeline

BLOCK = 'model_config { backbone { blocks { name: "b" %s } } }'


def of_text(text: str) -> set[Item]:
    return set(used(text_format.Parse(text, Pipeline())))


def fields_of(text: str) -> set[str]:
    return {item.name for item in of_text(text) if item.kind == FIELDS}


@pytest.fixture(scope="module")
def samples() -> list[Pipeline]:
    return config_coverage.read_samples()


def test_the_samples_use_everything(samples):
    assert {path.parent for path in sample_paths()} == {CONFIGS, TOUR}
    assert [item.name for item in uncovered(samples)] == []


def test_what_is_wanted_is_what_is_built():
    names = {
        kind: {item.name for item in wanted() if item.kind == kind} for kind in (FIELDS, VALUES, LAYERS, FUNCTIONS)
    }
    assert {"TrainConfig.num_steps", "DatasetConfig.LabelValues.texts", "Cross.diag_scale", "KD.temperature"} <= names[
        FIELDS
    ]
    assert not {"DatasetConfig.shard", "ModelConfig.deepfm", "EVParams.use_cache", "KD.jrc_loss"} & names[FIELDS]
    assert {"LossType: ZILN_LOSS", 'GAUC.reduction: "mean"', "FeatureConfig.sub_feature_type: RawFeature"} <= names[
        VALUES
    ]
    assert not {"LossType: CIRCLE_LOSS", "FeatureConfig.sub_feature_type: TagFeature"} & names[VALUES]
    assert {"DIN", "Dense", "AuxiliaryLoss"} <= names[LAYERS]
    assert {"tf.add_n in blocks", "** in blocks", "tf.int64 in blocks", "& in ExprFeature"} <= names[FUNCTIONS]


def test_a_default_shows_nothing():
    assert "DatasetConfig.batch_size" not in fields_of("data_config { batch_size: 32 }")
    assert "DatasetConfig.batch_size" in fields_of("data_config { batch_size: 33 }")
    assert "CAGrad.c" not in fields_of("train_config { task_balancing { cagrad { c: 0.5 } } }")
    assert "KD.loss_weight" not in fields_of("model_config { kd { loss_weight: 1 } kd { loss_weight: 1.0 } }")
    assert "KD.loss_weight" in fields_of("model_config { kd { loss_weight: 1 } kd { loss_weight: 0.1 } }")
    initializer = "feature_config { features { initializer { random_uniform_initializer { maxval: %s } } } }"
    name = "RandomUniformInitializer.maxval"
    assert name not in fields_of(initializer % 0.05)
    assert name in fields_of(initializer % 0.06)


def test_the_only_value_of_a_field_shows_all_that_there_is():
    jrc = 'losses { jrc_loss { loss_weight_strategy: "fixed" } }'
    assert "JRCLoss.loss_weight_strategy" in fields_of(f"model_config {{ mmoe {{ task_towers {{ {jrc} }} }} }}")


def test_values_are_told_by_the_enum_or_by_the_choices_of_a_field():
    found = of_text('data_config { input_type: CSVInputEx } export_config { exporter_type: "latest" }')
    assert {
        Item(VALUES, "DatasetConfig.InputType: CSVInputEx"),
        Item(VALUES, 'ExportConfig.exporter_type: "latest"'),
    } <= found
    steps = of_text("feature_configs { feature_type: SequenceFeature sub_feature_type: RawFeature }")
    assert Item(VALUES, "FeatureConfig.sub_feature_type: RawFeature") in steps
    assert Item(VALUES, "FeatureConfig.FeatureType: RawFeature") not in steps


def test_parameters_as_keys_and_values_are_fields_of_the_layer():
    values = {"units": "number_value: 4", "use_bias": "bool_value: true"}
    fields = " ".join(f'fields {{ key: "{key}" value {{ {value} }} }}' for key, value in values.items())
    found = of_text(BLOCK % f'keras_layer {{ class_name: "Dense" st_params {{ {fields} }} }}')
    assert {Item(LAYERS, "Dense"), Item(FIELDS, "Dense.units")} <= found
    assert Item(FIELDS, "Dense.use_bias") not in found


def test_functions_are_read_from_every_text_of_a_block_and_operators_of_features():
    inputs = 'inputs { block_name: "a" input_fn: "lambda x: tf.nn.softmax(x)" } extra_input_fn: "lambda x: x ** 2"'
    loop = 'repeat { input_fn: "lambda x, i: tf.cast(x, tf.bool)" }'
    names = {item.name for item in of_text(BLOCK % f"{inputs} {loop}") if item.kind == FUNCTIONS}
    assert names == {"tf.softmax in blocks", "** in blocks", "tf.cast in blocks", "tf.bool in blocks"}
    feature = of_text('feature_configs { input_names: "a" expression: "(a > 1) | (a == 0)" }')
    assert {item.name for item in feature if item.kind == FUNCTIONS} == {
        f"{sign} in ExprFeature" for sign in (">", "|", "==")
    }


def test_what_is_unused_is_named_and_the_exit_code_is_1(samples, capsys):
    assert print_report([one for one in samples if one.model_dir != "model_dir/texts_on_posts"]) == 1
    shown = capsys.readouterr().out
    assert "unused: TransformerEncoder" in shown
    assert 'unused: EmbeddingLayer.combiner: "max"' in shown
    assert print_report(samples) == 0
    assert "unused:" not in capsys.readouterr().out
