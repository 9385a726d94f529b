"""What tells the values of one table from those of another, however they lie in memory."""

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from easymtl.data.lists import is_list

_ROWS = 1 << 16


def table_digest(table: pa.Table) -> str:
    """Returns a digest of all values: BLAKE2b, 16 bytes, hexadecimal.

    It depends on names, kinds and values of the columns, and on the order of rows; not on the order of columns, nor on
    chunks, dictionaries and the widths of offsets, in which tables of pandas, polars and Arrow differ.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(table.column_names):
        column = table.column(name)
        digest.update(f"{name}\0{_kind(column.type)}\0{len(column)}\0".encode())
        for start in range(0, len(column), _ROWS):
            chunks = column.slice(start, _ROWS).chunks
            _add(digest, pa.concat_arrays([_plain(chunk) for chunk in chunks]))
    return digest.hexdigest()


def _kind(found: pa.DataType) -> str:
    """Returns the name of a type, one for all ways to hold the same values."""
    if isinstance(found, pa.BaseExtensionType):
        return _kind(found.storage_type)
    if pa.types.is_dictionary(found):
        return _kind(found.value_type)
    if is_list(found):
        return f"list<{_kind(found.value_type)}>"
    if pa.types.is_string(found) or pa.types.is_large_string(found) or found == pa.string_view():
        return "text"
    if _is_bytes(found):
        return "bytes"
    return str(found)


def _is_bytes(found: pa.DataType) -> bool:
    is_plain = pa.types.is_binary(found) or pa.types.is_large_binary(found) or found == pa.binary_view()
    return is_plain or pa.types.is_fixed_size_binary(found)


def _plain(array: pa.Array) -> pa.Array:
    """Returns the values without extension and dictionary."""
    if isinstance(array.type, pa.BaseExtensionType):
        return _plain(array.storage)
    return _plain(array.dictionary_decode()) if pa.types.is_dictionary(array.type) else array


def _add(digest: Any, array: pa.Array) -> None:
    """Adds which values are null, and the others."""
    array = _plain(array)
    digest.update(np.packbits(array.is_valid().to_numpy(zero_copy_only=False)).tobytes())
    kind = _kind(array.type)
    if kind.startswith("list<"):
        digest.update(pc.list_value_length(array).fill_null(0).cast(pa.int64()).to_numpy().tobytes())
        _add(digest, pc.list_flatten(array))
    elif kind in ("text", "bytes"):
        _add_texts(digest, array.drop_null().cast(pa.large_string() if kind == "text" else pa.large_binary()))
    elif pa.types.is_struct(array.type):
        for part in array.flatten():
            _add(digest, part)
    elif pa.types.is_null(array.type):
        pass
    elif pa.types.is_boolean(array.type):
        digest.update(array.drop_null().to_numpy(zero_copy_only=False).tobytes())
    elif pa.types.is_primitive(array.type) or pa.types.is_decimal(array.type):
        width = array.type.bit_width // 8
        values = array.drop_null()
        digest.update(memoryview(values.buffers()[1])[values.offset * width : (values.offset + len(values)) * width])
    else:
        digest.update(repr(array.to_pylist()).encode())


def _add_texts(digest: Any, texts: pa.Array) -> None:
    if not len(texts):
        return
    _, offsets, data = texts.buffers()
    places = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    digest.update(np.diff(places).tobytes())
    digest.update(memoryview(data)[places[0] : places[-1]] if data is not None else b"")
