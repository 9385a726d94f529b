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
            self.variables_by_width[str(width)], *scales = _copied(embeddings, width, precision)
            if scales:
                (self.scales_by_width[str(width)],) = scales
            if gives_up:
                variable = embeddings.variable(width)
                none = tf.zeros([0, width])
                tf.raw_ops.AssignVariableOp(resource=variable.handle, value=none, validate_shape=False)

    def by_width(self) -> dict[int, ServedTable]:
        """Returns the tables."""
        scales = {width: [variable] for width, variable in self.scales_by_width.items()}
        return {
            int(width): ServedTable(variable, *scales.get(width, []))
            for width, variable in self.variables_by_width.items()
        }


def _copied(embeddings: Embeddings, width: int, precision: int) -> list[tf.Variable]:
    """Returns the rows of a width as they are served, made block by block: only they themselves are large."""
    variable = embeddings.variable(width)
    num_rows = int(variable.shape[0])
    step = max(_BLOCK_BYTES // (4 * width), 1)
    made = [np.zeros([1 + num_rows, *part.shape[1:]], part.dtype.as_numpy_dtype) for part in _none(width, precision)]
    for begin in range(0, num_rows, step):
        # A gather copies these rows alone; reading a table that has had sparse updates copies all of it.
        rows = tf.gather(variable, tf.range(begin, min(begin + step, num_rows)))
        parts = narrowed(rows, precision)
        if precision != export_pb2.FLOAT32:
            _require_finite(embeddings, width, begin, rows, widened(parts), precision)
        for whole, part in zip(made, parts):
            whole[1 + begin : 1 + begin + len(rows)] = part.numpy()
    return [tf.Variable(made.pop(0), trainable=False) for _ in range(len(made))]


def _none(width: int, precision: int) -> tuple[tf.Tensor, ...]:
    """Returns what no rows of a width are stored in."""
    return narrowed(tf.zeros([0, width]), precision)


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
