"""A table that is kept in a CSV file, a row for each finished training: what is in it is not trained again."""

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

Value = str | int | float


class KeptRows:
    """Rows in a CSV file, known by the values of some columns.

    Attributes:
        path: the file, made with its first row.
        rows: what it holds; numbers are numbers.
    """

    def __init__(self, path: str | os.PathLike, keys: Sequence[str]):
        """Reads the file, if there is one; a last line that was cut off by the end of its process is dropped."""
        self.path = Path(path)
        self._keys = tuple(keys)
        self.rows: list[dict[str, Value]] = []
        if self.path.exists():
            self._drop_half_line()
            with self.path.open(newline="") as file:
                self.rows = [{name: _value(text) for name, text in row.items()} for row in csv.DictReader(file)]

    def __contains__(self, key: tuple) -> bool:
        """Tells whether there is a row whose key columns have these values."""
        return any(tuple(row[name] for name in self._keys) == key for row in self.rows)

    def append(self, row: Mapping[str, Value]) -> None:
        """Adds a row with the columns of the others."""
        is_first = not self.rows
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("w" if is_first else "a", newline="") as file:
            writer = csv.DictWriter(file, list(row if is_first else self.rows[0]))
            if is_first:
                writer.writeheader()
            writer.writerow(row)
        self.rows.append(dict(row))

    def _drop_half_line(self) -> None:
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            self.path.write_bytes(whole)


def _value(text: str) -> Value:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
