"""The base of all feature transforms: raw columns in, one piece per row out."""

from collections.abc import Sequence

import tensorflow as tf

from easymtl.config import view
from easymtl.errors import UserError
from easymtl.features.pieces import Piece
from easymtl.protos.feature_pb2 import FeatureConfig


class Transform(tf.Module):
    """Turns the raw columns of one feature into ids, bags or numbers; the same code trains and serves.

    The work is cut in two so that training pays it once per distinct value: `per_value` is whatever one input
    column alone decides, `per_row` puts the inputs together. Both are pure TensorFlow and elementwise.

    Attributes:
        feature: the declaration in the config.
        feature_name: its name.
        inputs: names of the input fields, in order.
        kind: "id", "bag" or "dense": what `per_row` returns.
        num_rows: rows of the table, 0 for "dense".
        width: width of the vector that the feature becomes.
        is_weighted: whether a bag can hold weights other than 1.
    """

    def __init__(self, feature: FeatureConfig):
        super().__init__()
        self.feature = feature
        self.feature_name = view.feature_name(feature)
        self.inputs = tuple(feature.input_names)
        self.kind = "id"
        self.num_rows = 0
        self.width = int(feature.embedding_dim)
        self.is_weighted = False

    def per_value(self, position: int, column: tf.Tensor) -> Piece:
        """Returns what the values `[n]` of the input at `position` become, each on its own."""
        raise NotImplementedError

    def per_row(self, pieces: Sequence[Piece]) -> Piece:
        """Returns the feature of rows from the pieces of its inputs (one per input, same rows)."""
        return pieces[0]

    def __call__(self, columns: Sequence[tf.Tensor]) -> Piece:
        """Returns the feature of rows from its input columns, each `[n]`."""
        return self.per_row([self.per_value(i, column) for i, column in enumerate(columns)])

    def check_types(self, types: Sequence[tf.DType]) -> None:
        """Checks that the inputs have types this feature can read.

        Raises:
            UserError: they have not.
        """

    def refuse(self, problem: str) -> UserError:
        """Returns the error that names this feature and the problem."""
        return UserError(f'feature "{self.feature_name}": {problem}')

    def require_precision(self, types: Sequence[tf.DType]) -> None:
        """Checks that float inputs of a feature that reads text say with how many digits.

        Raises:
            UserError: `precision` is not set.
        """
        if self.feature.precision < 0 and any(dtype.is_floating for dtype in types):
            raise self.refuse(
                "reads a FLOAT or DOUBLE field as text and precision is not set; set the digits behind the point, "
                "for example precision: 2, or declare the field as STRING or INT64."
            )

    def require_separator(self, separator: str) -> None:
        """Checks a separator: texts are split at each of its characters, which must be of one byte.

        Raises:
            UserError: it is empty or not ASCII.
        """
        if not separator or not separator.isascii():
            raise self.refuse(f'separator "{separator}" cannot split text; give one ASCII character, for example "|".')

    def require_width(self) -> None:
        """Checks that a feature with a table says how wide it is.

        Raises:
            UserError: `embedding_dim` is not set.
        """
        if not self.width:
            raise self.refuse(
                "embedding_dim is not set; a feature with a table needs it, for example embedding_dim: 16."
            )

    def require_inputs(self, allowed: range) -> None:
        """Checks the number of inputs.

        Raises:
            UserError: it is not in `allowed`.
        """
        if len(self.inputs) not in allowed:
            wanted = f"{allowed.start}" if len(allowed) == 1 else f"{allowed.start} to {allowed.stop - 1}"
            kind = FeatureConfig.FeatureType.Name(self.feature.feature_type)
            raise self.refuse(f"has {len(self.inputs)} input_names; a {kind} takes {wanted}.")
