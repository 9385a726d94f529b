"""The proof that a SavedModel scores as its checkpoint does, in a process that knows nothing of easymtl."""

import math
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from easymtl.errors import UserError
from easymtl.serving import tf_example
from easymtl.serving.proof_process import ProofProcess
from easymtl.serving.proof_rows import ProofRows
from easymtl.serving.signatures import ENCODED, SIGNATURE, TF_EXAMPLE, USER_ONCE

Derive = Callable[[Mapping[str, np.ndarray]], Mapping[str, Any]]

TOLERANCE = 1e-5
"""How much a score may differ, next to 1 or the largest score of its output: float32 beside a logit of 7 is that exact.

A probability may differ by 1e-5.
"""


@dataclass(frozen=True)
class Parity:
    """How far a SavedModel is from its checkpoint.

    Attributes:
        num_rows: rows of the data that were compared.
        largest_difference: the largest absolute difference over all predictions.
        num_blanked: rows behind those of the data, in which a value was taken away.
        tolerance: the largest that any output of numbers was held to, see `TOLERANCE`.
    """

    num_rows: int
    largest_difference: float
    num_blanked: int = 0
    tolerance: float = TOLERANCE


def check_parity(
    folder: Path,
    rows: ProofRows,
    expected: Mapping[str, np.ndarray],
    derive: Derive = lambda scores: {},
    tolerances: Mapping[str, float] | None = None,
    formats: Mapping[str, Mapping[str, np.ndarray]] = MappingProxyType({}),
    process: ProofProcess | None = None,
) -> Parity:
    """Compares the scores of a SavedModel with those of its checkpoint, both in the precision of the SavedModel.

    Args:
        folder: the SavedModel.
        rows: some rows; what a client would send of them is scored.
        expected: predictions of the checkpoint on the same rows, by name.
        derive: makes outputs that follow from others, by name. They are held against what follows from the outputs of
            the SavedModel: a formula may make much of a difference that is small enough.
        tolerances: by name, how much an output may differ where that is not `TOLERANCE`.
        formats: what files of other formats make of all rows, by the name of the format: as the signature `encoded`.
        process: as `score_apart` has it.

    Raises:
        UserError: the SavedModel cannot be loaded, a signature lacks a prediction, or scores of one differ by more
            than the tolerance.
    """
    examples, num_users = (rows.examples, rows.num_users) if rows.signatures else (None, 0)
    scores = score_apart(folder, rows.sent, examples, num_users, process=process)
    scores |= {of_signature(one, name): found for one, outputs in formats.items() for name, found in outputs.items()}
    wanted = {**expected, **_of_signatures(rows, expected, formats)}
    if set(scores) != set(wanted):
        raise UserError(f"{folder}: the SavedModel gives {sorted(scores)}, the checkpoint {sorted(wanted)}.")
    derived = _derived((SIGNATURE, *rows.signatures, *formats), scores, expected, derive)
    wanted |= derived
    largest = 0.0
    allowed = {
        of_signature(one, name): value
        for name, value in (tolerances or {}).items()
        for one in (SIGNATURE, *rows.signatures, *formats)
    }
    for name, values in wanted.items():
        difference = difference_of(name, scores[name], wanted)
        if name in derived:
            # A formula may have no value.
            difference = np.where(np.isnan(scores[name]) & np.isnan(values), 0.0, difference)
        tolerance = TOLERANCE if name in derived else allowed.get(name, TOLERANCE)
        if not np.all(difference <= tolerance * size_of(values)):
            file = next((f"the {one} file" for one in formats if name.startswith(f"{one}: ")), "the SavedModel")
            row = int(np.argmax(np.max(difference.reshape(len(values), -1), axis=1)))
            raise UserError(
                f"{folder}: {name} of row {row} is {scores[name][row]} in {file} and {values[row]} with the "
                "checkpoint. It was not published; please report this with the config."
            )
        largest = max(largest, float(difference.max(initial=0.0)))
    numbers = [
        value for name, value in (tolerances or {}).items() if name not in derived and expected[name].dtype.kind == "f"
    ]
    return Parity(rows.num_rows, largest, rows.num_blanked, max([TOLERANCE, *numbers]))


def of_signature(signature: str, name: str) -> str:
    """Returns what an output is called where several signatures have it."""
    return name if signature == SIGNATURE else f"{signature}: {name}"


def _of_signatures(
    rows: ProofRows, expected: Mapping[str, np.ndarray], formats: Iterable[str]
) -> dict[str, np.ndarray]:
    """Returns what the further signatures have to give, and files of other formats, by `of_signature`."""
    end = rows.read.num_rows - rows.num_users
    asked = {
        TF_EXAMPLE: slice(end - len(rows.examples or ()), end),
        USER_ONCE: slice(end, None),
    }
    return {
        of_signature(signature, name): values[asked.get(signature, slice(None))]
        for signature in (*rows.signatures, *formats)
        for name, values in expected.items()
        # Packed tensors hold nothing of what features have read.
        if signature in (TF_EXAMPLE, USER_ONCE) or values.dtype.kind != "O"
    }


def _derived(
    signatures: Iterable[str], scores: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], derive: Derive
) -> dict[str, np.ndarray]:
    """Returns what follows from the outputs of each signature, by `of_signature`."""
    result: dict[str, np.ndarray] = {}
    for signature in signatures:
        names = {name: of_signature(signature, name) for name in expected}
        own = {name: scores[full] for name, full in names.items() if full in scores}
        result |= {names[name]: np.asarray(values) for name, values in derive(own).items()}
    return result


def difference_of(name: str, scores: np.ndarray, expected: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns how far the scores of an output are from those expected."""
    values = expected[name]
    if values.dtype.kind == "O":
        return np.array([float(not _is_same(*texts)) for texts in zip(scores, values, strict=True)])
    probabilities = expected.get(name.replace("y_", "probs_", 1))
    if values.dtype.kind == "i" and probabilities is not None:
        # The likeliest class: another one is as right where both are equally likely.
        rows = np.arange(len(values))
        return probabilities[rows, values] - probabilities[rows, scores]
    wide = scores.astype(np.float64)
    differs = wide != values
    return np.abs(np.subtract(wide, values, where=differs, out=np.zeros_like(wide)))


def _is_same(found: bytes, wanted: bytes) -> bool:
    """Returns whether two texts hold the same values; of numbers, the last digits do not count."""
    left, right = found.split(b","), wanted.split(b",")
    return len(left) == len(right) and all(map(_are_equal, left, right))


def _are_equal(found: bytes, wanted: bytes) -> bool:
    if found == wanted:
        return True
    try:
        return math.isclose(float(found), float(wanted), rel_tol=TOLERANCE)
    except ValueError:
        return False


def size_of(values: np.ndarray) -> float:
    """Returns the largest magnitude of scores, at least 1: what a tolerance is multiplied by."""
    if values.dtype.kind == "O":
        return 1.0
    return float(np.max(np.abs(values[np.isfinite(values)]), initial=1.0))


def score_apart(
    folder: Path,
    columns: Mapping[str, pa.Array],
    examples: pa.Array | None = None,
    num_users: int = 0,
    process: ProofProcess | None = None,
) -> dict[str, np.ndarray]:
    """Returns the scores of a SavedModel, computed in a process that does not import easymtl.

    Args:
        folder: the SavedModel.
        columns: the inputs of `serving_default`.
        examples: the input of `tf_example`; None if it is not to be asked.
        num_users: how many of the last rows are asked of `user_once`.
        process: was begun before, and has loaded nothing yet; None, or one that is gone, for a new one.

    Returns:
        Scores by `of_signature`.

    Raises:
        UserError: that process failed; the message ends with what it said.
    """
    requests = requests_of(columns, examples, num_users)
    return {
        of_signature(signature, name): values
        for signature, scores in ask_apart(folder, requests, process).items()
        for name, values in scores.items()
    }


def requests_of(
    columns: Mapping[str, pa.Array], examples: pa.Array | None = None, num_users: int = 0
) -> dict[str, Mapping[str, pa.Array]]:
    """Returns the inputs of each signature that `score_apart` asks."""
    requests = {SIGNATURE: columns}
    if examples is not None:
        requests |= {ENCODED: columns, TF_EXAMPLE: {tf_example.INPUT: examples}}
    if num_users:
        requests[USER_ONCE] = {name: values.slice(len(values) - num_users) for name, values in columns.items()}
    return requests


def ask_apart(
    folder: Path, requests: Mapping[str, Mapping[str, pa.Array]], process: ProofProcess | None = None
) -> dict[str, dict[str, np.ndarray]]:
    """Returns the outputs of signatures of a SavedModel, computed in a process that does not import easymtl.

    Args:
        folder: the SavedModel.
        requests: the inputs of each signature; see `easymtl.serving.reload`.
        process: as `score_apart` has it.

    Raises:
        UserError: that process failed; the message ends with what it said.
    """
    with tempfile.TemporaryDirectory() as work:
        source, target = (Path(work) / part for part in ("requests", "scores"))
        source.mkdir()
        target.mkdir()
        for signature, columns in requests.items():
            _write(source / signature, columns)
        with process if process and process.is_there else ProofProcess() as chosen:
            if said := chosen.load(folder, source, target):
                raise UserError(f"{folder}: the SavedModel could not be loaded and run:\n{said[-2000:]}")
        return {
            path.name: {key: _of_arrow(column) for key, column in _read(path).items()}
            for path in sorted(target.iterdir())
        }


def _write(path: Path, columns: Mapping[str, pa.Array]) -> None:
    table = pa.table(dict(columns))
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _read(path: Path) -> dict[str, pa.ChunkedArray]:
    with pa.OSFile(str(path), "rb") as file:
        table = pa.ipc.open_file(file).read_all()
    return dict(zip(table.column_names, table.columns))


def _of_arrow(column: pa.ChunkedArray) -> np.ndarray:
    """Returns scores as numbers, and texts as bytes."""
    return np.array(column.to_pylist(), object if pa.types.is_binary(column.type) else None)
