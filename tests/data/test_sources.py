import gzip
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from easymtl.data.parquet import ParquetSource
from easymtl.data.sources import describe, open_source
from easymtl.errors import UserError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_bytes(b'i,"s, t"\n1,2\n')
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"i,s\n1,2\n"))
    pq.write_table(pa.table({"i": [1], "s": ["x"]}), tmp_path / "a.parquet")
    return tmp_path


def test_the_format_is_that_of_the_file_unless_declared(folder, make_config):
    assert isinstance(open_source("a.parquet", make_config("i:INT64"), ["i"]), ParquetSource)
    with pytest.raises(UserError, match="this is a Parquet file"):
        open_source("a.parquet", make_config("i:INT64", input_type="CSVInput"), ["i"])
    with pytest.raises(UserError, match="KafkaInput cannot be read"):
        open_source("a.parquet", make_config("i:INT64", input_type="KafkaInput"), ["i"])


def test_a_column_that_is_not_declared(folder, make_config):
    with pytest.raises(UserError, match=r'"ii" is not in data_config\.input_fields\. Did you mean "i"'):
        open_source("a.csv", make_config("i s"), ["ii"])


def test_describe(folder, make_config):
    assert describe("a.csv", make_config("i s", with_header="true")) == [("i", None), ("s, t", None)]
    assert describe("a.csv", make_config("i s")) == [("1", None), ("2", None)]
    assert describe("a.csv.gz", make_config("i s", with_header="true")) == [("i", None), ("s", None)]
    assert describe("a.parquet", make_config("i s")) == [("i", "int64"), ("s", "string")]


def test_reading_needs_no_tensorflow():
    code = "import sys, easymtl.data.feed, easymtl.data.sources; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
