"""The rows of variables that differ between two SavedModels, told bit by bit whatever their type, and put back."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from easymtl.errors import UserError, quoted
from easymtl.serving.tensor_bundle import Stored

ROWS = "rows"

_BLOCK_BYTES = 16 << 20
_WIDTH = re.compile(r"variables_by_width/(\d+)/")
_ENDING = "/.ATTRIBUTES/VARIABLE_VALUE"


def not_as_it_was(name: str) -> str:
    """Returns what is said of a variable that is not as expected."""
    is_are, that_those = ("are", "those") if _WIDTH.search(name) else ("is", "that")
    return f"{shown(name)} {is_are} not {that_those} which the delta was made from"


def shown(name: str) -> str:
    """Returns what a person calls a variable: `the tables of width 8`."""
    width = _WIDTH.search(name)
    return f"the tables of width {width[1]}" if width else f'the variable "{name.removesuffix(_ENDING).strip("_")}"'


def checksums(variables: Mapping[str, Stored]) -> dict[str, int]:
    """Returns the checksum of each variable by name; what TensorFlow keeps as text has no rows."""
    return {name: one.checksum for name, one in variables.items() if one.dtype != "string"}


def require_same_form(new: Mapping[str, Stored], base: Mapping[str, Stored]) -> None:
    """Sees that rows of one stand for rows of the other.

    Raises:
        UserError: names, types or shapes differ; the message names the first.
    """
    if new.keys() != base.keys():
        names = [shown(name) for name in sorted(new.keys() ^ base.keys())]
        raise UserError(f"{quoted(names, limit=3)} {'is' if len(names) == 1 else 'are'} in one of the two alone")
    for name, one in new.items():
        there = base[name]
        if one.dtype == "string":
            continue
        if one.dtype != there.dtype:
            raise UserError(f"{shown(name)} are {one.dtype} in the new version and {there.dtype} in the base")
        if one.shape != there.shape:
            raise UserError(f"{shown(name)} are {_sizes(one)} in the new version and {_sizes(there)} in the base")


def write_changes(new: Mapping[str, Stored], base: Mapping[str, Stored], folder: Path) -> dict[str, dict[str, Any]]:
    """Writes the rows that differ, a bounded number of bytes at a time, and returns what stands where.

    Variable number `k` has `rows/k.rows`, the bytes of its rows behind each other, and `rows/k.ids`, their numbers,
    little-endian. Where the two would take more than all rows of the variable do, all rows are written, and no numbers.

    Args:
        new: the variables of the new version.
        base: those of the base, of the same form.
        folder: where to write.

    Returns:
        For each variable its `number`, how many `rows` there are, how many have `changed`, and the type of `ids`, the
        numbers of these: None where all rows are written, or none.
    """
    (folder / ROWS).mkdir()
    return {
        name: {"number": number, **_write_one(one, base[name], folder / ROWS / str(number))}
        for number, (name, one) in enumerate(new.items())
    }


def is_written_whole(entry: Mapping[str, Any]) -> bool:
    """Returns whether a delta has all rows of a variable."""
    return bool(entry["changed"]) and entry["ids"] is None


def put_back(target: Stored, base: Stored | None, changes: Iterable[tuple[Mapping[str, Any], Path]]) -> None:
    """Writes the rows of a variable: those of its base, and what deltas have of it, one after the other.

    Args:
        target: where to; the file is there, as long as it will be.
        base: None if the first of the changes has all rows.
        changes: what `write_changes` returned, and the path without its ending.
    """
    if not target.size:
        return
    rows = target.rows("r+")
    for begin, block in _blocks(base.rows()) if base else ():
        rows[begin : begin + len(block)] = block
    for entry, path in changes:
        _apply(entry, path, rows)


def _apply(entry: Mapping[str, Any], path: Path, rows: np.ndarray) -> None:
    if not entry["changed"]:
        return
    values = np.memmap(path.with_suffix(".rows"), np.uint8, "r").reshape(-1, rows.shape[1])
    kind = entry["ids"]
    ids = None if kind is None else np.fromfile(path.with_suffix(".ids"), np.dtype(kind).newbyteorder("<"))
    if len(values) != (len(rows) if ids is None else len(ids)):
        raise ValueError(f"{path.with_suffix('.rows')} has {len(values)} rows")
    for begin, block in _blocks(values):
        part = slice(begin, begin + len(block))
        rows[part if ids is None else ids[part]] = block


def _write_one(new: Stored, base: Stored, path: Path) -> dict[str, Any]:
    ids, rows = _changed(new, base), new.rows()
    kind = np.dtype("uint32" if new.num_rows <= 1 << 32 else "int64")
    entry = {"rows": new.num_rows, "changed": new.num_rows if ids is None else len(ids), "ids": None}
    if not entry["changed"]:
        return entry
    with path.with_suffix(".rows").open("wb") as file:
        if ids is None or len(ids) * (kind.itemsize + rows.shape[1]) >= new.size:
            for _, block in _blocks(rows):
                file.write(block.tobytes())
            return entry
        for _, part in _blocks(ids, rows.shape[1]):
            file.write(rows[part].tobytes())
    ids.astype(kind.newbyteorder("<")).tofile(path.with_suffix(".ids"))
    return {**entry, "ids": kind.name}


def _changed(new: Stored, base: Stored) -> np.ndarray | None:
    """Returns the numbers of the rows that differ, in order; None if the two have not as many rows of equal size."""
    if (new.num_rows, new.size) != (base.num_rows, base.size):
        return None
    old = base.rows()
    parts = [
        begin + np.flatnonzero((block != old[begin : begin + len(block)]).any(axis=1))
        for begin, block in _blocks(new.rows())
    ]
    return np.concatenate([np.zeros(0, np.int64), *parts])


def _blocks(rows: np.ndarray, row_bytes: int = 0) -> Iterator[tuple[int, np.ndarray]]:
    """Yields runs of rows, or of what stands for rows of so many bytes, with the number of the first."""
    step = max(_BLOCK_BYTES // max(row_bytes or rows.shape[1], 1), 1)
    for begin in range(0, len(rows), step):
        yield begin, rows[begin : begin + step]


def _sizes(stored: Stored) -> str:
    return f"[{', '.join(map(str, stored.shape))}]"
