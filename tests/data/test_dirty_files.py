"""Files as they are in real life: each says what is wrong with it, and none loses rows silently."""

import bz2
import gzip
import io
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from easymtl.data.feed import Feed
from easymtl.data.rows import Rows
from easymtl.data.sources import open_source
from easymtl.errors import UserError

TEXT = "".join(f"{number},é{number}\n" for number in range(50))
GARBAGE = bytes(random.Random(0).choices(range(256), k=5000))


@pytest.fixture
def count_rows(tmp_path, make_config):
    """Feeds the files of a folder; returns the rows that came and those that were skipped."""

    def count(ignore_error=False, fields="i:INT32 s", path="", **settings):
        config = make_config(fields, ignore_error=str(ignore_error).lower(), **settings)
        source = open_source(str(tmp_path / path), config, [field.input_name for field in config.input_fields])
        with Feed(source, lambda batch: Rows({"i": np.asarray(batch.column(0))}), 16) as feed:
            return sum(batch.rows.num_rows for batch in feed), source.skipped_rows

    return count


def parquet(num_rows=100, **options):
    file = io.BytesIO()
    columns = {"i": pa.array(range(num_rows), pa.int32()), "s": [f"value {number}" for number in range(num_rows)]}
    pq.write_table(pa.table(columns), file, row_group_size=25, **options)
    return file.getvalue()


def without_checksum(content):
    return content[:-6] + bytes([content[-6] ^ 1]) + content[-5:]


@pytest.mark.parametrize("ignore_error", [False, True])
@pytest.mark.parametrize(
    "content, problem",
    [
        (gzip.compress(TEXT.encode(), mtime=0)[:-20], r"the gzip file is truncated or damaged.*gzip -t"),
        (
            without_checksum(gzip.compress(TEXT.encode(), mtime=0)),
            r"the gzip file is truncated or damaged: .*data check",
        ),
        (gzip.compress(TEXT.encode(), mtime=0) + b"garbage", r"the gzip file is truncated or damaged"),
        (TEXT.encode("utf-16"), r"this is UTF-16 text\. .*iconv -f UTF-16 -t UTF-8"),
        (b"PK\x03\x04" + GARBAGE, r"this is a zip file, or a spreadsheet\. Only gzip is unpacked"),
        (bz2.compress(TEXT.encode()), r"this is a bzip2 file\. Only gzip is unpacked"),
        (b"\x28\xb5\x2f\xfd" + GARBAGE, r"this is a zstd file"),
        (b"Obj\x01" + GARBAGE, r"this is an Avro file"),
        (parquet()[:2000], r"this Parquet file is truncated, damaged or still being written.* Write it again"),
        (parquet()[:-1], r"this Parquet file is truncated"),
        (b"", r"The data is empty: .*a\.csv\" hold no rows"),
        (b"\n\r\n", r"The data is empty"),
        (gzip.compress(b"", mtime=0), r"The data is empty"),
        (parquet(0), r"The data is empty"),
    ],
)
def test_a_file_that_cannot_be_read_says_why_and_is_never_skipped(tmp_path, count_rows, content, problem, ignore_error):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(UserError, match=problem) as error:
        count_rows(ignore_error, path="a.csv")
    assert "a.csv" in str(error.value)


@pytest.mark.parametrize(
    "content, problem",
    [
        (TEXT.encode("latin-1"), r'a\.csv:1: column "s" holds ".0", which is no STRING.*iconv -f ISO-8859-1'),
        (TEXT.encode("utf-16-le"), r'a\.csv:1: column "i" .*NUL bytes, as UTF-16 text'),
        (GARBAGE, r"a\.csv:1: 1 column was found.*bytes that are no text: is this a CSV file\?"),
        (bytes(3000), r"a\.csv:1: 1 column was found.*bytes that are no text"),
        (b"1;a\n2;b\n", r"a\.csv:1: 1 column was found .*separator ',' the right one"),
    ],
)
def test_a_file_of_which_no_row_is_good(tmp_path, count_rows, content, problem):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(UserError, match=problem):
        count_rows()
    with pytest.raises(UserError, match=r"All rows of the data were skipped.*The first: "):
        count_rows(True)


def test_a_header_in_another_encoding(tmp_path, count_rows):
    (tmp_path / "a.csv").write_bytes("größe,s\n1,2\n".encode("latin-1"))
    with pytest.raises(UserError, match=r'a\.csv:1: column "größe" is not in the header, .* no UTF-8 text.*iconv'):
        count_rows(fields="größe:INT32 s", with_header="true")


def test_a_header_alone_is_no_data_and_an_empty_file_among_others_is_none_either(tmp_path, count_rows):
    (tmp_path / "a.csv").write_bytes(b"i,s\n")
    (tmp_path / "b.csv").write_bytes(b"")
    with pytest.raises(UserError, match=r"The data is empty.* a first line that names columns is no row"):
        count_rows(with_header="true")
    (tmp_path / "c.csv").write_bytes(b"s,i\nx,1\n")
    assert count_rows(with_header="true") == (1, 0)


def test_an_empty_file_among_parquet_files_was_not_written_to_its_end(tmp_path, count_rows):
    (tmp_path / "b.parquet").write_bytes(parquet())
    assert count_rows() == (100, 0)
    (tmp_path / "a.parquet").write_bytes(b"")
    with pytest.raises(UserError, match=r"a\.parquet: the file is empty \(0 bytes\)"):
        count_rows()


def test_a_folder_without_data_files(tmp_path, count_rows):
    (tmp_path / "_SUCCESS").write_bytes(b"")
    (tmp_path / ".hidden").write_bytes(TEXT.encode())
    with pytest.raises(UserError, match=r"no data file is there"):
        count_rows()


def test_a_row_group_that_is_damaged_in_the_middle_is_named_and_not_skipped(tmp_path, count_rows):
    content = bytearray(parquet(4000, compression="none", use_dictionary=False, write_page_checksum=True))
    content[len(content) // 2] ^= 1
    (tmp_path / "a.parquet").write_bytes(bytes(content))
    for ignore_error in (False, True):
        with pytest.raises(UserError, match=r"a\.parquet: row group [0-9]+ is truncated or damaged"):
            count_rows(ignore_error)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["snappy", "none"]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=4),
    st.none() | st.floats(0, 1),
)
def test_a_damaged_parquet_file_is_an_error_or_gives_all_rows(tmp_path, count_rows, compression, flips, end):
    content = bytearray(parquet(compression=compression, write_page_checksum=True))
    for place, mask in flips:
        content[int(place * len(content))] ^= mask
    (tmp_path / "a.parquet").write_bytes(content if end is None else content[: int(end * len(content))])
    try:
        assert count_rows(input_type="ParquetInput", fields="i:INT32 s") == (100, 0)
    except UserError as error:
        assert "a.parquet" in str(error) or "data is empty" in str(error)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80), st.booleans(), st.booleans())
def test_any_bytes_are_an_error_or_rows(tmp_path, count_rows, content, is_gzip, has_header):
    (tmp_path / "a.csv").write_bytes(gzip.compress(content) if is_gzip else content)
    try:
        num_rows, num_skipped = count_rows(True, with_header=str(has_header).lower(), fields="i:INT32 s")
        assert num_rows > 0
        assert num_rows + num_skipped <= content.count(b"\n") + content.count(b"\r") + 1
    except UserError as error:
        assert str(tmp_path) in str(error)
