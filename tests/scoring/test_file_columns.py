"""Columns that the config does not declare, with the types that files have them in."""

from decimal import Decimal

import pyarrow as pa
import pytest
from google.protobuf import text_format
from pyarrow import parquet

from easymtl.errors import UserError
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.file_columns import columns_of_files, declare_columns

DECLARED = 'input_fields { input_name: "age" input_type: FLOAT } input_fields { input_name: "city" }'
COLUMNS = {
    "age": (pa.array([1, 2]), None),
    "day": (pa.array([1, 2], pa.uint8()), DatasetConfig.INT64),
    "hour": (pa.array([1, 2], pa.int32()), DatasetConfig.INT64),
    "price": (pa.array([1.0, 2.0], pa.float32()), DatasetConfig.DOUBLE),
    "cost": (pa.array([Decimal("1.5"), Decimal("2.5")]), DatasetConfig.DOUBLE),
    "is_new": (pa.array([True, False]), DatasetConfig.BOOL),
    "device": (pa.array(["a", "b"]), DatasetConfig.STRING),
    "since": (pa.array([1, 2], pa.timestamp("s")), DatasetConfig.STRING),
}
FURTHER = {name: kind for name, (_, kind) in COLUMNS.items() if kind is not None}


def pipeline_of(data):
    return text_format.Parse(f"data_config {{ {data} {DECLARED} }}", Pipeline())


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("columns") / "rows.parquet"
    parquet.write_table(pa.table({name: array for name, (array, _) in COLUMNS.items()}), path)
    return str(path)


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    path = tmp_path_factory.mktemp("lines") / "rows.csv"
    path.write_text("age,city,hour\n1,rome,7\n")
    return str(path)


def test_columns_are_declared_once_each_with_the_type_of_the_file(rows):
    pipeline = pipeline_of("input_type: ParquetInput")
    before = pipeline.SerializeToString()
    wider = declare_columns(pipeline, rows, ["age", *FURTHER, "day"], "--by")
    fields = [(field.input_name, field.input_type) for field in wider.data_config.input_fields]
    assert fields == [("age", DatasetConfig.FLOAT), ("city", DatasetConfig.STRING), *FURTHER.items()]
    assert pipeline.SerializeToString() == before


def test_a_csv_column_is_text(lines):
    wider = declare_columns(pipeline_of("input_type: CSVInput with_header: true"), lines, ["hour"], "--by")
    assert wider.data_config.input_fields[-1].input_name == "hour"
    assert wider.data_config.input_fields[-1].input_type == DatasetConfig.STRING


def test_a_column_that_is_nowhere_is_refused_with_those_that_there_are(rows, lines):
    with pytest.raises(UserError, match=r'--by: "hours" is neither in.*nor a column.*"hour".*Did you mean "hour"'):
        declare_columns(pipeline_of("input_type: ParquetInput"), rows, ["hours"], "--by")
    with pytest.raises(UserError, match=r'"hour" is neither.*"age", "city"\. Files that do not name their columns'):
        declare_columns(pipeline_of("input_type: CSVInput"), lines, ["hour"], "--by")


def test_declared_columns_that_files_have(rows, lines):
    assert columns_of_files(pipeline_of("input_type: ParquetInput"), rows) == ["age"]
    assert columns_of_files(pipeline_of("input_type: CSVInput with_header: true"), lines) == ["age", "city"]
    assert columns_of_files(pipeline_of("input_type: CSVInput"), lines) == ["age", "city"]
