"""Values that only an encoder can tell are wrong: where they are, and how they are left out."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from easymtl.data.bad_values import BadValues
from easymtl.data.feed import Feed
from easymtl.data.rows import Rows
from easymtl.data.sources import open_source
from easymtl.errors import UserError


def encode(batch):
    """Takes whole numbers in text, of 0 to 999."""
    column = batch.column("n")
    bad = [text for text in column.dictionary.to_pylist() if not text.isdigit()]
    if bad:
        raise BadValues("n", bad[0], iter(bad[1:]), f'field "n" holds "{bad[0]}", which is no number.')
    return Rows({"i": batch.column("i").to_numpy(), "n": np.array([int(text) for text in column.to_pylist()])})


@pytest.fixture
def feed(tmp_path, make_config):
    def read(name, content, ignore_error=False, block_bytes=8 << 20, fields="i:INT64 n=0", **options):
        if isinstance(content, bytes):
            (tmp_path / name).write_bytes(content)
        else:
            pq.write_table(pa.table(content), tmp_path / name, row_group_size=4)
        config = make_config(fields, ignore_error=str(ignore_error).lower())
        source = open_source(str(tmp_path / name), config, ["i", "n"], block_bytes=block_bytes)
        with Feed(source, encode, 8, **options) as batches:
            numbers = [row for batch in batches for row in batch.rows["i"].tolist()]
        return numbers, source

    return read


ROWS = [f"{number},{number}" for number in range(40)]
ROWS[17] = '17,"x\ny"'
ROWS[30] = "30,z"
ROWS[31] = "31,z"
CSV = "\r\n".join(ROWS).encode()
TABLE = {"i": range(40), "n": [row.partition(",")[2].strip('"') for row in ROWS]}


@pytest.mark.parametrize(
    "name, content, block_bytes, place",
    [
        ("a.csv", CSV, 8 << 20, r"a\.csv:18"),
        ("a.csv", CSV, 40, r"a\.csv:18"),
        ("a.csv.gz", gzip.compress(CSV, mtime=0), 40, r"a\.csv\.gz:18"),
        ("a.parquet", TABLE, 0, r"a\.parquet: row 18 \(row group 4\)"),
    ],
)
def test_the_place_of_a_value_is_named_and_such_rows_can_be_left_out(feed, name, content, block_bytes, place):
    with pytest.raises(UserError, match=place + r': field "n" holds "x\ny", which is no number\..*ignore_error'):
        feed(name, content, block_bytes=block_bytes)
    numbers, source = feed(name, content, True, block_bytes)
    assert numbers == [number for number in range(40) if number not in (17, 30, 31)]
    assert source.skipped_rows == 3
    assert source.skipped.examples


def test_rows_that_do_not_parse_are_counted_with_them(feed):
    numbers, source = feed("a.csv", b"1,1\nx,2\n3,x\n4\n5,5\n", True)
    assert numbers == [1, 5]
    assert source.skipped_rows == 3


def test_a_default_that_is_no_number_is_found_where_the_field_is_empty(feed):
    with pytest.raises(UserError, match=r'a\.csv:2: field "n" holds "none"'):
        feed("a.csv", b"1,1\n2,\n", fields="i:INT64 n=none")


def test_a_file_without_a_usable_row_between_others(feed):
    content = b"".join(b"%d,%s\n" % (number, b"x" if 20 <= number < 30 else b"1") for number in range(40))
    for shuffle in (False, True):
        numbers, _ = feed("a.csv", content, True, block_bytes=30, chunk_rows=1, shuffle=shuffle, num_epochs=2)
        assert sorted(numbers) == sorted(2 * [*range(20), *range(30, 40)])


@pytest.mark.parametrize("num_epochs", [0, 1])
def test_no_usable_row_at_all_is_an_error_and_not_a_loop(feed, num_epochs):
    with pytest.raises(UserError, match=r'All rows of the data were skipped.*a\.csv:1: field "n" holds "x"'):
        feed("a.csv", b"1,x\n2,y\n", True, num_epochs=num_epochs)


def test_a_feed_goes_on_at_a_cursor_behind_left_out_rows(tmp_path, make_config):
    (tmp_path / "a.csv").write_bytes(CSV)
    config = make_config("i:INT64 n", ignore_error="true")

    def batches(start=None):
        source = open_source(str(tmp_path / "a.csv"), config, ["i", "n"], block_bytes=60)
        with Feed(source, encode, 5, shuffle=True, seed=1, num_epochs=2, start=start, chunk_rows=1) as found:
            return [(batch.rows["i"].tolist(), batch.cursor) for batch in found]

    whole = batches()
    for place in range(len(whole) - 1):
        assert batches(whole[place][1]) == whole[place + 1 :]


def test_a_bad_value_of_a_row_that_does_not_parse_anyway(feed):
    numbers, source = feed("a.csv", b"1,1\nx,bad\n3,3\n", True)
    assert numbers == [1, 3]
    assert source.skipped_rows == 1
