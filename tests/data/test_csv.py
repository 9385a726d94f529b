import csv
import gzip
import io
import math
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from easymtl.data import csv as csv_module
from easymtl.errors import UserError

small = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(rows, **dialect):
    text = io.StringIO(newline="")
    csv.writer(text, **dialect).writerows(rows)
    return text.getvalue().encode()


def empty_to_none(values):
    return [value or None for value in values]


cells = st.text(alphabet='ab é",\n\r|0', max_size=6)


@small
@given(
    st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=12),
    st.integers(1, 60),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_what_the_csv_module_writes_is_read_back(read, rows, block_bytes, line_end, is_gzip):
    # With line feeds alone the writer leaves a carriage return bare, which ends a line for its own reader.
    quoting = csv.QUOTE_ALL if line_end == "\n" else csv.QUOTE_MINIMAL
    data = written(rows, lineterminator=line_end, quoting=quoting)
    values, source = read(gzip.compress(data) if is_gzip else data, "x y z", block_bytes=block_bytes)
    assert [tuple(row) for row in zip(*values.values())] == [tuple(empty_to_none(row)) for row in rows]
    if not is_gzip:
        assert sum(block.size for block in source.blocks) == len(data)


@small
@given(st.text(alphabet='a",\n', max_size=40), st.integers(1, 20))
def test_any_text_is_read_as_the_csv_module_reads_it(read, text, block_bytes):
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    good = [tuple(empty_to_none(row)) for row in rows if len(row) == 2]
    try:
        values, source = read(text.encode(), "x y", block_bytes=block_bytes, ignore_error="true")
    except UserError as error:
        assert "nothing closes it" in str(error)
        return
    assert list(zip(values["x"], values["y"])) == good
    assert source.skipped_rows == len(rows) - len(good)


@pytest.mark.parametrize("separator", [",", "\t", "\001", "|", ";", " "])
def test_separators(read, separator):
    data = written([["1", f"a{separator}b", " c "], ["2", "", ""]], delimiter=separator)
    values, _ = read(data, "i:INT32 s t", separator=f'"\\{ord(separator):03o}"')
    assert values == {"i": [1, 2], "s": [f"a{separator}b", None], "t": [" c ", None]}


@pytest.mark.parametrize("separator", ['""', '",,"', '"\\303\\251"', "'\"'", '"\\n"'])
def test_other_separators_are_refused(read, separator):
    with pytest.raises(UserError, match="one ASCII character"):
        read(b"1\n", "i", separator=separator)


def test_only_an_empty_field_is_null_and_blanks_are_kept(read):
    values, _ = read(b' a ,NA\n"",null\n,nan\nNULL,""\n', "s t")
    assert values == {"s": [" a ", None, None, "NULL"], "t": ["NA", "null", "nan", None]}


def test_defaults_fill_empty_fields(read):
    values, _ = read(b",,,\n1,x,2.5,true\n", "i:INT32=-1 s=none f:FLOAT=1e5 b:BOOL=1")
    assert values == {"i": [-1, 1], "s": ["none", "x"], "f": [1e5, 2.5], "b": [True, True]}


def test_defaults_fill_nan_and_quoted_empty_texts_too(read):
    values, _ = read(b'nan,NaN,""\n1,2,x\n', "f:FLOAT=7 d:DOUBLE=8 s=none")
    assert values == {"f": [7.0, 1.0], "d": [8.0, 2.0], "s": ["none", "x"]}
    values, _ = read(b"nan,nan\n", "f:FLOAT d:DOUBLE=nan")
    assert all(value[0] != value[0] for value in values.values())


def test_a_default_is_found_where_it_was_filled_in(read):
    _, source = read(b"1,a\nnan,\n", "f:FLOAT=7 s=none")
    assert [source.find(source.blocks[0], *wanted) for wanted in (("f", 7.0), ("s", "none"))] == [
        f"{source.paths}:2",
        f"{source.paths}:2",
    ]


def test_without_default_an_empty_field_is_null(read):
    values, _ = read(b",,,\n", "i:INT32 s f:FLOAT b:BOOL")
    assert values == {"i": [None], "s": [None], "f": [None], "b": [None]}


def test_a_default_that_does_not_parse_is_an_error(read):
    with pytest.raises(UserError, match=r'"i": default_val "x" is no INT32\. Allowed is a whole number'):
        read(b"1\n", "i:INT32=x")


def test_floats(read):
    texts = ["nan", "inf", "-inf", "1e5", "+1.5", ".5", "5.", " 7 ", "-0", "1E-3", "Infinity"]
    values, _ = read("\n".join(texts).encode(), "d:DOUBLE")
    expected = [float(text) for text in texts]
    assert math.isnan(values["d"][0])
    assert values["d"][1:] == expected[1:]


def test_bools_and_large_ints(read):
    values, _ = read(b"true,9223372036854775807\nFALSE,-9223372036854775808\n1,0\n0,7\n", "b:BOOL n:INT64")
    assert values == {"b": [True, False, True, False], "n": [2**63 - 1, -(2**63), 0, 7]}


@pytest.mark.parametrize(
    "field, text",
    [("INT32", "1.5"), ("INT32", "2147483648"), ("INT32", "x"), ("INT64", "9223372036854775808"),
     ("FLOAT", "1_0"), ("FLOAT", "abc"), ("DOUBLE", "1,5"), ("BOOL", "yes"), ("BOOL", "2")],
)  # fmt: skip
def test_a_value_that_does_not_parse_names_file_line_column_and_type(read, field, text):
    data = f'a,"x\ny"\n1,\n\n"{text}",z\n'.replace("a", "1", 1).encode()
    with pytest.raises(UserError) as error:
        read(data, f"v:{field} s")
    assert f'a.csv:5: column "v" holds "{text}", which is no {field} (' in str(error.value)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
@pytest.mark.parametrize("block_bytes", [20, 1 << 20])
def test_the_line_of_an_error_is_the_physical_line_in_any_block(read, name, block_bytes):
    lines = [f'{number},"t\n"' for number in range(30)]
    lines[20] = 'bad,"t\n"'
    data = "\r\n".join(lines).encode()
    with pytest.raises(UserError, match=r"a\.csv(\.gz)?:41: column \"i\" holds \"bad\""):
        read(gzip.compress(data) if name.endswith("gz") else data, "i:INT32 s", block_bytes=block_bytes, name=name)


def test_a_wrong_number_of_columns(read):
    with pytest.raises(UserError, match=r"a\.csv:2: 3 columns were found where .*input_fields declares 2"):
        read(b"1,2\n1,2,3\n", "a b")
    with pytest.raises(UserError, match=r"a\.csv:1: 1 column was .*separator ',' the right one"):
        read(b"1;2\n", "a b")


def test_text_that_is_not_utf8(read):
    with pytest.raises(UserError, match=r'a\.csv:2: column "s" holds "x.", which is no STRING \(UTF-8 text\)'):
        read(b"1,a\n2,x\xff\n", "i:INT32 s")
    values, _ = read(b"1,a\n2,x\xff\n", "i:INT32 s", columns=["i"])
    assert values == {"i": [1, 2]}


@pytest.mark.parametrize("block_bytes", [10, 1 << 20])
def test_ignore_error_leaves_out_just_the_bad_rows_and_counts_them(read, block_bytes):
    data = b"1,a\nx,b\n3,c\n4\n5,e\n6,f,g\ny,\xff\n8,h"
    values, source = read(data, "i:INT32 s", block_bytes=block_bytes, ignore_error="true")
    assert values == {"i": [1, 3, 5, 8], "s": ["a", "c", "e", "h"]}
    assert source.skipped_rows == 4
    assert [example.split(": ")[0].rpartition("/")[2] for example in source.skipped.examples] == [
        "a.csv:2", "a.csv:4", "a.csv:6", "a.csv:7",
    ]  # fmt: skip


@pytest.mark.parametrize("column", ["i", "s"])
def test_bad_rows_in_a_large_block_are_found_by_halving(read, monkeypatch, column):
    monkeypatch.setattr(csv_module, "_CAREFUL_BYTES", 40)
    rows = [[number, f"s\n{number % 5}"] for number in range(100)]
    good = [row for row in rows if row[0] not in (17, 18, 99)]
    data = written([row if row in good else ["x", "y"] for row in rows])
    values, source = read(data, "i:INT32 s", columns=[column], ignore_error="true")
    if column == "i":
        assert values == {"i": [row[0] for row in good]}
        assert source.skipped_rows == 3
        lines = [example.split(":")[1] for example in source.skipped.examples]
        # Each row before the first bad one, and each between, takes two lines.
        assert lines == ["35", "36", "197"]
    else:
        assert values == {"s": [row[1] if row in good else "y" for row in rows]}
    with pytest.raises(UserError, match=r"a\.csv:35: "):
        read(data, "i:INT32 s")


def test_ignore_error_keeps_what_careful_and_fast_reading_agree_on(read):
    rng = random.Random(0)
    rows = [[rng.choice(["1", " 2 ", "", "-3"]), rng.choice(["1.5", "nan", "", " 1"]), rng.choice(["a", "", " "])]
            for _ in range(50)]  # fmt: skip
    fast, _ = read(written(rows), "i:INT32 f:DOUBLE s")
    careful, source = read(written([*rows, ["x", "", ""]]), "i:INT32 f:DOUBLE s", ignore_error="true")
    assert repr(fast) == repr(careful)
    assert source.skipped_rows == 1


def test_only_the_wanted_columns_in_the_wanted_order(read):
    values, _ = read(b"1,2,notanumber\n", "a b c:INT32", columns=["b", "a"])
    assert list(values.items()) == [("b", ["2"]), ("a", ["1"])]


def test_a_header_gives_the_order_and_extra_columns_are_ignored(read):
    data = b'\xef\xbb\xbf"more, of it",s,,i,s2,s2\n1,a,9,5,,\n2,b,9,6,,\n'
    for content in (data, gzip.compress(data)):
        values, _ = read(content, "i:INT32 s", with_header="true", block_bytes=8)
        assert values == {"i": [5, 6], "s": ["a", "b"]}


def test_a_column_that_the_header_lacks(read):
    with pytest.raises(UserError, match=r'a\.csv:1: column "price" is not in the header .* Did you mean "prize"'):
        read(b"i,prize\n1,2\n", "i price", with_header="true")
    with pytest.raises(UserError, match=r'names column "i" 2 times'):
        read(b"i,i\n1,2\n", "i", with_header="true")


def test_lines_count_from_the_header(read):
    for content in (b"i,s\n1,a\nx,b\n", gzip.compress(b"i,s\n1,a\nx,b\n")):
        with pytest.raises(UserError, match=r"a\.csv:3: "):
            read(content, "i:INT32", with_header="true", block_bytes=4)


def test_a_header_where_none_is_declared(read):
    with pytest.raises(UserError, match=r"a\.csv:1: .* set data_config\.with_header to true"):
        read(b"i,s\n1,a\n", "i:INT32 s")


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\n\n", b"\r\n"])
@pytest.mark.parametrize("header", ["true", "false"])
def test_files_without_rows(read, data, header):
    for content in (data, gzip.compress(data)):
        if header == "true" and data.strip(b"\xef\xbb\xbf"):
            continue
        values, _ = read(content, "i:INT32 s", with_header=header)
        assert values == {"i": [], "s": []}


def test_a_header_alone_is_no_row(read):
    for content in (b"i,s", b"i,s\n", gzip.compress(b"i,s\n")):
        assert read(content, "i s", with_header="true")[0] == {"i": [], "s": []}


def test_byte_order_mark_and_last_line_without_end(read):
    values, _ = read(b"\xef\xbb\xbf1,a\r\n2,b", "i:INT32 s")
    assert values == {"i": [1, 2], "s": ["a", "b"]}


def test_a_field_larger_than_the_csv_module_likes(read):
    values, _ = read(b"x," + b"y" * 200_000 + b"\n1,2\n", "i:INT32 s", ignore_error="true")
    assert values == {"i": [1], "s": ["2"]}
    values, _ = read(b"1," + b"y" * 200_000 + b"\nx,2\n", "i:INT32 s", ignore_error="true")
    assert values == {"i": [1], "s": ["y" * 200_000]}


def test_columns_in_another_order_are_not_blamed_on_the_row(read):
    with pytest.raises(UserError, match=r"a\.csv:1: .*compare the order and types of data_config\.input_fields"):
        read(b"a,1\nb,2\n", "i:INT32 s:STRING")
    with pytest.raises(UserError, match=r"a\.csv:1: .*compare the order and types"):
        read(b"1\n2\n", "i:INT32 s:STRING")
    with pytest.raises(UserError, match=r"a\.csv:2: .*Correct the row"):
        read(b"1,a\nb,2\n", "i:INT32 s:STRING")
    with pytest.raises(UserError, match=r"a\.csv:1: .*Correct the row"):
        read(b"b,2\n", "i:INT32 s:STRING")
