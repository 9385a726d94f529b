"""Copies of files are the same files; others are named, by what became of them."""

import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from easymtl.data import fingerprint as module
from easymtl.data.fingerprint import describe_changes, fingerprint
from easymtl.data.paths import expand


def marks(*paths) -> list:
    return fingerprint(expand(",".join(map(str, paths))))


@pytest.fixture
def days(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    for day in range(5):
        (folder / f"day{day}.csv").write_text(f"1,{day}\n" * 4)
    return folder


def test_a_copy_elsewhere_and_later_is_the_same(days, tmp_path):
    copy = tmp_path / "elsewhere" / "copied"
    shutil.copytree(days, copy)
    for path in copy.iterdir():
        os.utime(path, (1, 1))
    assert marks(copy) == marks(days) == marks(days / "*.csv")


@pytest.mark.parametrize(
    ("names", "now", "expected"),
    [
        ("01", "012", '1 added ("day2.csv")'),
        ("01", "1", '1 missing ("day0.csv")'),
        ("0", "1", '1 added ("day1.csv"), 1 missing ("day0.csv")'),
        ("01", "10", "the same files in another order"),
        ("0", "00", '1 added ("day0.csv")'),
        ("0", "01234", '4 added ("day1.csv", "day2.csv", "day3.csv" and 1 more)'),
        ("01", "01", ""),
    ],
)
def test_what_became_of_files_is_told(days, names, now, expected):
    # One by one, as one expansion names each file once.
    before, after = ([mark for name in part for mark in marks(days / f"day{name}.csv")] for part in (names, now))
    assert describe_changes(before, after) == expected


@pytest.mark.parametrize("place", [0, 70_000, -1], ids=["head", "middle", "tail"])
def test_one_byte_of_a_small_file_is_a_change(tmp_path, place):
    path = tmp_path / "a.csv"
    content = bytearray(b"0,1\n" * 32_000)
    path.write_bytes(content)
    before = marks(path)
    content[place] ^= 1
    path.write_bytes(content)
    assert describe_changes(before, marks(path)) == '1 changed ("a.csv")'


def test_parquet_of_the_same_size_is_told_apart_by_its_footer(tmp_path, monkeypatch):
    """Statistics of columns lie in the footer, behind what is read of the head and before the tail."""
    monkeypatch.setattr(module, "_END_BYTES", 64)
    path, found = tmp_path / "a.parquet", []
    for most in (7, 8):
        numbers = [*range(5000), *([most] * 5000)]
        columns = {f"c{column}": numbers if column == 20 else [1] * 10000 for column in range(40)}
        table = pa.table({name: pa.array(values, pa.int64()) for name, values in columns.items()})
        pq.write_table(table, path, compression="none", use_dictionary=False, row_group_size=6000)
        found += marks(path)
    assert found[0].size == found[1].size
    assert found[0].digest != found[1].digest


def test_little_is_read_of_a_large_file(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_bytes(b"0,1\n" * 1_000_000)
    read = []
    inner = module.read_open
    monkeypatch.setattr(module, "read_open", lambda opened, *rest: read.append(rest[1]) or inner(opened, *rest))
    marks(path)
    assert sum(read) <= 2 * 64 << 10


def test_a_footer_that_is_none_is_no_harm(tmp_path):
    path = tmp_path / "a.parquet"
    path.write_bytes(b"x" * 200_000 + b"\xff\xff\xff\xffPAR1")
    assert marks(path)[0].size == 200_008


def test_a_folder_that_is_a_column_is_part_of_the_name(tmp_path):
    for day in ("01", "02"):
        folder = tmp_path / "logs" / f"dt={day}"
        folder.mkdir(parents=True)
        (folder / "part-0.csv").write_text("1,2\n")
    first, second = (expand(str(tmp_path / "logs" / f"dt={day}")) for day in ("01", "02"))
    assert fingerprint(first) == fingerprint(second)
    assert describe_changes(fingerprint(first, {"dt"}), fingerprint(second, {"dt"})) == (
        '1 added ("dt=02/part-0.csv"), 1 missing ("dt=01/part-0.csv")'
    )
