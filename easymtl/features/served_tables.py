"""The tables of a model as a server has them."""

from collections.abc import Iterator
from operator import itemgetter

import numpy as np
import tensorflow as tf

from easymtl.errors import UserError
from easymtl.features.declared_variable import declared_variable
from easymtl.features.embeddings import Embeddings
from easymtl.features.narrow_rows import Parts, narrowed, widened
from easymtl.features.served_table import ServedTable
from easymtl.protos import export_pb2

_BLOCK_BYTES = 1 << 26


class ServedTables(tf.Module):
    """One `ServedTable` per width: zeros, and the rows of all tables of the width.

    Training has the rows alone: it looks up each distinct one once, which a request of few rows would only pay for.
    """

    def __init__(self, embeddings: Embeddings, precision: int = export_pb2.FLOAT32):
        """Copies the rows that the tables have now; those that are on disk stay there.

        Args:
            embeddings: the tables.
            precision: what rows are stored in, a `RowPrecision`.

        Raises:
            UserError: a number is not finite, or not in the precision.
        """
        super().__init__()
        self._embeddings = lambda: embeddings
        self._precision = precision
        self.variables_by_width: dict[str, tf.Variable] = {}
        self.scales_by_width: dict[str, tf.Variable] = {}
        for width, num_rows in embeddings.feature_set.rows_by_width.items():
            if embeddings.are_on_disk:
                shapes = [(part.dtype, part.shape[1:]) for part in narrowed(tf.zeros([1, width]), precision)]
                rows, *scales = (declared_variable([1 + num_rows, *shape], dtype) for dtype, shape in shapes)
            else:
                rows, *scales = (_variable(parts) for parts in _blocks(embeddings, width, precision))
            self.variables_by_width[str(width)] = rows
            if scales:
                (self.scales_by_width[str(width)],) = scales

    @property
    def are_on_disk(self) -> bool:
        """Returns whether the variables hold no rows: they come from files, see `parts`."""
        return self._embeddings().are_on_disk

    def parts(self) -> Iterator[tuple[str, tf.Variable, Iterator[tf.Tensor]]]:
        """Yields the name of each variable in this module, it, and its rows in blocks, made as they are asked for.

        Raises:
            UserError: a number is not finite, or not in the precision.
        """
        for place, variables in enumerate((self.variables_by_width, self.scales_by_width)):
            name = ("variables_by_width", "scales_by_width")[place]
            for width, variable in variables.items():
                blocks = _parts(self._embeddings(), int(width), self._precision)
                yield f"{name}/{width}", variable, map(itemgetter(place), blocks)

    def by_width(self) -> dict[int, ServedTable]:
        """Returns the tables."""
        scales = {width: [variable] for width, variable in self.scales_by_width.items()}
        return {
            int(width): ServedTable(variable, *scales.get(width, []))
            for width, variable in self.variables_by_width.items()
        }


def _blocks(embeddings: Embeddings, width: int, precision: int) -> list[list[tf.Tensor]]:
    """Returns the rows of a width as they are served, in blocks: a list of them for each part that a row has."""
    return [list(blocks) for blocks in zip(*_parts(embeddings, width, precision))]


def _parts(embeddings: Embeddings, width: int, precision: int) -> Iterator[Parts]:
    """Yields the rows of a width as they are served, a bounded number at a time, the row of zeros first."""
    num_rows = embeddings.feature_set.rows_by_width[width]
    step = max(_BLOCK_BYTES // (4 * width), 1)
    yield narrowed(tf.zeros([1, width]), precision)
    for begin in range(0, num_rows, step):
        rows = embeddings.rows(width, begin, min(begin + step, num_rows))
        parts = narrowed(rows, precision)
        if precision != export_pb2.FLOAT32:
            _require_finite(embeddings, width, begin, rows, widened(parts), precision)
        yield parts


def _variable(blocks: list[tf.Tensor]) -> tf.Variable:
    """Returns a variable of blocks, which are no longer there then: writing into a variable would copy all of it."""
    whole = tf.concat(blocks, axis=0)
    blocks.clear()
    return tf.Variable(whole, trainable=False)


def _require_finite(
    embeddings: Embeddings, width: int, begin: int, rows: tf.Tensor, kept: tf.Tensor, precision: int
) -> None:
    is_bad = ~tf.math.is_finite(rows + kept if precision == export_pb2.INT8 else kept).numpy()
    if not is_bad.any():
        return
    row, column = (int(place) for place in np.argwhere(is_bad)[0])
    value, place = float(rows[row, column]), begin + row
    owners = [one for one in embeddings.parameters().values() if one.variable is embeddings.variable(width)]
    owner = next(one for one in owners if one.begin <= place < one.begin + one.num_rows)
    name = export_pb2.RowPrecision.Name(precision)
    advice = "Use BFLOAT16 or INT8, which hold it."
    if not np.isfinite(value):
        advice = "The training has gone wrong before this step: export an earlier checkpoint."
    elif precision == export_pb2.BFLOAT16:
        advice = "Use INT8 or FLOAT32, which hold it."
    raise UserError(
        f"export_config.row_precision: row {place - owner.begin} of the table {owner.name} holds {value:g}, which is "
        f"no number in {name}. {advice}"
    )
