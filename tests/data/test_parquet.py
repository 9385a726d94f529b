import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from easymtl.data.parquet import require_entries
from easymtl.errors import UserError


@pytest.fixture
def read_table(read, tmp_path):
    def read_all(columns, fields, row_group_size=4, **settings):
        pq.write_table(pa.table(columns), tmp_path / "a.parquet", row_group_size=row_group_size)
        return read(None, fields, name="a.parquet", input_type="ParquetInput", **settings)

    return read_all


def test_a_block_is_a_row_group_and_the_number_of_rows_is_known(read_table):
    columns = {"i": pa.array(range(10), pa.int32()), "extra": ["x"] * 10}
    values, source = read_table(columns, "i:INT32", batch_rows=3)
    assert [len(batch) for batch in source.read(source.blocks[0])] == [3, 1]
    assert values == {"i": list(range(10))}
    assert [(block.start, block.num_rows) for block in source.blocks] == [(0, 4), (1, 4), (2, 2)]
    assert source.num_rows == 10


@pytest.mark.parametrize(
    "array, kind, expected",
    [
        (pa.array(["a", None, ""]), "STRING", ["a", None, ""]),
        (pa.array(["a", None, "a"]).dictionary_encode(), "STRING", ["a", None, "a"]),
        (pa.array(["a", "b"]).cast(pa.large_string()), "STRING", ["a", "b"]),
        (pa.array(["a", "b"]).cast(pa.string_view()), "STRING", ["a", "b"]),
        (pa.array([b"a", None]), "STRING", ["a", None]),
        (pa.array([5, None, -1]), "STRING", ["5", None, "-1"]),
        (pa.array([True, None]), "STRING", ["true", None]),
        (pa.array([1, None, 3], pa.int64()), "INT32", [1, None, 3]),
        (pa.array([1, 255], pa.uint8()), "INT32", [1, 255]),
        (pa.array([-1, 3], pa.int8()), "INT64", [-1, 3]),
        (pa.array([2.0, None]), "INT32", [2, None]),
        (pa.array([True, False]), "INT32", [1, 0]),
        (pa.array([1, 0, None], pa.int64()), "BOOL", [True, False, None]),
        (pa.array([1, 2**25 + 1], pa.int64()), "FLOAT", [1.0, float(2**25)]),
        (pa.array([1.5, None]), "FLOAT", [1.5, None]),
        (pa.array([0.5], pa.float16()), "DOUBLE", [0.5]),
        (pa.array([True, None]), "FLOAT", [1.0, None]),
        (pa.array(["1", " 2 ", "", None]), "INT64", [1, 2, None, None]),
        (pa.array(["1e5", "x"]).slice(0, 1), "FLOAT", [1e5]),
        (pa.array(["1", "2", "1"]).dictionary_encode(), "INT32", [1, 2, 1]),
        (pa.array([None, None], pa.null()), "INT32", [None, None]),
        (pa.array([None], pa.null()), "STRING", [None]),
    ],
)
def test_types_are_converted_where_nothing_is_lost(read_table, array, kind, expected):
    values, _ = read_table({"x": array}, f"x:{kind}")
    assert values == {"x": expected}


def test_text_that_does_not_parse(read_table):
    columns = {"x": ["1", "a", "3", "4", "b"], "y": [1, 2, 3, 4, 5]}
    with pytest.raises(UserError, match=r'a\.parquet: row 2 \(row group 0\): column "x" holds "a", which is no INT32'):
        read_table(columns, "x:INT32 y:INT32")
    values, source = read_table(columns, "x:INT32 y:INT32", ignore_error="true")
    assert values == {"x": [1, 3, 4], "y": [1, 3, 4]}
    assert source.skipped_rows == 2


def test_defaults_fill_empty_texts_and_nan_as_the_served_graph_does(read_table):
    texts = pa.array(["", "u1", None, "x", "x"])
    columns = {
        "s": texts,
        "d": texts.dictionary_encode(),
        "f": pa.array([float("nan"), None, 1.0, 2.0, 3.0], pa.float32()),
    }
    values, source = read_table(columns, "s=u1 d=u1 f:FLOAT=9", row_group_size=5)
    assert values == {"s": ["u1"] * 3 + ["x"] * 2, "d": ["u1"] * 3 + ["x"] * 2, "f": [9.0, 9.0, 1.0, 2.0, 3.0]}
    (batch,) = source.read(source.blocks[0])
    assert all(sorted(batch.column(name).dictionary.to_pylist()) == ["u1", "x"] for name in "sd"), "each value once"
    assert source.find(source.blocks[0], "f", 9.0).endswith("row 1 (row group 0)")
    values, _ = read_table(columns, "s=u1 f:FLOAT=9 d", fills_defaults=False)
    assert values["s"] == ["", "u1", None, "x", "x"]
    assert values["f"][1] is None


def test_defaults_fill_nulls(read_table):
    values, _ = read_table({"i": [1, None], "s": ["a", None]}, "i:INT32=7 s=none")
    assert values == {"i": [1, 7], "s": ["a", "none"]}


def test_a_column_that_is_missing(read_table):
    with pytest.raises(UserError, match=r'a\.parquet: column "price" is not in the file .* Did you mean "prize"'):
        read_table({"prize": [1]}, "price:INT32")


def test_a_file_that_is_no_parquet_file(read, tmp_path):
    with pytest.raises(UserError, match=r"this is no Parquet file.* CSVInput"):
        read(b"a,b\n1,2\n", "a b", input_type="ParquetInput")


def test_a_file_that_is_truncated_or_removed_later(read_table, tmp_path):
    _, source = read_table({"i": range(1000), "s": [f"value {i}" for i in range(1000)]}, "i:INT64 s")
    path = tmp_path / "a.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\0" * 500 + content[600:])
    with pytest.raises(UserError, match=r"a\.parquet: "):
        for block in source.blocks:
            list(source.read(block))
    path.write_bytes(content[:500])
    with pytest.raises(UserError, match=r"a\.parquet: .*truncated"):
        list(source.read(source.blocks[-1]))
    path.unlink()
    with pytest.raises(UserError, match=r"a\.parquet: this data file is gone"):
        list(source.read(source.blocks[0]))


@pytest.mark.parametrize("is_list", [False, True])
def test_a_text_has_to_be_in_the_dictionary_of_its_column(is_list):
    def batch(numbers):
        # A damaged file makes such columns; Arrow looks only where it is asked to.
        column = pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), pa.array(["a", "b"]), safe=False)
        return pa.record_batch({"t": pa.ListArray.from_arrays([0, 1, len(numbers)], column) if is_list else column})

    require_entries(batch([1, None, 0]))
    require_entries(batch([None, None]))
    with pytest.raises(pa.ArrowInvalid, match='column "t" has text 2 of a dictionary of 2'):
        require_entries(batch([0, 2]))
