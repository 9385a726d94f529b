"""Quotes that are text, other quotes, and quotes that swallow rows."""

import csv
import gzip
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from easymtl.data.sources import describe, open_source
from easymtl.errors import UserError

small = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NONE = '""'
LOG = [["0", "1", "u3", '"15 inch', "3.0"], *(["0", "1", f"u{n}", "tv", "2.5"] for n in range(8))]
LOG += [["0", "0", "u4", '"7 inch', "1.0"], ["1", "0", "u5", 'a "b" c""', "0.5"]]
FIELDS = "click:INT32 buy:INT32 user title price:FLOAT"


def lines(rows, separator=",", line_end="\n"):
    return line_end.join(separator.join(row) for row in rows).encode() + line_end.encode()


@pytest.mark.parametrize("block_bytes", [30, 1 << 20])
@pytest.mark.parametrize("is_gzip", [False, True])
@pytest.mark.parametrize("separator, line_end", [(",", "\n"), ("\t", "\r\n"), ("\001", "\n"), (";", "\r")])
def test_without_a_quote_every_line_is_a_row(read, block_bytes, is_gzip, separator, line_end):
    data = lines(LOG, separator, line_end)
    settings = {"separator": f'"\\{ord(separator):03o}"', "quote": NONE, "block_bytes": block_bytes}
    values, source = read(gzip.compress(data) if is_gzip else data, FIELDS, **settings)
    assert values["title"] == [row[3] for row in LOG]
    assert values["price"] == [float(row[4]) for row in LOG]
    assert source.warnings() == []


@small
@given(st.text(alphabet="a\"',\n", max_size=40), st.sampled_from(["", "'", '"']), st.integers(1, 20))
def test_any_text_is_read_with_any_quote_as_the_csv_module_reads_it(read, text, quote, block_bytes):
    octal = f'"\\{ord(quote):03o}"' if quote else NONE
    dialect = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE, "quotechar": None}
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), **dialect) if row]
    good = [tuple(value or None for value in row) for row in rows if len(row) == 2]
    try:
        values, source = read(text.encode(), "x y", block_bytes=block_bytes, ignore_error="true", quote=octal)
    except UserError as error:
        assert "nothing closes it" in str(error)
        assert quote
        return
    assert list(zip(values["x"], values["y"])) == good
    assert source.skipped_rows == len(rows) - len(good)


def test_lines_of_errors_and_places_without_a_quote(read):
    data = lines([*LOG, ["x", "0", "u", '"', "1"]])
    with pytest.raises(UserError, match=r'a\.csv:12: column "click" holds "x"'):
        read(data, FIELDS, quote=NONE)
    _, source = read(data, FIELDS, quote=NONE, ignore_error="true")
    assert source.skipped.examples[0].startswith(f"{source.blocks[0].file.name}:12: ")
    assert source.find(source.blocks[0], "title", '"7 inch').endswith("a.csv:10")


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_headers_are_read_with_the_declared_quote(tmp_path, make_config, name):
    header = b"'x,1',\"y\n'a,b',\"\n"
    path = tmp_path / name
    path.write_bytes(gzip.compress(header) if name.endswith("gz") else header)
    config = make_config("x,1", with_header="true", quote='"\'"')
    assert [column for column, _ in describe(str(path), config)] == ["x,1", '"y']
    source = open_source(str(path), config, ["x,1"])
    assert [batch["x,1"].to_pylist() for block in source.blocks for batch in source.read(block)] == [["a,b"]]
    config.quote = ""
    assert [column for column, _ in describe(str(path), config)] == ["'x", "1'", '"y']


@pytest.mark.parametrize(
    "quote, says", [("\"''\"", "it needs one ASCII"), ('"é"', "one ASCII"), ('","', "not the quote")]
)
def test_other_quotes_are_refused(read, quote, says):
    with pytest.raises(UserError, match=says):
        read(b"1,2\n", "i j", quote=quote)


def test_an_open_quote_says_how_to_read_it_as_text(read):
    with pytest.raises(UserError, match=r'a\.csv:2: .*nothing closes it.*data_config\.quote: ""'):
        read(b'a,b\n"c,d\ne,f\n', "x y")


def test_a_row_that_goes_over_lines_and_is_too_wide_says_so(read):
    with pytest.raises(UserError, match=r'a\.csv:1: 3 columns were found .* several lines.*data_config\.quote: ""'):
        read(b'a,"b\nc",d\ne,f\n', "x y")


@pytest.mark.parametrize("block_bytes", [40, 1 << 20])
@pytest.mark.parametrize("is_gzip", [False, True])
@pytest.mark.parametrize("separator, line_end", [(",", "\n"), ("\t", "\r\n"), ("\001", "\n"), (";", "\r")])
def test_rows_in_a_quoted_field_are_told_with_both_lines(read, block_bytes, is_gzip, separator, line_end):
    data = lines([["1", "1", "u", "x", "1"], *LOG], separator, line_end)
    settings = {"separator": f'"\\{ord(separator):03o}"', "block_bytes": block_bytes}
    values, source = read(gzip.compress(data) if is_gzip else data, FIELDS, **settings)
    assert len(values["click"]) == 3
    (warning,) = source.warnings()
    assert ":2: a quoted field starts here and ends on line 11, and each of these 10 lines" in warning
    assert "In all, 9 rows seem to be lost" in warning
    for block in source.blocks:
        list(source.read(block))
    assert source.warnings() == [warning], "rows that are read again are not lost again"
