"""UUIDs of Parquet files and tables, which are 16 bytes there, as the text that everybody writes them as."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_BYTES = 16
_DASHES = (8, 12, 16, 20)
_HEX = np.array([[ord(digit) for digit in f"{byte:02x}"] for byte in range(256)], np.uint8)


def is_uuid(found: pa.DataType) -> bool:
    """Returns whether a type is that of UUIDs."""
    return isinstance(found, pa.UuidType)


def text_of_uuids(values: pa.ExtensionArray) -> pa.Array:
    """Returns UUIDs `[n]` as text: `313af862-5ad6-4d3b-8b0c-9d3f3a3b7a10`."""
    is_there = values.is_valid()
    # Bytes behind a null may be missing, and mean nothing.
    content = b"".join(pc.fill_null(values.storage, bytes(_BYTES)).to_pylist())
    digits = _HEX[np.frombuffer(content, np.uint8)].reshape(len(values), 2 * _BYTES)
    texts = np.insert(digits, _DASHES, ord("-"), axis=1)
    width = texts.shape[1]
    ascii_texts = pa.Array.from_buffers(pa.binary(width), len(values), [None, pa.py_buffer(texts.tobytes())])
    return pc.if_else(is_there, ascii_texts.cast(pa.binary()).cast(pa.string()), None)
