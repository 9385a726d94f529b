"""Columns in the names of folders."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from easymtl.data.sources import describe, open_source
from easymtl.errors import UserError
from easymtl.verbs.data_check import data_problems, unread_columns

EMPTY = "__HIVE_DEFAULT_PARTITION__"


@pytest.fixture
def days(tmp_path):
    """Returns the function that writes a file below `dt=.../hour=...` and gives the folder of all."""

    def write(dt, hour, content, name="a"):
        folder = tmp_path / f"dt={dt}" / f"hour={hour}"
        folder.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            (folder / f"{name}.csv").write_text(content)
        else:
            pq.write_table(pa.table(content), folder / f"{name}.parquet")
        return tmp_path

    return write


def read(folder, config, names):
    source = open_source(str(folder), config, names)
    batches = [batch for block in source.blocks for batch in source.read(block)]
    assert all(batch.schema == source.schema for batch in batches)
    return {name: [one for batch in batches for one in batch.column(name).to_pylist()] for name in names}, source


def write_two(days, form):
    make = {
        "parquet": lambda *values: {"x": list(values)},
        "header": lambda *values: "\n".join(["x", *map(str, values)]),
        "plain": lambda *values: "\n".join(map(str, values)),
    }[form]
    days("2026-01-01", "07", make(1, 2))
    return days("a%20b%2Fc", EMPTY, make(3))


SETTINGS = {"parquet": {}, "header": {"with_header": "true"}, "plain": {}}


@pytest.mark.parametrize("form", SETTINGS)
def test_declared_ones_are_columns(days, make_config, form):
    folder = write_two(days, form)
    config = make_config("dt x:INT32 hour:INT32", **SETTINGS[form])
    values, source = read(folder, config, ["hour", "x", "dt"])
    assert values == {"hour": [7, 7, None], "x": [1, 2, 3], "dt": ["2026-01-01", "2026-01-01", "a b/c"]}
    assert source.find(source.blocks[0], "hour", 7).startswith(str(folder / "dt=2026-01-01" / "hour=07"))
    assert source.find(source.blocks[1], "hour", 7) is None
    assert read(folder, config, ["hour"])[0] == {"hour": [7, 7, None]}
    filled = make_config("dt x:INT32 hour:INT32=-1", **SETTINGS[form])
    assert read(folder, filled, ["hour"])[0] == {"hour": [7, 7, -1]}


@pytest.mark.parametrize("form", SETTINGS)
def test_check_knows_them(days, make_config, form):
    folder = str(write_two(days, form))
    config = make_config("dt x:INT32 hour:INT32", **SETTINGS[form])
    assert data_problems(folder, config, ["dt", "hour", "x"]) == []
    assert sorted(unread_columns(folder, config, ["x"])) == ["dt", "hour"]
    if form != "plain":
        assert [name for name, _ in describe(folder, config)] == ["x", "dt", "hour"]


@pytest.mark.parametrize("form", SETTINGS)
def test_undeclared_ones_are_folders_like_others(days, make_config, form):
    values, _ = read(write_two(days, form), make_config("x:INT32", **SETTINGS[form]), ["x"])
    assert values == {"x": [1, 2, 3]}


def test_a_file_without_header_may_hold_them_too(days, make_config):
    folder = days("1", "7", "1,5\n1,6\n")
    assert read(folder, make_config("dt:INT32 x:INT32"), ["x", "dt"])[0] == {"x": [5, 6], "dt": [1, 1]}


@pytest.mark.parametrize("content", [{"x": [1], "hour": [8]}, "x,hour\n1,8\n"])
def test_a_column_of_the_file_must_say_the_same(days, make_config, content):
    settings = {"with_header": "true"} if isinstance(content, str) else {}
    same = {"x": [1, 2], "hour": [8, None]} if isinstance(content, dict) else "x,hour\n1,8\n2,\n"
    folder = days("1", "08", same)
    config = make_config("x:INT32 hour", **settings)
    assert read(folder, config, ["hour"])[0] == {"hour": ["8", None]}
    days("1", "09", content)
    with pytest.raises(
        UserError, match=r'hour=09/a.*(row 1 |:2:).*column "hour" holds "8", and the folder .* otherwise'
    ):
        read(folder, config, ["x", "hour"])


@pytest.mark.parametrize("form", ["parquet", "header"])
def test_a_file_without_the_column_and_the_folder_is_named(days, make_config, form, tmp_path):
    write_two(days, form)
    other = tmp_path / "dt=other"
    content = {"x": [4]} if form == "parquet" else "x\n4\n"
    if form == "parquet":
        pq.write_table(pa.table(content), other.with_name("z.parquet"))
    else:
        other.with_name("z.csv").write_text(content)
    with pytest.raises(UserError, match=r'z\.(parquet|csv).*column "hour" is not in the (file|header)'):
        read(tmp_path, make_config("dt x:INT32 hour:INT32", **SETTINGS[form]), ["x", "hour"])


@pytest.mark.parametrize("form", SETTINGS)
def test_a_folder_that_is_not_of_the_declared_type_is_named(days, make_config, form):
    folder = write_two(days, form)
    with pytest.raises(UserError, match='the folder "dt=2026-01-01" is a column, and "2026-01-01" is no INT32'):
        read(folder, make_config("dt:INT32 x:INT32", **SETTINGS[form]), ["x", "dt"])
    assert read(folder, make_config("dt:INT32 x:INT32", **SETTINGS[form]), ["x"])[0] == {"x": [1, 2, 3]}
