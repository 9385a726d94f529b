"""Where the values of variables lie in the files of a SavedModel, so that rows are read without loading a table.

In `variables.index`, see `checkpoints/bundle_index.py`, the value of a variable's name says its type, its shape, and
where in `variables.data-...` its bytes are.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from easymtl.checkpoints.bundle_index import INDEX_ERRORS, data_file, read_index
from easymtl.errors import UserError

INDEX = "variables/variables.index"


@dataclass(frozen=True)
class Stored:
    """The bytes of a variable in a file.

    Attributes:
        dtype: name of its type, as TensorFlow calls it.
        shape: its shape.
        file: the file.
        offset: of its first byte there.
        size: how many bytes.
        checksum: of these, as TensorFlow checks it when it loads the model.
    """

    dtype: str
    shape: tuple[int, ...]
    file: Path
    offset: int
    size: int
    checksum: int

    @property
    def num_rows(self) -> int:
        """Returns the length of its first axis; what has none, or texts, is one row."""
        return self.shape[0] if self.shape and self.dtype != "string" else 1

    def rows(self, mode: str = "r") -> np.ndarray:
        """Returns its rows `[rows, bytes of a row]` uint8, which are read, or with mode `r+` written, when used."""
        if not self.size:
            return np.zeros([self.num_rows, 0], np.uint8)
        shape = (self.num_rows, self.size // self.num_rows)
        return np.memmap(self.file, np.uint8, mode, self.offset, shape)  # type: ignore[call-overload]


def stored_variables(folder: Path) -> dict[str, Stored]:
    """Returns the variables of a SavedModel by name, in the order of their places.

    Raises:
        UserError: its index cannot be read.
    """
    path = folder / INDEX
    try:
        header, entries = read_index(path)
        found = {key.decode(): entry for key, entry in entries.items()}
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}.") from None
    except INDEX_ERRORS:
        raise UserError(f"{path}: is no index of variables, or a damaged one.") from None
    if any(entry.slices for entry in found.values()):
        raise UserError(f"{path}: its variables are stored in slices, which easymtl export does not do.")

    def stored(entry) -> Stored:
        file = data_file(path.with_suffix(""), header, entry.shard_id)
        shape = tuple(dim.size for dim in entry.shape.dim)
        return Stored(tf.as_dtype(entry.dtype).name, shape, file, entry.offset, entry.size, entry.crc32c)

    ordered = sorted(found, key=lambda name: (found[name].shard_id, found[name].offset))
    return {name: stored(found[name]) for name in ordered}
