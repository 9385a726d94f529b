"""The columns, their types and defaults, and the rest of data_config."""

import pytest

from easymtl.convert.report import Kind
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.feature_pb2 import FeatureConfig

ID = 'id_feature { feature_name: "f" expression: "item:%s" embedding_dim: 4 hash_bucket_size: 9 value_dim: 1 %s }'
DATA = "fg_mode: FG_DAG"


def columns(conversion):
    return {
        field.input_name: (DatasetConfig.FieldType.Name(field.input_type), field.default_val)
        for field in conversion.pipeline.data_config.input_fields
    }


def declared(kind, name="col"):
    return (DATA, f'{DATA} input_fields {{ input_name: "{name}" input_type: {kind} }}')


def test_types_that_nobody_declares_follow_from_the_readers(small, said):
    conversion = small.with_feature('raw_feature { feature_name: "f" expression: "item:price" }')
    assert columns(conversion) == {
        "click": ("INT32", ""),
        "buy": ("INT32", ""),
        "uid": ("STRING", ""),
        "price": ("DOUBLE", ""),
    }
    guessed = " ".join(said(conversion, Kind.GUESSED))
    assert 'STRING for "uid"' in guessed
    assert 'DOUBLE for "price"' in guessed


@pytest.mark.parametrize(
    ("kind", "ours"),
    [("STRING", "STRING"), ("INT64", "INT64"), ("DOUBLE", "STRING"), ("ARRAY_INT64", "STRING")],
)
def test_declared_types_of_ids(small, said, kind, ours):
    conversion = small.with_feature(ID % ("col", ""), declared(kind))
    assert columns(conversion)["col"][0] == ours
    assert not any('"col"' in remark for remark in said(conversion, Kind.GUESSED))
    is_told = any('"col"' in remark for remark in said(conversion, Kind.CHANGED))
    assert is_told == (kind in ("INT64", "DOUBLE"))


def test_a_column_of_several_values_is_a_text_whatever_its_type(small):
    raw = 'raw_feature { feature_name: "f" expression: "item:col" value_dim: 3 }'
    assert columns(small.with_feature(raw, declared("FLOAT")))["col"][0] == "STRING"
    assert columns(small.with_feature(raw))["col"][0] == "STRING"
    sequence = 'sequence_id_feature { feature_name: "f" expression: "user:col" embedding_dim: 4 num_buckets: 9 }'
    assert columns(small.with_feature(sequence, declared("INT64")))["col"][0] == "STRING"


def test_types_in_one_text(small):
    text = (DATA, f'{DATA} input_fields_str: "col:BIGINT; click:INT32;other:ARRAY<STRING>"')
    found = columns(small.with_feature(ID % ("col", ""), text))
    assert list(found) == ["col", "click", "other", "buy", "uid"]
    assert (found["col"][0], found["other"][0]) == ("INT64", "STRING")


@pytest.mark.parametrize("kind", ["MAP_STRING_FLOAT", "ARRAY_ARRAY_STRING"])
def test_types_that_are_not_read_are_told(small, said, kind):
    conversion = small.with_feature(ID % ("col", ""), declared(kind))
    assert any(f'"col" is a {kind}' in remark for remark in said(conversion, Kind.LEFT_OUT))


def test_a_label_of_numbers_is_a_float(small):
    changes = ('label_name: "buy" losses { binary_cross_entropy { } }', 'label_name: "buy" losses { l2_loss { } }')
    assert columns(small(changes))["buy"][0] == "FLOAT"


def test_a_default_belongs_to_the_column(small, said):
    conversion = small.with_feature(ID % ("col", 'default_value: "x"'))
    assert columns(conversion)["col"] == ("STRING", "x")
    assert not any("default_value" in remark for remark in said(conversion, Kind.CHANGED))


@pytest.mark.parametrize(("default", "text"), [('default_value: "y"', 'not "y"'), ("", "and not none")])
def test_readers_of_a_column_that_disagree_on_its_default_are_told(small, said, default, text):
    conversion = small.with_feature(ID % ("uid", default), ("value_dim: 1 }", 'value_dim: 1 default_value: "x" }'))
    assert columns(conversion)["uid"] == ("STRING", "x")
    assert any(
        f'a missing "uid" is "x" for all its readers, {text}' in remark for remark in said(conversion, Kind.CHANGED)
    )


@pytest.mark.parametrize(
    ("mode", "field"), [("fg_mode: FG_DAG", "default_value"), ("fg_mode: FG_NONE", "fg_encoded_default_value")]
)
def test_a_default_is_that_of_the_mode(small, mode, field):
    other = {"default_value": "fg_encoded_default_value"}.get(field, "default_value")
    text = ID % ("f", f'{field}: "7" {other}: "8"')
    assert columns(small.with_feature(text, (DATA, mode)))["f"][1] == "7"


def test_a_combination_and_a_history_have_no_default(small, said):
    combo = (
        'combo_feature { feature_name: "f" expression: ["a:x", "b:y"] embedding_dim: 4 hash_bucket_size: 9 '
        'default_value: "7" }'
    )
    history = (
        'sequence_id_feature { feature_name: "f" expression: "a:x" embedding_dim: 4 num_buckets: 9 default_value: "7" }'
    )
    for feature, text in (combo, "a missing input of a combination"), (history, "an empty history has no step"):
        conversion = small.with_feature(feature)
        assert columns(conversion)["x"] == ("STRING", "")
        assert any(text in remark for remark in said(conversion, Kind.LEFT_OUT))


@pytest.mark.parametrize(("kind", "ours"), [("INT64", FeatureConfig.IdFeature), ("STRING", FeatureConfig.TagFeature)])
def test_a_column_of_numbers_holds_one_value_in_each_row(small, kind, ours):
    text = (ID % ("col", "")).replace("value_dim: 1", "")
    assert small.feature(text, declared(kind)).feature_type == ours


def test_a_buffer_that_is_larger_than_ours_can_be(small):
    conversion = small((DATA, f"{DATA} shuffle: true shuffle_buffer_size: 4294967295"))
    assert conversion.pipeline.data_config.shuffle_buffer_size == 2**31 - 1


def test_types_in_one_text_that_are_odd_are_told(small, said):
    fields = "uid:BIGINT; buy : int32 ;tags:ARRAY<STRING>;kv:MAP<STRING,INT64>;odd"
    conversion = small((DATA, f'{DATA} input_fields_str: "{fields}"'))
    found = {name: kind for name, (kind, _) in columns(conversion).items()}
    assert found == {
        "uid": "INT64",
        "buy": "INT32",
        "tags": "STRING",
        "kv": "STRING",
        "odd": "STRING",
        "click": "INT32",
    }
    assert any('"odd" names no type' in remark for remark in said(conversion, Kind.GUESSED))
    assert any('"kv" is a MAP_' in remark for remark in said(conversion, Kind.LEFT_OUT))


def test_a_number_that_is_missing_is_zero_in_both(small):
    raw = 'raw_feature { feature_name: "f" expression: "item:col" %s }'
    assert columns(small.with_feature(raw % ""))["col"] == ("DOUBLE", "")
    assert columns(small.with_feature(raw % 'default_value: "2.5"'))["col"] == ("DOUBLE", "2.5")


@pytest.mark.parametrize(
    ("theirs", "field", "value"),
    [
        ("", "batch_size", 1024),
        ("batch_size: 7", "batch_size", 7),
        ("eval_batch_size: 7", "eval_batch_size", 7),
        ("drop_remainder: true", "drop_remainder", True),
        ("", "shuffle", False),
        ("shuffle: true shuffle_buffer_size: 70", "shuffle_buffer_size", 70),
        ("", "input_type", DatasetConfig.ParquetInput),
    ],
)
def test_fields_of_data_config(small, theirs, field, value):
    conversion = small((DATA, f"{DATA} {theirs}"))
    assert getattr(conversion.pipeline.data_config, field) == value
    assert conversion.pipeline.data_config.HasField(field)


def test_csv_without_header_has_the_declared_columns_in_their_order(small):
    fields = " ".join(f'input_fields {{ input_name: "{name}" }}' for name in ("uid", "unused", "buy", "click"))
    conversion = small(("dataset_type: ParquetDataset", f'dataset_type: CsvDataset delimiter: "|" {fields}'))
    data = conversion.pipeline.data_config
    assert [field.input_name for field in data.input_fields] == ["uid", "unused", "buy", "click"]
    assert (data.input_type, data.separator, data.with_header) == (DatasetConfig.CSVInput, "|", False)


def test_csv_whose_columns_nobody_declares_has_a_header(small, said):
    conversion = small(("ParquetDataset", "CsvDataset"))
    assert conversion.pipeline.data_config.with_header
    assert any("with_header" in remark for remark in said(conversion, Kind.GUESSED))


def test_tables_of_maxcompute_have_to_be_written_as_files(small, said):
    conversion = small(("ParquetDataset", "OdpsDataset"), ('"train.parquet"', '"odps://p/tables/t"'))
    remarks = said(conversion, Kind.LEFT_OUT)
    assert any("1 train_input_path: MaxCompute is not read" in remark for remark in remarks)
    assert any("data_config.dataset_type: OdpsDataset is not read" in remark for remark in remarks)
    assert conversion.pipeline.data_config.input_type == DatasetConfig.ParquetInput


@pytest.mark.parametrize(
    ("theirs", "kind", "text"),
    [
        ("num_workers: 4", Kind.NOT_NEEDED, "the reader sizes its threads"),
        ("pin_memory: false", Kind.NOT_NEEDED, "PyTorch"),
        ('sample_weight_fields: "w"', Kind.NOT_NEEDED, "towers name the column"),
        ("sample_mask_prob: 0.1", Kind.LEFT_OUT, "not masked"),
        ('batch_cost_size: 9 sample_cost_field: "c"', Kind.LEFT_OUT, "whatever they cost"),
        ('negative_sampler { input_path: "n" num_sample: 1 }', Kind.LEFT_OUT, "it draws negatives for retrieval"),
    ],
)
def test_remarks_on_data_config(small, said, theirs, kind, text):
    (remark,) = [remark for remark in said(small((DATA, f"{DATA} {theirs}")), kind) if text in remark]
    assert remark.startswith("9 ")


def test_what_is_written_as_its_default_asks_for_nothing(small, said):
    conversion = small((DATA, f"{DATA} num_workers: 8 pin_memory: true fg_threads: 1"))
    assert said(conversion, Kind.NOT_NEEDED) == []
