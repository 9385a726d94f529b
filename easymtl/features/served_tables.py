"""The tables of a model as a server has them: a zero row in front, so that no id needs a mask."""

import tensorflow as tf

from easymtl.features.embeddings import Embeddings


class ServedTables(tf.Module):
    """One variable `[1 + rows, width]` per width: zeros, and the rows of all tables of the width.

    Training has the rows alone: it looks up each distinct one once, which a request of few rows would only pay for.
    """

    def __init__(self, embeddings: Embeddings):
        """Copies the rows that the tables have now."""
        super().__init__()
        self.variables_by_width = {
            str(width): tf.Variable(tf.pad(embeddings.variable(width), [[1, 0], [0, 0]]), trainable=False)
            for width in embeddings.feature_set.rows_by_width
        }

    def by_width(self) -> dict[int, tf.Variable]:
        """Returns the variables."""
        return {int(width): variable for width, variable in self.variables_by_width.items()}
