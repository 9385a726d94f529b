"""Rows that are left out are told with the row behind them, so that those on the way to a row are counted with it."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format

from easymtl.data.bad_values import BadValues
from easymtl.data.feed import Feed
from easymtl.data.pieces import SKIPPED
from easymtl.data.rows import Rows
from easymtl.data.sources import open_source
from easymtl.protos.data_pb2 import DatasetConfig

FIELDS = (
    'input_fields { input_name: "i" input_type: INT32 } input_fields { input_name: "y" input_type: INT32 } '
    'input_fields { input_name: "z" } ignore_error: true'
)


def encode(batch):
    """Rows by number; a negative label cannot be used."""
    labels = batch.column("y").to_numpy()
    bad = np.unique(labels[labels < 0])
    if len(bad):
        raise BadValues("y", int(bad[0]), bad[1:].tolist(), "is negative.")
    return Rows({"i": batch.column("i").to_numpy()})


def text_of(bad: dict[int, str], first: int, last: int) -> str:
    return "".join(bad.get(row, f"{row},0,abcdefgh") + "\n" for row in range(first, last))


@pytest.fixture
def make(tmp_path):
    """Writes 3,000 rows, of which some are bad, in a format, and returns the path of the files."""

    def write(kind: str, bad: dict[int, str]) -> str:
        if kind == "parquet":
            values = [bad.get(row, f"{row},0,x").split(",") for row in range(3000)]
            columns = {name: [value[place] for value in values] for place, name in enumerate("iyz")}
            pq.write_table(pa.table(columns), tmp_path / "a.parquet", row_group_size=700)
            return str(tmp_path / "a.parquet")
        if kind == "gzip":
            (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text_of(bad, 0, 3000).encode()))
            return str(tmp_path / "a.csv.gz")
        for part in range(3):
            (tmp_path / f"{part}.csv").write_text(text_of(bad, part * 1000, part * 1000 + 1000))
        return str(tmp_path)

    return write


def feed(paths: str, block_bytes=1 << 20, batch_size=50, **options) -> Feed:
    config = text_format.Parse(FIELDS, DatasetConfig())
    source = open_source(paths, config, ["i", "y", "z"], block_bytes=block_bytes, batch_rows=300)
    return Feed(source, encode, batch_size, **options)


def told(batches) -> list[tuple[int, int]]:
    """Returns the number of each row and of the rows that were left out before it."""
    return [pair for batch in batches for pair in zip(batch.rows["i"].tolist(), batch.rows[SKIPPED].tolist())]


BAD = {
    0: "0,x,first",
    7: "7,-1,label",
    8: "8,x,value",
    500: "500,-2,label",
    501: "501,-2,label",
    1500: "1500,x,value",
    1501: "1501,-1,label",
    2999: "2999,x,last",
}
BEFORE = {1: 1, 9: 2, 502: 2, 1502: 2, 2998: 1}


@pytest.mark.parametrize("kind", ["csv", "gzip", "parquet"])
@pytest.mark.parametrize("block_bytes", [1 << 20, 4000])
def test_each_is_told_by_the_row_behind_it(make, kind, block_bytes):
    with feed(make(kind, BAD), block_bytes, chunk_rows=400) as batches:
        found = told(batches)
    assert [row for row, _ in found] == [row for row in range(3000) if row not in BAD]
    assert {row: number for row, number in found if number} == BEFORE


def test_a_wide_row_is_told_in_its_place_too(make):
    with feed(make("csv", {700: "700,0,x,y,z", 702: "702"})) as batches:
        assert {row: number for row, number in told(batches) if number} == {701: 1, 703: 1}


def test_large_blocks_are_read_with_care_in_parts(make, monkeypatch):
    monkeypatch.setattr("easymtl.data.csv._CAREFUL_BYTES", 500)
    with feed(make("gzip", BAD)) as batches:
        assert {row: number for row, number in told(batches) if number} == BEFORE


@pytest.mark.parametrize("kind", ["csv", "gzip", "parquet"])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("kept_bytes", [0, 1 << 30])
def test_over_whole_passes_all_are_told_once_each(make, kind, shuffle, kept_bytes):
    options = {"shuffle": shuffle, "num_epochs": 3, "kept_bytes": kept_bytes, "window_rows": 900}
    with feed(make(kind, BAD), 4000, **options) as batches:
        assert sum(number for _, number in told(batches)) == 3 * len(BAD)


@pytest.mark.parametrize("text", ["{},x,value", "{},-1,label", "wide,{},1,1"])
@pytest.mark.parametrize("file", [0, 1, 2])
def test_a_file_of_which_no_row_can_be_used_is_told(make, text, file):
    bad = {row: text.format(row) for row in range(file * 1000, file * 1000 + 1000)}
    with feed(make("csv", bad), chunk_rows=100) as batches:
        found = told(batches)
    teller = {0: 1000, 1: 2000, 2: 1999}[file]
    assert {row: number for row, number in found if number} == {teller: 1000}


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_continued_feed_tells_the_rest(make, shuffle):
    paths = make("csv", BAD)
    options = {"shuffle": shuffle, "seed": 3, "chunk_rows": 1}
    with feed(paths, 4000, **options) as batches:
        parts = [(batch.cursor, told([batch])) for batch in batches]
    for number in (0, 11, 30):
        with feed(paths, 4000, start=parts[number][0], **options) as batches:
            assert told(batches) == [pair for _, part in parts[number + 1 :] for pair in part]


def test_rows_of_an_unknown_place_are_spread(make):
    with feed(make("csv", {})) as batches:
        skipped = batches.source.skipped
    skipped.take(0)
    skipped.add("somewhere", 4)
    assert skipped.take(100).tolist() == [12, 37, 62, 87]
    assert skipped.take(100).tolist() == []
