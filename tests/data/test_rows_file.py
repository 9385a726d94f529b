"""The form of encoded rows on disk: what is written is read, and nothing else is."""

import numpy as np
import pyarrow as pa
import pytest

from easymtl.data.rows import Ragged, Rows
from easymtl.data.rows_file import DamagedFile, RowsWriter, read_rows


def rows_of(num_rows, seed=0):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 4, (num_rows, 2)).astype(np.int32)
    total = int(lengths.sum())
    items = Ragged(np.arange(total * 2), np.full((total, 1), 2, np.int32), rng.random(total * 2).astype(np.float32))
    return Rows(
        {
            "ids": rng.integers(-(2**40), 2**40, (num_rows, 3)),
            "flags": rng.random((num_rows, 5)) < 0.5,
            "numbers": rng.random(num_rows).astype(np.float32)[::-1],
            "bags": Ragged(rng.integers(0, 99, total).astype(np.int32), lengths),
            "steps": Ragged(items, lengths),
            "keep_city": pa.array([f"c{row % 3}" if row % 4 else None for row in range(num_rows)]).dictionary_encode(),
            "texts": np.array([b"\0", b"", "ä".encode()] * num_rows, object)[: 2 * num_rows].reshape(num_rows, 2),
            "none": np.zeros((num_rows, 0), np.float32),
        }
    )


def as_lists(column):
    if isinstance(column, Ragged):
        weights = None if column.weights is None else as_lists(column.weights)
        return [as_lists(column.values), as_lists(column.lengths), weights]
    if isinstance(column, pa.Array):
        return column.to_pylist()
    return [column.dtype, column.shape, column.tolist()]


@pytest.fixture
def file(tmp_path):
    """Three pieces, one of them without rows, in a file that is open for reading."""
    path = tmp_path / "a.rows"
    with path.open("wb") as opened:
        writer = RowsWriter(opened)
        for number, rows in enumerate([rows_of(1000), rows_of(9).slice(3, 0), rows_of(70, 1).slice(8, 50)]):
            writer.add(rows, {"number": number})
        writer.finish({"all": [1, "ä"]})
    assert writer.num_bytes == path.stat().st_size
    with path.open("r+b") as opened:
        yield opened


def test_every_kind_of_column_comes_back_as_it_was(file):
    pieces, said = read_rows(file)
    assert said == {"all": [1, "ä"]}
    assert [of_piece["number"] for _, of_piece in pieces] == [0, 1, 2]
    for (found, _), rows in zip(pieces, [rows_of(1000), rows_of(0), rows_of(70, 1).slice(8, 50)]):
        assert list(found.columns) == list(rows.columns)
        for name, column in rows.columns.items():
            assert as_lists(found[name]) == as_lists(column)


def test_numbers_are_mapped_and_cannot_be_changed(file):
    ((rows, _), *_), _ = read_rows(file)
    ids = rows["ids"]
    assert not ids.flags.writeable
    assert not ids.flags.owndata
    assert ids.ctypes.data % 64 == 0
    # The file may be removed while they are used.
    first = ids[0].tolist()
    file.close()
    assert ids[0].tolist() == first


def test_no_byte_can_change_unnoticed(file):
    data = file.read()
    rng = np.random.default_rng(0)
    for place in [*rng.integers(0, len(data), 300).tolist(), len(data) - 1, len(data) - 9, len(data) - 20]:
        changed = bytearray(data)
        changed[place] ^= 1 << int(rng.integers(0, 8))
        file.seek(0)
        file.write(changed)
        file.flush()
        with pytest.raises(DamagedFile):
            read_rows(file)


def test_pages_that_changed_places_are_noticed(file):
    data = bytearray(file.read())
    data[0:4096], data[4096:8192] = data[4096:8192], data[0:4096]
    file.seek(0)
    file.write(data)
    file.flush()
    with pytest.raises(DamagedFile, match="do not fit their checksum"):
        read_rows(file)


@pytest.mark.parametrize("size", [0, 1, 19, 20, 1000, -1])
def test_a_file_that_is_cut_short_is_none(file, size):
    length = len(file.read())
    file.truncate(size % length)
    with pytest.raises(DamagedFile, match=r"cut short|empty"):
        read_rows(file)


def test_a_file_without_its_end_is_none(tmp_path):
    with (tmp_path / "a").open("w+b") as opened:
        RowsWriter(opened).add(rows_of(10), {})
        opened.flush()
        with pytest.raises(DamagedFile, match="cut short"):
            read_rows(opened)
