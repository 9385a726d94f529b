"""Made-up rows have the declared columns and are the same each time."""

import pyarrow as pa
import pytest

from easymtl.data.fields import DICTIONARY
from easymtl.data.sources import open_source
from easymtl.protos.data_pb2 import DatasetConfig

NAMES = ["i", "l", "s", "f", "d", "b"]


@pytest.fixture
def config(make_config):
    config = make_config("i:INT32 l:INT64 s f:FLOAT d:DOUBLE b:BOOL")
    config.input_type = DatasetConfig.DummyInput
    config.batch_size = 500
    config.label_fields.extend(["l", "f"])
    return config


def test_columns_are_typed_as_declared_and_need_no_file(config):
    source = open_source("", config, NAMES)
    (batch,) = source.read(source.blocks[0])
    types = [pa.int32(), pa.int64(), DICTIONARY, pa.float32(), pa.float64(), pa.bool_()]
    assert batch.schema.names == NAMES
    assert batch.schema.types == types
    assert batch.num_rows == source.num_rows == 500


def test_labels_are_zero_or_one_and_the_rest_has_many_values(config):
    source = open_source("", config, NAMES)
    (batch,) = source.read(source.blocks[0])
    distinct = {name: set(batch.column(name).to_pylist()) for name in NAMES}
    assert distinct["l"] == {0, 1}
    assert distinct["f"] == {0.0, 1.0}
    assert distinct["b"] == {False, True}
    assert all(100 < len(distinct[name]) <= 500 for name in ("i", "s", "d"))


def test_they_are_the_same_each_time(config):
    batches = []
    for _ in range(2):
        source = open_source("", config, ["i", "s"])
        batches += source.read(source.blocks[0])
    assert batches[0].equals(batches[1])


def test_a_label_of_texts_holds_those(config):
    config.label_fields.append("s")
    config.label_values.add(label_name="s", number=2, texts=["good", "fine"])
    config.label_values.add(label_name="s", number=0)
    source = open_source("", config, ["s"])
    (batch,) = source.read(source.blocks[0])
    assert set(batch.column("s").to_pylist()) == {"good", "fine", "any"}
