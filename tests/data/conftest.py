import pytest
from google.protobuf import text_format

from easymtl.data.sources import open_source
from easymtl.protos.data_pb2 import DatasetConfig


def data_config(fields, **settings):
    """Returns a DatasetConfig with fields such as `"age:INT32 city price:FLOAT=1.5"`."""
    message = DatasetConfig()
    for text in fields.split():
        text, has_default, default = text.partition("=")
        name, _, kind = text.partition(":")
        field = message.input_fields.add(input_name=name, input_type=kind or "STRING")
        if has_default:
            field.default_val = default
    for name, value in settings.items():
        text_format.Merge(f"{name}: {value}", message)
    return message


@pytest.fixture
def make_config():
    return data_config


@pytest.fixture
def read(tmp_path):
    """Reads everything from a file (bytes are written first) as a dict of lists, and returns it with the source."""

    def read_all(
        content,
        fields,
        columns=None,
        block_bytes=8 << 20,
        batch_rows=65536,
        name="a.csv",
        fills_defaults=True,
        **settings,
    ):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        message = data_config(fields, **settings)
        columns = columns or [field.input_name for field in message.input_fields]
        source = open_source(str(path), message, columns, block_bytes, batch_rows, fills_defaults=fills_defaults)
        batches = [batch for block in source.blocks for batch in source.read(block)]
        values = {name: [] for name in columns}
        for batch in batches:
            assert batch.schema == source.schema
            for name in columns:
                values[name] += batch.column(name).to_pylist()
        return values, source

    return read_all
