"""Data files: the first byte of an input says how the rest is written and read."""

import gzip
import io
import itertools
import struct
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from google.protobuf import text_format

from easymtl.data.record_frames import checksums
from easymtl.data.sources import describe, open_source
from easymtl.data.text_form import OF_IDS, TextForm
from easymtl.errors import UserError
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.example_pb2 import Example
from tests.fuzz.judging import Try

FIELDS = {"i": "INT32", "k": "INT64", "d": "DOUBLE", "f": "FLOAT", "b": "BOOL", "s": "STRING", "t": "STRING"}
FORMS = dict.fromkeys(FIELDS, OF_IDS) | {"t": TextForm(separators=("|",), inner=(";",))}
"""The last column holds lists."""
MOST_BATCHES = 50
"""Rows that are there in few bytes are no finding as long as they come in batches."""
SMALL_BLOCK = 64


def _config(input_type: str, flags: int, text: str = "") -> DatasetConfig:
    config = DatasetConfig()
    for name, kind in FIELDS.items():
        text_format.Parse(f'input_name: "{name}" input_type: {kind}', config.input_fields.add())
    ignores = "true" if flags & 1 else "false"
    return text_format.Parse(f"input_type: {input_type} ignore_error: {ignores} {text}", config)


def _rows(path: Path, config: DatasetConfig, block_bytes: int = 8 << 20, batch_rows: int = 65536) -> list[tuple]:
    """Reads a file as a training does, and returns its first rows."""
    items = ["t"] if config.prefetch_size == 1 else []
    source = open_source(str(path), config, list(FIELDS), block_bytes, batch_rows, FORMS, items=items)
    batches = (batch for block in source.blocks for batch in source.read(block))
    rows: list[tuple] = []
    for batch in itertools.islice(batches, MOST_BATCHES):
        assert batch.schema == source.schema
        batch.validate(full=True)
        if len(rows) < 1000:
            rows += zip(*(batch.column(name).slice(0, 1000).to_pylist() for name in FIELDS))
    source.warnings()
    return rows


def _same_in_blocks(path: Path, config: DatasetConfig) -> None:
    """Rows do not depend on where blocks begin and batches end."""
    whole = _rows(path, config)
    try:
        parts = _rows(path, config, SMALL_BLOCK, 3)
    except UserError:
        if config.ignore_error:
            raise AssertionError("refused in small blocks, and read in one") from None
        return
    assert len(parts) >= 50 * 3 or repr(parts) == repr(whole[: len(parts)]), (whole[:20], parts[:20])


def try_csv(folder: Path) -> Try:
    """Text: with and without header, quotes, gzip; the separator; bad rows refused or left out."""
    path = folder / "a.csv"

    def attempt(data: bytes) -> None:
        flags, content = data[:1][0] if data else 0, data[1:]
        separator = (",", "\\t", ";", "|")[flags >> 1 & 3]
        quote = ' quote: ""' if flags & 8 else ""
        header = "true" if flags & 16 else "false"
        config = _config("CSVInput", flags, f'separator: "{separator}"{quote} with_header: {header}')
        path.write_bytes(gzip.compress(content, 1, mtime=0) if flags & 32 else content)
        describe(str(path), config)
        _same_in_blocks(path, config)

    return attempt


def seeds_of_csv() -> Iterator[bytes]:
    """Yields the same rows in each way of writing them."""
    rows = ["1,2,0.5,1.5,true,a,b|c", '-7,,nan,,false,"x,""y\nz",', "2147483647,9,1e300,3,1,é,"]
    header = ",".join(FIELDS)
    for flags in (0, 1, 2, 8, 16, 17, 32, 33, 48):
        separator = ",\t;|"[flags >> 1 & 3]
        lines = [header, *rows] if flags & 16 else rows
        yield bytes([flags]) + "\n".join(lines).replace(",", separator).encode() + b"\n"
    yield b"\1" + gzip.compress("\r\n".join(rows).encode(), mtime=0)
    yield b"\1" + "\r".join(rows).encode() + b"\rone,two\r"


def try_tfrecord(folder: Path) -> Try:
    """Records of any bytes in right frames, or frames that are wrong themselves; plain and gzip."""
    path = folder / "a.tfrecord"

    def attempt(data: bytes) -> None:
        flags, content = data[:1][0] if data else 0, data[1:]
        if flags & 2:
            content = _framed(content)
        path.write_bytes(gzip.compress(content, 1, mtime=0) if flags & 4 else content)
        config = _config("TFRecordInput", flags)
        describe(str(path), config)
        _same_in_blocks(path, config)

    return attempt


def _framed(content: bytes) -> bytes:
    """Returns records in frames with right checksums: two bytes of content are the length of one."""
    records = []
    while content:
        length = int.from_bytes(content[:2], "little")
        records.append(content[2 : 2 + length])
        content = content[2 + length :]
    lengths = [struct.pack("<Q", len(record)) for record in records]
    sums = [[struct.pack("<I", number) for number in checksums(some).tolist()] for some in (lengths, records)]
    return b"".join(length + of_length + record + of_data for length, of_length, record, of_data in
                    zip(lengths, sums[0], records, sums[1]))  # fmt: skip


def seeds_of_tfrecord() -> Iterator[bytes]:
    """Yields examples with values of each kind, in frames of ours and of the input's own."""
    examples = []
    for number in range(3):
        example = Example()
        for name in ("i", "k", "b"):
            example.features.feature[name].int64_list.value.append(min(number, 1))
        for name in ("d", "f"):
            example.features.feature[name].float_list.value.append(number / 2)
        for name in ("s", "t"):
            example.features.feature[name].bytes_list.value.extend([b"a", b"b"][: number + 1 if name == "t" else 1])
        examples.append(example.SerializeToString())
    pieces = b"".join(struct.pack("<H", len(one)) + one for one in examples)
    for flags in (2, 3, 6, 7):
        yield bytes([flags]) + pieces
    for flags in (0, 1, 4):
        yield bytes([flags]) + _framed(pieces)


def try_parquet(folder: Path) -> Try:
    """A Parquet file, byte for byte."""
    path = folder / "a.parquet"

    def attempt(data: bytes) -> None:
        flags, content = data[:1][0] if data else 0, data[1:]
        path.write_bytes(content)
        config = _config("ParquetInput", flags, "prefetch_size: 1" if flags & 2 else "")
        describe(str(path), config)
        _same_in_blocks(path, config)

    return attempt


def seeds_of_parquet() -> Iterator[bytes]:
    """Yields the same table in several encodings, types and compressions."""
    table = pa.table(
        {
            "i": pa.array([1, None, 3], pa.int32()),
            "k": pa.array([1, 2, None], pa.int64()),
            "d": [0.5, None, 2.0],
            "f": pa.array([0.5, None, 2.0], pa.float32()),
            "b": [True, None, False],
            "s": ["a", "", None],
            "t": [["a", "b"], [], None],
        }
    )
    for flags, options in enumerate(
        ({}, {"compression": "none", "use_dictionary": False}, {"compression": "gzip", "row_group_size": 1},
         {"compression": "zstd", "data_page_version": "2.0", "write_page_checksum": True})
    ):  # fmt: skip
        file = io.BytesIO()
        pq.write_table(table, file, store_schema=False, write_statistics=False, **options)
        yield bytes([flags]) + file.getvalue()
