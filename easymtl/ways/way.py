"""What a way to call an export is, and what is sent on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from easymtl.errors import UserError
from easymtl.serving import tf_example
from easymtl.serving.reload import Arrays, arrays_of
from easymtl.serving.signatures import ENCODED, SIGNATURE, TF_EXAMPLE, USER_ONCE

Columns = Mapping[str, pa.Array]
Scores = dict[str, dict[str, np.ndarray]]


class Unsayable(UserError):
    """A way has no words for these inputs; the text says why. It is no fault of the export."""


@dataclass(frozen=True)
class Rows:
    """Some rows, in every form in which an export takes them; all forms have the same number of rows.

    Attributes:
        sent: the inputs of `serving_default`, as a client sends them.
        packed: what `encode` makes of them, the inputs of `encoded`; nothing where there is no such signature.
        num_rows: how many.
        examples: the input of `tf_example`; None where there is no such signature.
        of_user: the inputs of `user_once`, those of the user the same in all rows; None where there is no such
            signature.
    """

    sent: Columns
    packed: Mapping[str, np.ndarray]
    num_rows: int
    examples: pa.Array | None = None
    of_user: Columns | None = None

    def columns(self) -> dict[str, Columns]:
        """Returns raw columns and examples by signature."""
        found: dict[str, Columns] = {SIGNATURE: self.sent}
        if self.examples is not None:
            found[TF_EXAMPLE] = {tf_example.INPUT: self.examples}
        if self.of_user is not None:
            found[USER_ONCE] = self.of_user
        return found

    def requests(self) -> dict[str, Arrays]:
        """Returns the inputs of each signature as arrays `[rows, ...]`, texts as bytes."""
        found = {name: arrays(columns) for name, columns in self.columns().items()}
        return {**found, ENCODED: dict(self.packed)} if self.packed else found


def arrays(columns: Columns) -> Arrays:
    """Returns columns as arrays, texts as bytes."""
    return {name: _as_bytes(array) for name, array in arrays_of(pa.table(dict(columns))).items()}


def _as_bytes(array: np.ndarray) -> np.ndarray:
    if array.dtype != object:
        return array
    texts = [text.encode() if isinstance(text, str) else text for text in array.ravel()]
    result = np.empty(len(texts), object)
    result[:] = texts
    return result.reshape(array.shape)


class Way(Protocol):
    """A way on which clients call an export."""

    name: str
    """As in `--with`."""

    def absent(self) -> str | None:
        """Returns why it cannot be used here and how to get it; None if it can be."""

    def scores(self, export: Path, rows: Rows) -> Scores:
        """Returns the scores of all rows, by signature and by output.

        Outputs that are texts may be left out.

        Raises:
            Unsayable: it has no words for the inputs.
            UserError: something went wrong; the text says what.
        """
