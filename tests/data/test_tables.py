"""Tables in memory are read as the same columns of Parquet are, whoever made them."""

import decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from google.protobuf import text_format

from easymtl.data import table_source
from easymtl.data.fingerprint import describe_changes, fingerprint
from easymtl.data.memory import HeldTable, tables_as_paths
from easymtl.data.paths import expand
from easymtl.data.sources import describe, open_source
from easymtl.data.table_digest import table_digest
from easymtl.data.tables import hold_table, is_table
from easymtl.data.text_form import text_forms
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline

CONFIG = """
data_config {
  input_fields { input_name: "city" input_type: STRING default_val: "none" }
  input_fields { input_name: "kind" input_type: STRING }
  input_fields { input_name: "tags" input_type: STRING }
  input_fields { input_name: "weights" input_type: STRING }
  input_fields { input_name: "age" input_type: INT64 default_val: "-1" }
  input_fields { input_name: "price" input_type: DOUBLE }
  input_fields { input_name: "at" input_type: INT64 }
  input_fields { input_name: "is_new" input_type: BOOL }
  input_fields { input_name: "cost" input_type: FLOAT }
  input_fields { input_name: "label" input_type: FLOAT }
  label_fields: "label"
}
feature_config {
  features { input_names: "city" feature_type: IdFeature }
  features { input_names: "kind" feature_type: IdFeature }
  features { input_names: "tags" input_names: "weights" feature_type: TagFeature separator: "|" }
}
model_config { dbmtl { task_towers { tower_name: "t" label_name: "label" } } }
"""
COLUMNS = ("city", "kind", "tags", "weights", "age", "price", "at", "is_new", "cost", "label")
ROWS = 7


@pytest.fixture
def config():
    return text_format.Parse(CONFIG, Pipeline())


def frame() -> pd.DataFrame:
    """Returns what a notebook holds: nulls of all kinds, categories, lists, times, decimals, and an index."""
    return pd.DataFrame(
        {
            "city": ["Berlin", None, "", "Köln", "Berlin", np.nan, "Rom"],
            "kind": pd.Categorical(["a", None, "b", "a", "a", "b", "b"], categories=["b", "unused", "a"]),
            "tags": [["x", "y"], [], None, ["x", None, "z"], np.array(["y"], object), [""], ["z"]],
            "weights": [[1.0, 0.5], [], None, [1.0, 2.0, 3.0], [4.0], [9.0], [0.25]],
            "age": pd.array([1, None, 3, 4, 5, 6, 7], "Int64"),
            "price": [1.5, np.nan, -2.0, 0.0, 1e300, 3.0, 4.0],
            "at": pd.to_datetime(["2026-01-01 10:00:00.123456", None, *["2026-01-02"] * 5], format="ISO8601"),
            "is_new": pd.array([True, None, False, True, True, False, True], "boolean"),
            "cost": [decimal.Decimal("1.25"), None, *[decimal.Decimal("3.50")] * 5],
            "label": [0, 1, 0, 1, 1, 0, 1],
            "strange": [object() for _ in range(ROWS)],
        },
        index=list("abcdefg"),
    )


def read(paths: str, config: Pipeline, items=(), batch_rows=3):
    source = open_source(
        paths, config.data_config, COLUMNS, batch_rows=batch_rows, forms=text_forms(config), items=items
    )
    batches = [batch for block in source.blocks for batch in source.read(block)]
    assert all(batch.schema == source.schema for batch in batches)
    return [batch.to_pylist() for batch in batches], source


def read_table(data, config: Pipeline, **options):
    with tables_as_paths({"x": hold_table(data, "train", COLUMNS)}) as paths:
        return read(paths["x"], config, **options)


@pytest.mark.parametrize("items", [(), ("tags", "weights")], ids=["texts", "items"])
def test_a_data_frame_is_read_as_the_parquet_file_that_it_writes(config, tmp_path, items):
    frame().drop(columns="strange").to_parquet(tmp_path / "a.parquet", index=False)
    of_file, _ = read(str(tmp_path / "a.parquet"), config, items=items)
    of_table, source = read_table(frame(), config, items=items)
    assert of_table == of_file
    assert [len(batch) for batch in of_table] == [3, 3, 1] and source.num_rows == ROWS
    assert of_table[0][0]["at"] == 1767261600123456 and of_table[0][1]["age"] == -1


def test_tables_of_polars_and_arrow_are_read_as_those_of_pandas(config):
    pandas = frame().drop(columns="strange")
    arrow = pa.Table.from_pandas(pandas, preserve_index=False)
    polars = pl.from_arrow(arrow)
    expected, _ = read_table(pandas, config)
    for data in (arrow, polars, arrow.combine_chunks().to_batches()[0], pa.RecordBatchReader.from_stream(arrow)):
        assert read_table(data, config)[0] == expected, type(data)
    # A slice begins in the middle of buffers, and several chunks are one table.
    pieces = pa.concat_tables([arrow.slice(0, 2), arrow.slice(2, 4), arrow.slice(6, 1)])
    assert read_table(pieces, config)[0] == expected
    later, _ = read_table(polars.slice(2, 4), config)
    assert [row for batch in later for row in batch] == [row for batch in expected for row in batch][2:6]


def test_blocks_are_runs_of_rows_whatever_the_chunks_are(config, monkeypatch):
    monkeypatch.setattr(table_source, "_BLOCK_ROWS", 4)
    arrow = pa.Table.from_pandas(frame().drop(columns="strange"), preserve_index=False)
    whole, source = read_table(arrow, config)
    pieces, _ = read_table(pa.concat_tables([arrow.slice(0, 5), arrow.slice(5)]), config)
    assert whole == pieces and [len(batch) for batch in whole] == [3, 1, 3]
    assert [block.num_rows for block in source.blocks] == [4, 3]
    with tables_as_paths({"x": hold_table(arrow, "train", COLUMNS)}) as paths:
        source = open_source(paths["x"], config.data_config, COLUMNS, forms=text_forms(config))
        assert source.find(source.blocks[1], "city", "Rom") == 'table "train": row 6 (the first is 0)'


def test_columns_without_nulls_are_not_copied():
    numbers = np.arange(1000.0)
    held = hold_table(pd.DataFrame({"price": numbers}, copy=False), "train", ["price"])
    assert held.table.column("price").chunk(0).buffers()[1].address == numbers.ctypes.data


def test_the_index_and_columns_that_nothing_reads_are_left_out():
    held = hold_table(frame(), "train", ["age", "city", "absent"])
    assert held.table.column_names == ["city", "age"]
    assert "strange" in held.other_names and "index" not in " ".join(held.other_names)


@pytest.mark.parametrize(
    "data, says",
    [
        (pd.DataFrame({"age": [1, "two", object()]}), 'column "age" has values of several types'),
        (pd.DataFrame([[1, 2]], columns=["age", "age"]), 'several columns of the name "age"'),
        (pa.table([[1], [2]], names=["age", "age"]), 'several columns of the name "age"'),
        (pl.DataFrame({"age": [1]}).lazy(), "LazyFrame is no table"),
        ([{"age": 1}], "builtins.list is no table"),
    ],
)
def test_what_is_no_table_is_refused(data, says):
    with pytest.raises(UserError, match=says):
        hold_table(data, "train", ["age"])


def test_a_path_is_no_table():
    assert not is_table("data/*.csv") and is_table(frame()) and is_table(pl.DataFrame()) and is_table(pa.table({}))


def test_a_column_that_is_missing_is_told_with_the_names_of_all(config):
    with pytest.raises(UserError, match=r'table "train": column "city" is not in the table.*Did you mean "citi"'):
        read_table(frame().rename(columns={"city": "citi"}), config)


def test_a_type_that_cannot_be_read_is_told_of_the_table(config):
    table = pa.Table.from_pandas(frame().drop(columns=["strange", "city"]), preserve_index=False)
    table = table.append_column("city", pa.array([{"a": 1}] * ROWS))
    with pytest.raises(UserError, match=r'table "train": column "city" is struct.* in the table and declared STRING'):
        read_table(table, config)


def test_a_value_that_does_not_fit_is_told_with_its_row(config):
    with pytest.raises(UserError, match=r'table "train": row 4 \(the first is 0\): column "age" holds 2.5'):
        read_table(frame().assign(age=[1.0, 2.0, 3.0, 4.0, 2.5, 6.0, 7.0]), config)


def test_rows_that_do_not_fit_are_left_out_where_the_config_says_so(config):
    config.data_config.ignore_error = True
    batches, source = read_table(frame().assign(age=[1.0, 2.0, 3.0, 4.0, 2.5, 6.0, 7.0]), config)
    assert [row["age"] for batch in batches for row in batch] == [1, 2, 3, 4, 6, 7]
    assert source.skipped_rows == 1


def test_a_table_is_described_by_its_types(config):
    with tables_as_paths({"x": hold_table(frame()[["age", "tags", "strange"]], "train", ["age", "tags"])}) as paths:
        found = dict(describe(paths["x"], config.data_config))
        assert found == {"tags": "list<item: string>", "age": "int64", "strange": "not read"}


def test_an_address_ends_with_its_block(config):
    held = HeldTable("train", pa.table({"age": [1]}))
    with tables_as_paths({"x": held}) as outer:
        with tables_as_paths({"x": held}) as inner:
            assert outer["x"] == "memory://train" and inner["x"] == "memory://train-2"
            assert expand(inner["x"])[0].name == 'table "train"'
        assert expand(outer["x"])
        with pytest.raises(UserError, match=r"memory://train-2.*is not here. There are .memory://train."):
            expand(inner["x"])
    with pytest.raises(UserError, match=r"is not here\. Name files in its place"):
        expand(outer["x"])


def test_files_and_a_table_are_not_read_together(config, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("1\n")
    with (
        tables_as_paths({"x": HeldTable("train", pa.table({"age": [1]}))}) as paths,
        pytest.raises(UserError, match=r"a\.csv: this file stands beside a table"),
    ):
        read(f"{paths['x']},{path}", config)


def marks(data):
    with tables_as_paths({"x": hold_table(data, "train", COLUMNS)}) as paths:
        return fingerprint(expand(paths["x"]))


def test_the_same_values_have_one_fingerprint_however_they_are_held():
    pandas = frame().drop(columns=["strange", "cost"])
    arrow = pa.Table.from_pandas(pandas, preserve_index=False)
    same = [
        arrow,
        arrow.select(arrow.column_names[::-1]),
        pl.from_arrow(arrow),
        pa.concat_tables([arrow.slice(0, 3), arrow.slice(3)]),
        pa.concat_tables([arrow, arrow]).slice(ROWS),
        pandas.assign(unread=1),
    ]
    assert all(marks(one) == marks(pandas) for one in same)


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.assign(price=[1.5, np.nan, -2.0, 0.0, 1e300, 3.0, 4.5]),
        lambda one: one.assign(city=["Berlin", "", None, "Köln", "Berlin", None, "Rom"]),
        lambda one: one.assign(tags=[["x"], ["y"], None, ["x", None, "z"], ["y"], [""], ["z"]]),
        lambda one: one.assign(kind=["a", None, "b", "a", "a", "b", "a"]),
        lambda one: one.assign(is_new=False),
        lambda one: one.iloc[::-1],
        lambda one: one.iloc[:-1],
        lambda one: one.drop(columns="label"),
    ],
)
def test_other_values_have_another_fingerprint(change):
    before, after = marks(frame()), marks(change(frame()))
    assert describe_changes(before, after) == '1 changed ("train")'


def test_a_digest_is_of_all_rows():
    numbers = np.arange(200_000)
    later = numbers.copy()
    later[-1] = 7
    assert table_digest(pa.table({"a": numbers})) != table_digest(pa.table({"a": later}))


def test_a_digest_does_not_confuse_where_values_end():
    tables = [
        pa.table({"a": ["ab", "c"]}),
        pa.table({"a": ["a", "bc"]}),
        pa.table({"a": [["a", "b"], []]}),
        pa.table({"a": [["a"], ["b"]]}),
        pa.table({"a": [None, "abc"]}),
        pa.table({"a": ["abc", None]}),
        pa.table({"b": ["ab", "c"]}),
        pa.table({"a": [b"ab", b"c"]}),
        pa.table({"a": [1, 2]}),
        pa.table({"a": [1.0, 2.0]}),
        pa.table({"a": pa.array([None, None], pa.null())}),
        pa.table({"a": [{"x": 1}, None]}),
        pa.table({"a": [{"x": 1}, {"x": None}]}),
        pa.table({"a": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64()))}),
        pa.table({"a": pa.array([True, False])}),
        pa.table({"a": pa.array([True, True])}),
    ]
    assert len({table_digest(table) for table in tables}) == len(tables)
