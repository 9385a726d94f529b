"""Files that lie among data and are none."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from easymtl.data.sources import describe, open_source
from easymtl.errors import UserError

TYPES = {"csv": "CSVInput", "parquet": "ParquetInput"}


@pytest.fixture
def folder(tmp_path):
    """Returns the function that makes a folder with two files of data."""

    def make(kind):
        for place in range(2):
            path = tmp_path / f"part-{place}.{kind}"
            if kind == "csv":
                path.write_text("1\n2\n")
            else:
                pq.write_table(pa.table({"x": [1, 2]}), path)
        return tmp_path

    return make


STRAYS = [
    "README",
    "README.md",
    "a.crc",
    "part-1.csv.tmp",
    "notes.xlsx",
    "LICENSE.txt",
    "part-0.orc",
    "z.json",
    "worker-0.log",
]


@pytest.mark.parametrize("is_declared", [True, False])
@pytest.mark.parametrize("name", STRAYS)
@pytest.mark.parametrize("kind", TYPES)
def test_a_stray_file_is_named(folder, make_config, kind, name, is_declared):
    path = folder(kind)
    (path / name).write_text("PK\3\4\n")
    config = make_config("x:INT32", **({"input_type": TYPES[kind]} if is_declared else {}))
    problem = rf"/{name}: this file lies among (CSV|Parquet) files in .* Move it"
    for paths in (str(path), f"{path}/*"):
        with pytest.raises(UserError, match=problem):
            open_source(paths, config, ["x"])
        with pytest.raises(UserError, match=problem):
            describe(paths, config)


@pytest.mark.parametrize("names", [["a.log", "b.log"], ["a.log", "b.log.gz"], ["a.log", "a.log.1"]])
def test_a_folder_of_logs_is_data(tmp_path, make_config, names):
    for name in names:
        (tmp_path / name).write_bytes(gzip.compress(b"1\n") if name.endswith("gz") else b"1\n")
    assert len(open_source(str(tmp_path), make_config("x:INT32", input_type="CSVInput"), ["x"]).blocks) == 2


@pytest.mark.parametrize("kind, other", [("csv", "parquet"), ("parquet", "csv")])
def test_a_file_of_the_other_format_is_a_stray_one(folder, make_config, kind, other):
    path = folder(kind)
    (path / f"z.{other}").write_text("")
    with pytest.raises(UserError, match=rf"/z\.{other}: this file lies among"):
        open_source(str(path), make_config("x:INT32", input_type=TYPES[kind]), ["x"])


@pytest.mark.parametrize("kind", TYPES)
def test_the_advice_works(folder, make_config, kind):
    path = folder(kind)
    (path / "_README.md").write_text("notes")
    config = make_config("x:INT32")
    assert len(open_source(str(path), config, ["x"]).blocks) == 2
    (path / "_README.md").rename(path / "README.md")
    assert len(open_source(f"{path}/*.{kind}", config, ["x"]).blocks) == 2


def test_a_file_that_is_named_by_itself_is_what_it_is_said_to_be(folder, make_config):
    path = folder("csv")
    (path / "rows.md").write_text("3\n")
    assert len(open_source(f"{path}/rows.md, {path}/*.csv", make_config("x:INT32"), ["x"]).blocks) == 3


@pytest.mark.parametrize("names", [["part-00000", "part-00001"], ["a.20260101", "a.20260102"], ["a.rows", "b.rows"]])
def test_data_without_a_known_ending_is_read(tmp_path, make_config, names):
    for name in names:
        (tmp_path / name).write_text("1\n")
    assert len(open_source(str(tmp_path), make_config("x:INT32"), ["x"]).blocks) == 2


def test_what_is_no_parquet_file_in_a_folder_of_them(folder, make_config):
    path = folder("parquet")
    (path / "part-3").write_text("something else")
    with pytest.raises(UserError, match=r"/part-3: this is no Parquet file: .* If it is no data, move it away from"):
        open_source(str(path), make_config("x:INT32", input_type="ParquetInput"), ["x"])
