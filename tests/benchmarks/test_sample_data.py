"""Data of sample configs is written in the form in which the config reads it."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format

from benchmarks import sample_data
from benchmarks.sample_data import data_overrides, sample_path
from easymtl.config import load_config
from easymtl.data.sources import open_source
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.example_pb2 import Example
from easymtl.synth import read_batches
from easymtl.synth.funnel import Funnel
from easymtl.synth.posts import Posts

NAMES = {
    "tab_separated_on_posts": ("posts", ".txt"),
    "aitm_from_dbmtl_on_funnel": ("funnel", ".txt"),
    "records_on_posts": ("posts", ".tfrecord"),
}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    for data_set in (Posts, Funnel):
        monkeypatch.setattr(data_set, "block_rows", 256)


@pytest.mark.parametrize("name", NAMES)
def test_a_config_reads_the_rows_of_its_data_set(name, tmp_path):
    data_set, ending = NAMES[name]
    overrides = data_overrides(name, 40, 10, tmp_path)
    assert overrides == [f"{part}_input_path={tmp_path}/{name}_40/{part}{ending}" for part in ("train", "eval")]
    pipeline = load_config(str(sample_path(name)), overrides).pipeline
    for path, part, num_rows in ((pipeline.train_input_path, "train", 40), (pipeline.eval_input_path, "eval", 10)):
        columns = [field.input_name for field in pipeline.data_config.input_fields]
        source = open_source(path, pipeline.data_config, columns)
        found = pa.Table.from_batches([batch for block in source.blocks for batch in source.read(block)])
        expected = pa.Table.from_batches(read_batches(data_set, num_rows, part=part)).select(columns)
        assert found.num_rows == num_rows
        for column in columns:
            # As declared: a number of a STRING field is its text, and 1 of a BOOL field is true.
            kind = found[column].type
            kind = kind.value_type if pa.types.is_dictionary(kind) else kind
            assert found[column].to_pylist() == expected[column].cast(kind).to_pylist(), column


def test_data_that_is_there_stays(tmp_path):
    def write_times() -> list[int]:
        paths = [one.partition("=")[2] for one in data_overrides("records_on_posts", 20, 5, tmp_path)]
        return [Path(path).stat().st_mtime_ns for path in paths]

    assert write_times() == write_times()


def test_the_command_writes_where_the_config_reads(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sample_data, "ROOT", tmp_path)
    assert sample_data.main(["records_on_posts", "--rows", "10"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{part}: samples/data/posts/{part}.tfrecord" for part in ("train", "eval")
    ]
    assert (tmp_path / "samples" / "data" / "posts" / "train.tfrecord").stat().st_size > 0


def test_files_that_several_configs_read_have_all_columns(tmp_path, monkeypatch):
    monkeypatch.setattr(sample_data, "ROOT", tmp_path)
    assert sample_data.main(["cmbf_on_posts", "--rows", "10"]) == 0
    found = pq.read_schema(tmp_path / "samples" / "data" / "posts" / "train.parquet")
    assert found.names == next(read_batches("posts", 1)).schema.names


@pytest.mark.parametrize("name", ["made_up_rows", "mmoe_on_census"])
def test_what_cannot_be_made_is_told(name, capsys):
    assert sample_data.main([name]) == 1
    assert f"{name} reads no data" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("data_set", "text", "is_so"),
    [
        ("taobao", 'input_type: CSVInput separator: ","', True),
        ("taobao", 'input_type: CSVInput separator: "," with_header: true', False),
        ("taobao", 'input_type: CSVInput separator: ";"', False),
        ("taobao", "input_type: TFRecordInput", False),
        ("taobao", "input_type: ParquetInput", False),
        ("posts", "input_type: ParquetInput", True),
        ("posts", 'input_type: CSVInput separator: ","', False),
    ],
)
def test_data_that_synth_writes_as_a_config_reads_it_is_left_to_it(data_set, text, is_so):
    assert sample_data._is_as_written(data_set, text_format.Parse(text, DatasetConfig())) is is_so


def test_records_hold_each_value_in_the_list_of_its_type_and_none_where_there_is_none():
    row = {
        "text": "é",
        "whole": -3,
        "number": 0.5,
        "none": None,
        "empty": [],
        "texts": ["a", "b"],
        "numbers": [1.5, 2.0],
    }
    features = Example.FromString(sample_data._example(row)).features.feature
    assert list(features["text"].bytes_list.value) == ["é".encode()]
    assert list(features["whole"].int64_list.value) == [-3]
    assert list(features["number"].float_list.value) == [0.5]
    assert list(features["texts"].bytes_list.value) == [b"a", b"b"]
    assert list(features["numbers"].float_list.value) == [1.5, 2.0]
    assert not any(features[name].WhichOneof("kind") for name in ("none", "empty"))
