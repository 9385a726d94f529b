"""Tables that go from a checkpoint into the files of a SavedModel, a bounded number of bytes at a time.

TensorFlow writes a variable from memory. So it is given variables that have a shape and no rows, and writes the index
and all that is small; then the data file is written once more, with the rows of the tables where TensorFlow would have
put them, and the index says so.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tensorflow as tf

from easymtl.checkpoints.bundle_index import Entry, data_file, read_index, write_index
from easymtl.checkpoints.crc32c import crc32c, masked
from easymtl.checkpoints.publishing import flush
from easymtl.features.served_tables import ServedTables

_PREFIX = Path("variables/variables")
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_COPIED_BYTES = 1 << 24


def write_tables(folder: Path, place: str, tables: ServedTables) -> None:
    """Writes the rows of tables that are on disk into a SavedModel that has none of them.

    Args:
        folder: of the SavedModel.
        place: the name of the tables in the module that was saved.
        tables: see `ServedTables.parts`.

    Raises:
        UserError: a row cannot be read, or cannot be stored in the precision of the export.
        OSError: it could not be written.
    """
    prefix = folder / _PREFIX
    header, entries = read_index(prefix.with_suffix(".index"))
    rows = {f"{place}/{name}{_VALUE}".encode(): of_variable for name, *of_variable in tables.parts()}
    assert header.num_shards == 1 and rows.keys() <= entries.keys(), sorted(entries)
    data = data_file(prefix, header, 0)
    draft = data.with_name(f"{data.name}.draft")
    with open(data, "rb") as old, open(draft, "wb") as new:
        for key in sorted(entries, key=lambda key: (entries[key].offset, key)):
            entry = entries[key]
            offset = new.tell()
            if key in rows:
                _write_rows(new, entry, *rows[key])
            else:
                _copy(old, new, entry)
            entry.offset = offset
    flush(draft)
    os.replace(draft, data)
    write_index(prefix.with_suffix(".index"), header, entries)


def _write_rows(file: BinaryIO, entry: Entry, variable: tf.Variable, blocks: Iterator[tf.Tensor]) -> None:
    begin, crc = file.tell(), 0
    for block in blocks:
        content = bytes_of(block)
        crc = crc32c(content, crc)
        file.write(content.data)
    entry.size, entry.crc32c = file.tell() - begin, masked(crc)
    entry.shape.CopyFrom(variable.shape.as_proto())


def bytes_of(block: tf.Tensor) -> np.ndarray:
    """Returns the bytes of a tensor, uint8 `[n]`; types of narrow numbers are none that NumPy lends the memory of."""
    return np.ascontiguousarray(block.numpy()).reshape(-1).view(np.uint8)


def _copy(old: BinaryIO, new: BinaryIO, entry: Entry) -> None:
    old.seek(entry.offset)
    left = entry.size
    while left:
        content = old.read(min(left, _COPIED_BYTES))
        new.write(content)
        left -= len(content)
