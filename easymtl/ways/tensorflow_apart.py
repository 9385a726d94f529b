"""TensorFlow in a process that knows nothing of easymtl: the way of TensorFlow Serving's own core."""

from pathlib import Path

from easymtl.serving.parity import ask_apart
from easymtl.serving.signatures import ENCODED
from easymtl.ways.way import Rows, Scores


class TensorFlow:
    """Loads the SavedModel by its SignatureDef; `encoded` is asked for what `encode` gives there."""

    name = "tensorflow"

    def absent(self) -> None:
        """Is always there."""
        return None

    def scores(self, export: Path, rows: Rows) -> Scores:
        """Returns the scores of all rows, by signature and by output."""
        columns = rows.columns()
        return ask_apart(export, {**columns, ENCODED: rows.sent} if rows.packed else columns)
