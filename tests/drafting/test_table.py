import csv
import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from easymtl.drafting import table as tables
from easymtl.drafting.table import open_table, stem
from easymtl.errors import UserError


def rows_of(table):
    return pa.Table.from_batches(list(table.batches())).to_pylist()


@pytest.mark.parametrize("separator", [",", "\t", ";", "|", "\x01"])
def test_separator_and_header_of_csv_are_found(tmp_path, separator):
    path = tmp_path / "x.csv"
    path.write_text("\n".join(separator.join(row) for row in [("a", "click"), ("u1", "1"), ("u2", "0")]) + "\n")
    table = open_table(str(path), None, ["click"])
    assert table.data_config.with_header and list(table.types) == ["a", "click"]
    assert rows_of(table) == [{"a": "u1", "click": "1"}, {"a": "u2", "click": "0"}]


def test_csv_without_a_header_needs_names(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("1,2\n3,4\n")
    with pytest.raises(UserError, match=r"no header that has the labels.*--columns"):
        open_table(str(path), None, ["click"])
    table = open_table(str(path), ["click", "age"], ["click"])
    assert not table.data_config.with_header
    assert rows_of(table) == [{"click": "1", "age": "2"}, {"click": "3", "age": "4"}]
    with pytest.raises(UserError, match="2 columns, and 1 are named"):
        open_table(str(path), ["click"], ["click"])


def test_columns_that_are_named_are_no_second_header(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("age,click\n20,1\n30,0\n")
    table = open_table(str(path), ["age", "click"], ["click"])
    assert table.data_config.with_header and len(rows_of(table)) == 2
    with pytest.raises(UserError, match=r'--columns names "years", "click", and the first line is a header.* Leave'):
        open_table(str(path), ["years", "click"], ["click"])


def test_a_misspelt_label_is_answered_with_the_nearest_column(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("user,clicks\nu1,b\n")
    with pytest.raises(UserError, match='Did you mean "clicks"'):
        open_table(str(path), None, ["click"])


def test_gzip_and_quotes_are_read(tmp_path):
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b'name,click\n"a,b",1\n"c\nd",0\n'))
    assert rows_of(open_table(str(path), None, ["click"])) == [
        {"name": "a,b", "click": "1"},
        {"name": "c\nd", "click": "0"},
    ]


@pytest.mark.parametrize("line_end", ["\r\n", "\r", "\n"], ids=["windows", "old mac", "unix"])
@pytest.mark.parametrize("begin", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
def test_csv_of_a_spreadsheet_is_read(tmp_path, line_end, begin):
    path = tmp_path / "x.csv"
    rows = ['"user id";note;click', '"u1";"a; b";1', '"u""2";;0', ""]
    path.write_bytes(begin + line_end.join(rows).encode())
    table = open_table(str(path), None, ["click"])
    assert table.data_config.separator == ";" and list(table.types) == ["user id", "note", "click"]
    found = [{**row, "note": row["note"] or ""} for row in rows_of(table)]
    assert found == [
        {"user id": "u1", "note": "a; b", "click": "1"},
        {"user id": 'u"2', "note": "", "click": "0"},
    ]


@pytest.mark.parametrize("place", [2, 17, 18, 19, 20])
def test_rows_of_several_lines_do_not_hide_the_separator(tmp_path, place):
    rows = [f"u{number};1" for number in range(40)]
    rows[place] = '"two\nlines";1'
    path = tmp_path / "x.csv"
    path.write_text("\n".join(["user;click", *rows]) + "\n")
    assert list(open_table(str(path), None, ["click"]).types) == ["user", "click"]


def test_a_row_that_the_look_at_the_first_ones_cuts_does_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "_HEAD_BYTES", 35)
    path = tmp_path / "x.csv"
    path.write_text("user;age;click\n" + "u1;20;1\n" * 50)
    table = open_table(str(path), None, ["click"])
    assert list(table.types) == ["user", "age", "click"] and len(rows_of(table)) == 50


def test_a_separator_stands_as_often_in_each_row(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("x,y;click\n1,2,3;1\n4,5;0\n")
    assert list(open_table(str(path), None, ["click"]).types) == ["x,y", "click"]


def test_texts_may_be_longer_than_the_reader_of_python_allows_by_itself(tmp_path):
    limit = csv.field_size_limit(1 << 17)
    try:
        path = tmp_path / "x.csv"
        path.write_text(f'note,click\n"{"x" * 200_000}",1\n' + "a,0\n" * 20_000)
        table = open_table(str(path), None, ["click"])
        assert list(table.types) == ["note", "click"] and len(rows_of(table)) == 20_001
    finally:
        csv.field_size_limit(limit)


def test_names_of_folders_are_columns(tmp_path):
    for day in ("01", "02"):
        (tmp_path / f"dt={day}").mkdir()
        pq.write_table(pa.table({"click": [0, 1]}), tmp_path / f"dt={day}" / "part-0.parquet")
    table = open_table(str(tmp_path), None, ["click"])
    assert [row["dt"] for row in rows_of(table)] == ["01", "01", "02", "02"]


def test_what_is_no_table_is_refused(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"\x1f\x00\x00\x01 binary")
    with pytest.raises(UserError, match="no text, and no Parquet"):
        open_table(str(tmp_path / "x.csv"), None, ["click"])
    with pytest.raises(UserError, match="is there twice"):
        open_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), None, ["a"])


def test_progress_ends_at_all_bytes(tmp_path):
    pq.write_table(pa.table({"click": list(range(1000))}), tmp_path / "x.parquet", row_group_size=100)
    told = []
    table = open_table(str(tmp_path / "x.parquet"), None, [])
    list(table.batches(lambda done, total: told.append((done, total))))
    assert told[-1] == (table.num_bytes, table.num_bytes)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


@pytest.mark.parametrize(
    ("path", "name"),
    [("census/train.parquet", "census"), ("shop/part-0001.csv", "shop"), ("logs/clicks.csv.gz", "clicks")],
)
def test_a_config_is_named_after_its_data(tmp_path, path, name):
    file = tmp_path / path
    file.parent.mkdir()
    if path.endswith(".parquet"):
        pq.write_table(pa.table({"a": [1]}), file)
    else:
        text = b"a,click\n1,2\n"
        file.write_bytes(gzip.compress(text) if path.endswith("gz") else text)
    assert stem(open_table(str(file), None, [])) == name


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        (pa.array([1, 2]), pa.array([0.5, None]), pa.float64()),
        (pa.array([1, 2], pa.int32()), pa.array([3, 4]), pa.int64()),
        (pa.nulls(2), pa.array(["a", "b"]), pa.string()),
        (pa.array(["a", "b"]), pa.nulls(2), pa.string()),
        (pa.array(["a", "b"]).dictionary_encode(), pa.array(["c", "d"]), pa.string()),
    ],
    ids=["decimals later", "longer later", "nulls first", "nulls later", "dictionary"],
)
def test_files_of_several_types_are_read_as_one_that_holds_all(tmp_path, one, other, kind):
    for name, values in (("a", one), ("b", other)):
        pq.write_table(pa.table({"x": values}), tmp_path / f"{name}.parquet")
    table = open_table(str(tmp_path), None, [])
    assert table.types == {"x": kind}
    assert [row["x"] for row in rows_of(table)] == [*one.to_pylist(), *other.to_pylist()]


def test_files_of_numbers_and_texts_are_refused_by_name(tmp_path):
    for name, values in (("a", [1]), ("b", ["w"])):
        pq.write_table(pa.table({"x": values}), tmp_path / f"{name}.parquet")
    with pytest.raises(UserError, match=r'b.parquet: "x" holds string, and int64 in .*a.parquet'):
        open_table(str(tmp_path), None, [])


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_text_of_several_bytes_a_letter_is_told_as_such(tmp_path, order):
    (tmp_path / "x.csv").write_bytes("\ufeffa,click\n1,2\n".encode(order))
    name = order[:6].upper()
    with pytest.raises(UserError, match=f"x.csv: this is text in {name}. Convert it first, .* iconv -f {name} -t"):
        open_table(str(tmp_path / "x.csv"), None, ["click"])
