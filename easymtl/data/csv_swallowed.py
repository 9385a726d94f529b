"""Rows that a quoted field seems to hold: what an unquoted log looks like in which two texts begin with a quote.

A quoted field may hold line ends, so nothing is wrong with such a record. But where each line of it would be a row of
its own, it is more likely that the quotes were text.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from easymtl.data.blocks import Block
from easymtl.data.csv_borders import quoted_line_ends
from easymtl.data.csv_dialect import Dialect
from easymtl.data.csv_rows import HOW_TO_READ_QUOTES_AS_TEXT, Layout
from easymtl.data.paths import DataFile

_MOST_LOOKED_AT = 20
_ENOUGH_OF_WIDTH = 0.8
_ENOUGH_OF_TYPE = 0.5
_BOOLEANS = ("true", "false", "1", "0")


class SwallowedRows(NamedTuple):
    """A quoted field with line ends between which there seem to be rows.

    Attributes:
        first: the line in which it opens, counted from 0 within its text.
        last: the line in which it closes.
    """

    first: int
    last: int


class Swallowed:
    """The rows that quoted fields seem to hold in the texts of some files; several threads may look."""

    def __init__(self) -> None:
        """Has found none yet."""
        # Where a piece of text starts -> rows that quoted fields in it seem to hold; it may be read again and again.
        self._num_rows: dict[tuple[DataFile, int], int] = {}
        self._first = ""

    def look(self, data: bytes, file: DataFile, place: int, first_line: Callable[[], int], layout: Layout) -> None:
        """Looks at a piece of text.

        Args:
            data: whole records.
            file: that they are of.
            place: tells them from the other pieces of the file: of a block the byte at which it starts.
            first_line: returns the physical line at which they start.
            layout: how they are written.
        """
        types = {position: field.type for position, field in zip(layout.positions, layout.fields)}
        found = list(find_swallowed_rows(data, layout.dialect, layout.num_columns, types))
        if not found:
            return
        if not self._first:
            first, last = (first_line() + line for line in found[0])
            self._first = (
                f"{file.name}:{first}: a quoted field starts here and ends on line {last}, and each of these "
                f"{last - first + 1:,} lines would be a row by itself."
            )
        self._num_rows[file, place] = sum(rows.last - rows.first for rows in found)

    def warnings(self) -> list[str]:
        """Returns a sentence on what was found, if anything was."""
        num_rows = sum(list(self._num_rows.values()))
        if not num_rows:
            return []
        return [
            f"{self._first} In all, {num_rows:,} rows seem to be lost like this. {HOW_TO_READ_QUOTES_AS_TEXT} "
            "Where the line ends are part of a text, nothing is wrong."
        ]

    def is_in(self, block: Block) -> bool:
        """Returns whether something was found in a block."""
        places = [place for file, place in list(self._num_rows) if file == block.file]
        return bool(places) if block.is_stream else block.start in places


def find_swallowed_rows(
    data: bytes, dialect: Dialect, num_columns: int, types: Mapping[int, pa.DataType]
) -> Iterator[SwallowedRows]:
    """Yields the quoted fields whose lines would be rows by themselves.

    Args:
        data: whole records.
        dialect: how they are written.
        num_columns: the columns of a row; of a single one nothing can be told.
        types: the declared type of columns, by their place.
    """
    if num_columns == 1 or not dialect.is_quoted(data):
        return
    opening, closing, ends = quoted_line_ends(data, dialect)
    if not len(opening):
        return
    starts = np.concatenate([[0], ends, [len(data)]])
    separators = np.flatnonzero(np.frombuffer(data, np.uint8) == ord(dialect.separator))
    is_wide = np.diff(np.searchsorted(separators, starts)) + 1 == num_columns
    num_wide = np.concatenate([[0], np.cumsum(is_wide)])
    firsts, lasts = np.searchsorted(ends, opening, "right"), np.searchsorted(ends, closing, "right")
    num_between = lasts - firsts - 1
    num_wide_between = num_wide[lasts] - num_wide[firsts + 1]
    are_wide = is_wide[firsts] & is_wide[lasts]
    are_rows = (num_wide_between >= _ENOUGH_OF_WIDTH * num_between) & (are_wide | (num_wide_between > 0))
    for place in np.flatnonzero(are_rows):
        first, last = int(firsts[place]), int(lasts[place])
        lines = _Lines(data, starts, dialect, num_columns)
        if not are_wide[place]:
            # Other fields of the first and the last line may be quoted with good reason.
            opens, closes = int(opening[place]) - starts[first], int(closing[place]) - starts[last]
            if not (lines.is_wide_behind(first, int(opens)) and lines.is_wide_before(last, int(closes))):
                continue
        if lines.share_of_type(first + 1, last, types) >= _ENOUGH_OF_TYPE:
            yield SwallowedRows(first, last)


class _Lines:
    """The physical lines of some records, read as if there were no open quote around them."""

    def __init__(self, data: bytes, starts: np.ndarray, dialect: Dialect, num_columns: int):
        self._data = data
        self._starts = starts
        self._dialect = dialect
        self._num_columns = num_columns

    def is_wide_behind(self, line: int, quote: int) -> bool:
        """Returns whether a line is a row when what precedes a quote is read with quotes, and the rest without."""
        text = self._text(line)
        return self._width(text[:quote]) + text[quote:].count(self._dialect.separator) == self._num_columns

    def is_wide_before(self, line: int, quote: int) -> bool:
        """Returns whether a line is a row when what follows a quote is read with quotes, and the rest without."""
        text = self._text(line)
        return text[:quote].count(self._dialect.separator) + self._width(text[quote + 1 :]) == self._num_columns

    def share_of_type(self, first: int, last: int, types: Mapping[int, pa.DataType]) -> float:
        """Returns how many of the lines `first` to `last` have numbers where numbers are declared."""
        places = np.unique(np.linspace(first, last, _MOST_LOOKED_AT).astype(np.int64))
        rows = [self._text(int(place)).split(self._dialect.separator) for place in places]
        return sum(all(self._is_of(row, place, kind) for place, kind in types.items()) for row in rows) / len(rows)

    def _is_of(self, row: list[str], place: int, kind: pa.DataType) -> bool:
        if place >= len(row):
            return False
        text = row[place].strip(self._dialect.quote + " \t")
        if not text or pa.types.is_string(kind):
            return True
        if pa.types.is_boolean(kind):
            return text.lower() in _BOOLEANS
        try:
            float(text)
        except ValueError:
            return False
        return True

    def _text(self, line: int) -> str:
        # Latin-1 has one character for each byte, and all that is looked at is ASCII.
        return self._data[self._starts[line] : self._starts[line + 1]].decode("latin-1").rstrip("\r\n")

    def _width(self, text: str) -> int:
        return len(next(self._dialect.reader(iter([text])), [""]))
