"""The base of all feature transforms: raw columns in, one piece per row out."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from easymtl.config import view
from easymtl.features.pieces import Bags, Dense, Ids, Piece
from easymtl.features.text import Items
from easymtl.protos.feature_pb2 import FeatureConfig


class Transform(tf.Module):
    """Turns the raw columns of one feature into ids, bags or numbers; the same code trains and serves.

    The work is cut in two so that training pays it once per distinct value: `per_value` is whatever one input
    column alone decides, `per_row` puts the inputs together. Both are pure TensorFlow and elementwise.

    Attributes:
        feature: the declaration in the config.
        feature_name: its name.
        inputs: names of the input fields, in order.
        kind: what `per_row` returns.
        kind_of_steps: what each step of a history is; of no meaning for other features.
        num_rows: rows of the table, 0 for numbers.
        width: width of the vector that the feature becomes, or each step of it.
        is_weighted: whether a bag can hold weights other than 1.
        most_items: how many items of a list are read, from the first on; 0 for all.
    """

    def __init__(self, feature: FeatureConfig):
        super().__init__()
        self.feature = feature
        self.feature_name = view.feature_name(feature)
        self.inputs = tuple(feature.input_names)
        self.kind: type[Piece] = Ids
        self.kind_of_steps: type[Ids] | type[Bags] | type[Dense] = Ids
        self.num_rows = 0
        self.width = int(feature.embedding_dim)
        self.is_weighted = False
        self.most_items = 0

    def separators(self, position: int) -> str:
        """Returns the characters at which texts of the input at `position` are split, if they are."""
        return self.feature.separator

    def per_value(self, position: int, column: tf.Tensor | Items) -> Piece:
        """Returns what the values `[n]` of the input at `position` become, each on its own.

        Args:
            position: of the input.
            column: its values; for features that split texts also lists of items, see `text_form`.
        """
        raise NotImplementedError

    def check_rows(self, pieces: Sequence[Piece], text_of: Callable[[int], str]) -> None:
        """Checks the pieces of rows of data before `per_row` puts them together.

        Args:
            pieces: one per input, with values.
            text_of: returns the text of the first input in a row, for a message.
        """

    def per_row(self, pieces: Sequence[Piece]) -> Piece:
        """Returns the feature of rows from the pieces of its inputs (one per input, same rows)."""
        return pieces[0]

    def __call__(self, columns: Sequence[tf.Tensor]) -> Piece:
        """Returns the feature of rows from its input columns, each `[n]`."""
        return self.per_row([self.per_value(i, column) for i, column in enumerate(columns)])
