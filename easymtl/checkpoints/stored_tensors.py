"""The tensors in the folder of a checkpoint by name, put together where some of their rows are stored apart.

A checkpoint that is a delta (see `deltas.py`) has a folder `full` with the files of the full checkpoint before it. Of a
table it stores which rows have changed since, as `changed_rows/<table>` int64 `[changed]`, ascending, and of the table
and of each of its slots these rows, as `changed/<name>` `[changed, width]`. Every other tensor is stored whole.
"""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from easymtl.checkpoints.publishing import reason
from easymtl.checkpoints.shards import prefix_of
from easymtl.errors import UserError

FULL = "full"
"""The folder of a delta that has the files of a full checkpoint."""

ROWS, VALUES = "changed_rows/", "changed/"
# A short file is an IndexError to TensorFlow's reader, a changed byte an OpError.
READ_ERRORS = (tf.errors.OpError, RuntimeError, ValueError, IndexError)


def slice_text(shape: tuple[int, ...], begin: int, num_rows: int | None) -> str:
    """Returns rows as TensorFlow's savers write them: `40 4 10,20:0,4` is rows 10 to 29; empty for all (None)."""
    if num_rows is None:
        return ""
    ranges = [f"{begin},{num_rows}", *(f"0,{size}" for size in shape[1:])]
    return f"{' '.join(map(str, shape))} {':'.join(ranges)}"


class Loads(Protocol):
    """What rows of tensors are read from."""

    def load(self, name: str, dtype: tf.DType, begin: int = 0, num_rows: int | None = None) -> tf.Tensor:
        """Returns a tensor, or so many of its rows from `begin` on."""


class StoredTensors:
    """The tensors of one folder.

    Attributes:
        shapes: the shape of each tensor, of a table that of all its rows.
    """

    def __init__(self, folder: Path):
        """Reads names and shapes.

        Raises:
            UserError: they cannot be read, or the folder is a part of a delta.
        """
        self._folder = folder
        self._own, own = _opened(folder, folder)
        self._full: Any = None
        self._changed_rows: dict[str, np.ndarray] = {}
        self.shapes: dict[str, list[int]] = own
        self._shapes = {folder: own}
        if not any(name.startswith(ROWS) for name in own):
            return
        if not (folder / FULL).is_dir():
            raise UserError(
                f"{folder / FULL}: there is no such folder. This checkpoint holds what has changed since the full one "
                "in there: copy its folder with all that is in it."
            )
        self._full, full = _opened(folder / FULL, folder)
        self._shapes[folder / FULL] = full
        self.shapes = {**full, **{name: s for name, s in own.items() if not name.startswith((ROWS, VALUES))}}

    def load(self, name: str, dtype: tf.DType, begin: int = 0, num_rows: int | None = None) -> tf.Tensor:
        """Returns a tensor, or some of its rows.

        Args:
            name: of the tensor.
            dtype: its type.
            begin: the first row.
            num_rows: None for all.

        Raises:
            UserError: it cannot be read.
        """
        try:
            if self._full is None or self._own.has_tensor(name):
                return self._restore(self._folder, name, dtype, begin, num_rows)
            base = self._restore(self._folder / FULL, name, dtype, begin, num_rows)
            return self._with_changes(base, name, begin)
        except READ_ERRORS as error:
            raise UserError(f"{self._folder}: {name} cannot be read: {reason(error)}") from None

    def read(self, name: str) -> np.ndarray:
        """Returns a tensor.

        Raises:
            UserError: it cannot be read.
        """
        reader = self._own if self._own.has_tensor(name) else self._full
        dtype = tf.as_dtype(reader.get_variable_to_dtype_map()[name])
        return self.load(name, dtype).numpy()

    def changed_rows(self, table: str) -> np.ndarray | None:
        """Returns the rows of a table that have changed since the full checkpoint, int64 `[changed]`, ascending.

        None where the table is stored whole.

        Raises:
            UserError: they cannot be read.
        """
        if self._full is None or not self._own.has_tensor(ROWS + table):
            return None
        if table not in self._changed_rows:
            # Once: they are asked for with each part of the table and of its slots.
            try:
                self._changed_rows[table] = self._own.get_tensor(ROWS + table)
            except READ_ERRORS as error:
                raise UserError(f"{self._folder}: {ROWS}{table} cannot be read: {reason(error)}") from None
        return self._changed_rows[table]

    def _restore(self, folder: Path, name: str, dtype: tf.DType, begin: int, num_rows: int | None) -> tf.Tensor:
        [value] = tf.raw_ops.RestoreV2(
            prefix=prefix_of(folder),
            tensor_names=[name],
            shape_and_slices=[slice_text(tuple(self._shapes[folder][name]), begin, num_rows)],
            dtypes=[dtype],
        )
        return value

    def _with_changes(self, base: tf.Tensor, name: str, begin: int) -> tf.Tensor:
        """Returns rows of the full checkpoint from `begin` on with those that have changed since."""
        table = name if self._own.has_tensor(ROWS + name) else name.rpartition("/")[0]
        rows = self.changed_rows(table)
        if rows is None:
            return base
        first, end = np.searchsorted(rows, [begin, begin + base.shape[0]])
        if first == end:
            return base
        values = self._restore(self._folder, VALUES + name, base.dtype, int(first), int(end - first))
        return tf.tensor_scatter_nd_update(base, (rows[first:end] - begin)[:, np.newaxis], values)


def _opened(folder: Path, shown: Path) -> tuple[Any, dict[str, list[int]]]:
    try:
        reader: Any = tf.train.load_checkpoint(prefix_of(folder))
        return reader, reader.get_variable_to_shape_map()
    except READ_ERRORS as error:
        raise UserError(f"{shown}: the weights cannot be read: {reason(error)}") from None


def shapes_in(folder: Path) -> dict[str, list[int]]:
    """Returns the shape of each tensor in the folder of a checkpoint.

    Raises:
        UserError: it cannot be read.
    """
    return StoredTensors(folder).shapes
