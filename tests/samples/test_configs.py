from pathlib import Path

import pyarrow as pa
import pytest
from google.protobuf import text_format

from easymtl.config import load_config, view
from easymtl.protos.loss_pb2 import CLASSIFICATION, L2_LOSS
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.synth import DATA_SETS, default_folder, read_batches

CONFIGS = sorted(Path(__file__).parents[2].glob("samples/configs/*.config"))
SYNTHETIC = [path for path in CONFIGS if "_on_census" not in path.stem]
IDS = [path.stem for path in CONFIGS]
TYPES = {"INT32": pa.int32(), "FLOAT": pa.float32(), "STRING": pa.string()}


def parse(name):
    path = next(path for path in CONFIGS if path.stem == name)
    return text_format.Parse(path.read_text(), Pipeline())


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_config_loads_without_a_note(path):
    config = load_config(path)
    assert not config.notes
    assert config.pipeline == text_format.Parse(path.read_text(), Pipeline())


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_every_feature_is_in_a_group_and_no_label_or_truth_is_a_feature(path):
    pipeline = parse(path.stem)
    names = {view.feature_name(feature) for feature in view.features(pipeline)}
    groups = pipeline.model_config.feature_groups
    grouped = {name for group in groups for name in view.group_feature_names(group)}
    attended = [pairs for group in groups for block in group.sequence_features for pairs in block.seq_att_map]
    grouped |= {name for pairs in attended for name in (*pairs.key, *pairs.hist_seq, *pairs.aux_hist_seq)}
    assert names == grouped
    assert not names & set(pipeline.data_config.label_fields)
    assert not [field for field in pipeline.data_config.input_fields if field.input_name.startswith("true_")]


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_the_model_folder_is_named_after_the_config(path):
    assert parse(path.stem).model_dir == f"model_dir/{path.stem}"


@pytest.mark.parametrize(
    "path", [path for path in CONFIGS if "_on_census" not in path.stem], ids=lambda path: path.stem
)
def test_synthetic_data_fits_the_config(path):
    pipeline, name = parse(path.stem), path.stem.split("_on_")[1]
    folder, suffix = default_folder(name), DATA_SETS[name].format
    assert pipeline.train_input_path == f"{folder}/train.{suffix}"
    assert pipeline.eval_input_path == f"{folder}/eval.{suffix}"
    schema = next(read_batches(name, 1)).schema
    fields = {
        field.input_name: TYPES[pipeline.data_config.FieldType.Name(field.input_type)]
        for field in pipeline.data_config.input_fields
    }
    # A field that lists feed is declared STRING.
    written = {
        field.name: pa.string() if pa.types.is_list(field.type) else field.type
        for field in schema
        if not field.name.startswith("true_")
    }
    assert fields == written
    if suffix == "csv":
        assert list(fields) == list(written), "a CSV without a header is read by position"


def test_livestream_has_the_network_it_is_known_by():
    pipeline = parse("dbmtl_on_livestream")
    model = pipeline.model_config.dbmtl
    assert list(model.bottom_dnn.hidden_units) == [512, 256]
    assert not model.HasField("expert_dnn")
    assert model.l2_regularization == pytest.approx(1e-6)
    assert pipeline.model_config.embedding_regularization == pytest.approx(5e-6)
    assert [group.group_name for group in pipeline.model_config.feature_groups] == ["all"]
    relations = {
        "is_click": [],
        "is_view": ["is_click"],
        "view_costtime": ["is_click", "is_view"],
        "is_on_mic": ["is_click"],
        "on_mic_duration": ["is_click", "is_on_mic"],
    }
    assert [tower.tower_name for tower in model.task_towers] == list(relations)
    for tower in model.task_towers:
        is_event = tower.tower_name.startswith("is_")
        assert tower.label_name == tower.tower_name
        assert list(tower.dnn.hidden_units) == [128, 96, 64]
        assert list(tower.relation_dnn.hidden_units) == [32]
        assert list(tower.relation_tower_names) == relations[tower.tower_name]
        assert tower.weight == 1
        assert tower.loss_type == (CLASSIFICATION if is_event else L2_LOSS)
        metrics = [metric.WhichOneof("metric") for metric in tower.metrics_set]
        assert metrics == ["auc" if is_event else "mean_squared_error"]


def test_taobao_has_the_shape_that_speed_is_measured_at():
    pipeline = parse("dbmtl_on_taobao")
    model = pipeline.model_config.dbmtl
    features = view.features(pipeline)
    assert len(features) == 18
    assert sum(feature.feature_type == feature.TagFeature for feature in features) == 2
    assert {feature.embedding_dim for feature in features} == {16}
    assert list(model.bottom_dnn.hidden_units) == [1024, 512, 256]
    assert [list(tower.dnn.hidden_units) for tower in model.task_towers] == [[256, 128, 64, 32]] * 2
    assert [list(tower.relation_dnn.hidden_units) for tower in model.task_towers] == [[32]] * 2
    assert pipeline.data_config.batch_size == 4096
    assert not pipeline.data_config.with_header


def test_census_leaves_the_survey_weight_out():
    pipeline = parse("mmoe_on_census")
    assert len(view.features(pipeline)) == 39
    assert "instance_weight" not in {feature.input_names[0] for feature in view.features(pipeline)}
    assert [view.label_name(pipeline, i) for i in range(2)] == ["income_50k", "never_married"]
