"""Asking every signature of an export, in requests as large as a client's."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from easymtl.errors import UserError
from easymtl.server.signature import Signature, signatures_of
from easymtl.serving.form_of_export import describe, described_inputs
from easymtl.serving.partitions import read_meta_graph
from easymtl.serving.reload import Arrays, in_parts, of_one_user
from easymtl.serving.signatures import USER_ONCE
from easymtl.ways.way import Rows, Scores

ROWS_OF_A_REQUEST = 256

Ask = Callable[[Signature, Arrays], Arrays]


@lru_cache(maxsize=2)
def signatures_in(export: Path) -> Mapping[str, Signature]:
    """Returns the signatures of an export by name, read from its files."""
    return signatures_of(read_meta_graph(export).signature_def, describe(export), described_inputs(export))


def ask_all(export: Path, rows: Rows, ask: Ask, most: int = ROWS_OF_A_REQUEST) -> Scores:
    """Returns the scores of all rows.

    Args:
        export: names the signatures.
        rows: what is sent.
        ask: returns the outputs of a signature for inputs.
        most: rows of a request; 0 for all.

    Raises:
        UserError: an answer has not as many rows as were sent.
    """
    known = signatures_in(export)
    return {name: ask_one(known[name], inputs, ask, most) for name, inputs in rows.requests().items()}


def ask_one(signature: Signature, inputs: Arrays, ask: Ask, most: int) -> Arrays:
    """Returns the outputs of a signature for all rows."""
    shapes = {name: list(tensor.shape or ()) for name, tensor in signature.inputs.items()}

    def answer(part: Arrays) -> Arrays:
        given = ask(signature, part)
        # What the user's inputs hold is 1 row.
        sent = max((len(values) for values in part.values()), default=0)
        sent = 0 if any(not len(values) for values in part.values()) else sent
        for name, values in given.items():
            if len(values) != sent:
                raise UserError(f"{signature.name}: {sent} rows were sent, and {name} has {len(values)}.")
        return given

    in_requests = of_one_user if signature.name == USER_ONCE else in_parts
    return in_requests(answer, shapes, inputs, most)


def joined_packed(parts: list[Arrays]) -> Arrays:
    """Returns packed tensors of several requests in one, padded to the widest as `encode` pads them."""
    return {name: np.concatenate(_of_one_width([part[name] for part in parts])) for name in parts[0]}


def _of_one_width(arrays: list[np.ndarray]) -> list[np.ndarray]:
    widest = np.max([array.shape[1:] for array in arrays], axis=0, initial=0).astype(int)
    result = []
    for array in arrays:
        # -1 is no row of a table; weights and numbers there count nothing.
        padding = -1 if array.dtype.kind == "i" else b"" if array.dtype == object else 0
        added = [(0, 0), *((0, int(width - size)) for width, size in zip(widest, array.shape[1:]))]
        result.append(np.pad(array, added, constant_values=padding) if array.ndim > 1 else array)
    return result
