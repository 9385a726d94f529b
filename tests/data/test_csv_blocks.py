"""CSV files cut into blocks, and what is read of a gzip file at a time."""

import gzip
import random

import pytest

from easymtl.data import csv_blocks
from easymtl.errors import UserError


def test_old_line_ends(read):
    values, source = read(b"1,a\r2,b\r3,c\r", "i:INT32 s", block_bytes=5)
    assert values == {"i": [1, 2, 3], "s": ["a", "b", "c"]}
    assert len(source.blocks) > 1


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_quote_that_nothing_closes_names_its_line(read, monkeypatch, pack):
    data = b'1,a\n2,"b\n' + b"3,c\n" * 100
    with pytest.raises(UserError, match=r"a\.csv:2: a quoted field starts here and nothing closes it"):
        read(pack(data), "i s", block_bytes=16)
    monkeypatch.setattr(csv_blocks, "_MAX_RECORD_BYTES", 64)
    with pytest.raises(UserError, match=r"a\.csv:2: a quoted field starts here and nothing closes it"):
        read(pack(data), "i s", block_bytes=16)


def test_gzip_of_several_members_and_several_batches(read, tmp_path):
    data = gzip.compress(b"1,a\n2,b\n" * 50) + gzip.compress(b"3,c\n" * 50)
    values, source = read(data, "i:INT32 s", block_bytes=64)
    assert values["i"] == [1, 2] * 50 + [3] * 50
    assert len(source.blocks) == 1
    assert len(list(source.read(source.blocks[0]))) > 5


def test_a_truncated_gzip_file(read):
    data = gzip.compress(bytes(random.Random(0).choices(b"abcdefgh\n", k=5000)))
    with pytest.raises(UserError, match=r"a\.csv: the gzip file is truncated or damaged"):
        read(data[: len(data) // 2], "s")


def test_a_file_that_is_cut_short_or_removed_later(read, tmp_path):
    _, source = read(b"1,a\n" * 20, "i s", block_bytes=16)
    (tmp_path / "a.csv").write_bytes(b"1,a\n" * 2)
    with pytest.raises(UserError, match=r"a\.csv: the file was cut short"):
        list(source.read(source.blocks[-1]))
    (tmp_path / "a.csv").unlink()
    with pytest.raises(UserError, match=r"a\.csv: this data file is gone"):
        list(source.read(source.blocks[0]))


@pytest.mark.parametrize("with_header", ["true", "false"])
def test_a_packed_file_without_a_line_end_is_refused_before_it_fills_the_memory(read, with_header):
    """A megabyte for each kilobyte of the file."""
    content = gzip.compress(bytes(64 << 20), 1)
    with pytest.raises(UserError, match=r"a\.csv:1: (the first line does not end within 16 MiB|a record starts here)"):
        read(content, "a b", with_header=with_header)
