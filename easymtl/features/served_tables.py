"""The tables of a model as a server has them."""

import numpy as np
import tensorflow as tf

from easymtl.errors import UserError
from easymtl.features.embeddings import Embeddings
from easymtl.features.narrow_rows import narrowed, widened
from easymtl.features.served_table import ServedTable
from easymtl.protos import export_pb2

_BLOCK_BYTES = 1 << 26


class ServedTables(tf.Module):
    """One `ServedTable` per width: zeros, and the rows of all tables of the width.

    Training has the rows alone: it looks up each distinct one once, which a request of few rows would only pay for.
    """

    def __init__(self, embeddings: Embeddings, precision: int = export_pb2.FLOAT32, gives_up: bool = False):
        """Copies the rows that the tables have now.

        Args:
            embeddings: the tables.
            precision: what rows are stored in, a `RowPrecision`.
            gives_up: whether the rows of a width are taken from `embeddings` as soon as they are copied: nothing can
                be looked up there any more, and no more than one width is in memory twice.

        Raises:
            UserError: a number is not finite, or not in the precision.
        """
        super().__init__()
        self.variables_by_width: dict[str, tf.Variable] = {}
        self.scales_by_width: dict[str, tf.Variable] = {}
        for width in embeddings.feature_set.rows_by_width:
            blocks = _blocks(embeddings, width, precision)
            if gives_up:
                _empty(embeddings.variable(width))
            rows, *scales = (_variable(parts) for parts in blocks)
            self.variables_by_width[str(width)] = rows
            if scales:
                (self.scales_by_width[str(width)],) = scales

    def by_width(self) -> dict[int, ServedTable]:
        """Returns the tables."""
        scales = {width: [variable] for width, variable in self.scales_by_width.items()}
        return {
            int(width): ServedTable(variable, *scales.get(width, []))
            for width, variable in self.variables_by_width.items()
        }


def _blocks(embeddings: Embeddings, width: int, precision: int) -> list[list[tf.Tensor]]:
    """Returns the rows of a width as they are served, in blocks: a list of them for each part that a row has."""
    variable = embeddings.variable(width)
    num_rows = int(variable.shape[0])
    step = max(_BLOCK_BYTES // (4 * width), 1)
    found = [[part] for part in narrowed(tf.zeros([1, width]), precision)]
    for begin in range(0, num_rows, step):
        # A gather copies these rows alone; reading a table that has had sparse updates copies all of it.
        rows = tf.gather(variable, tf.range(begin, min(begin + step, num_rows)))
        parts = narrowed(rows, precision)
        if precision != export_pb2.FLOAT32:
            _require_finite(embeddings, width, begin, rows, widened(parts), precision)
        for blocks, part in zip(found, parts):
            blocks.append(part)
    return found


def _variable(blocks: list[tf.Tensor]) -> tf.Variable:
    """Returns a variable of blocks, which are no longer there then: writing into a variable would copy all of it."""
    whole = tf.concat(blocks, axis=0)
    blocks.clear()
    return tf.Variable(whole, trainable=False)


def _empty(variable: tf.Variable) -> None:
    none = tf.zeros([0, *variable.shape[1:]])
    tf.raw_ops.AssignVariableOp(resource=variable.handle, value=none, validate_shape=False)


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
