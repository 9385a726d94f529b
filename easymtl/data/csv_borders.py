"""Where records of a CSV file end, quoted line ends included.

The rules are those of RFC 4180 as Arrow reads them, with any quote: it opens a field only at the start of one,
a doubled quote inside stands for one quote, and what follows the closing quote belongs to the field.
"""

import numpy as np

from easymtl.data.csv_dialect import Dialect

_LF, _CR = 0x0A, 0x0D


def last_border(data: bytes, dialect: Dialect) -> int:
    """Returns the byte after the last complete record of `data`, 0 if there is none.

    `data` starts at a record; more may follow it.
    """
    if not dialect.is_quoted(data):
        return data.rfind(b"\n") + 1 or _after_last_cr(data)
    ends = _record_ends(data, dialect)
    return int(ends[-1]) if len(ends) else 0


def first_border(data: bytes, dialect: Dialect) -> int:
    """Returns the byte after the first complete record of `data`, 0 if it does not end in `data`."""
    ends = _record_ends(data, dialect)
    return int(ends[0]) if len(ends) else 0


def open_quote(data: bytes, dialect: Dialect) -> int:
    """Returns the byte of a quote that is opened and not closed in `data`, or -1."""
    if not dialect.is_quoted(data):
        return -1
    quotes = _quotes(data, dialect)
    return int(quotes[-1]) if len(quotes) % 2 else -1


def _after_last_cr(data: bytes) -> int:
    # A carriage return at the very end may be the first half of a line end.
    return data.rfind(b"\r", 0, max(len(data) - 1, 0)) + 1


def quoted_line_ends(data: bytes, dialect: Dialect) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the quoted fields that hold line ends.

    Args:
        data: whole records.
        dialect: how they are written.

    Returns:
        The bytes of their opening quotes and of their closing ones, `[k]` each, and the bytes after each line end of
        `data`, quoted or not.
    """
    quotes, ends = _quotes(data, dialect), _line_ends(data)
    if len(quotes) < 2:
        return quotes[:0], quotes[:0], ends
    opening, closing = quotes[: len(quotes) // 2 * 2 : 2], quotes[1::2]
    # A doubled quote closes nothing.
    is_doubled = opening[1:] == closing[:-1] + 1
    opening, closing = opening[np.append(True, ~is_doubled)], closing[np.append(~is_doubled, True)]
    holds_some = np.searchsorted(ends, opening, "right") < np.searchsorted(ends, closing, "right")
    return opening[holds_some], closing[holds_some], ends


def _record_ends(data: bytes, dialect: Dialect) -> np.ndarray:
    """Returns the bytes after each line end that is outside quotes."""
    ends = _line_ends(data)
    if not dialect.is_quoted(data):
        return ends
    return ends[np.searchsorted(_quotes(data, dialect), ends) % 2 == 0]


def _line_ends(data: bytes) -> np.ndarray:
    """Returns the bytes after each line end."""
    array = np.frombuffer(data, np.uint8)
    is_end = array == _LF
    if b"\r" in data:
        # A carriage return at the very end may be the first half of a line end.
        is_end[:-1] |= (array[:-1] == _CR) & (array[1:] != _LF)
    return np.flatnonzero(is_end) + 1


def _quotes(data: bytes, dialect: Dialect) -> np.ndarray:
    """Returns the bytes of the quotes that open and close, alternating."""
    array = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(array == ord(dialect.quote))
    opening = quotes[::2]
    if not len(opening):
        return quotes
    # When each second quote is at the start of a field, or is the second of a doubled quote, the quotes alternate.
    before = array[opening - 1]
    at_start = (before == ord(dialect.separator)) | (before == _LF) | (before == _CR) | (opening == 0)
    at_start[1:] |= opening[1:] - 1 == quotes[1::2][: len(opening) - 1]
    return quotes if at_start.all() else _quotes_one_by_one(data, dialect)


def _quotes_one_by_one(data: bytes, dialect: Dialect) -> np.ndarray:
    """As `_quotes`, for data that also has quotes which stand for themselves."""
    before_field = {ord(dialect.separator), _LF, _CR}
    quote = dialect.quote.encode()
    quotes: list[int] = []
    place = data.find(quote)
    while place >= 0:
        if place == 0 or data[place - 1] in before_field:
            quotes.append(place)
            place = data.find(quote, place + 1)
            while place >= 0 and data[place + 1 : place + 2] == quote:
                place = data.find(quote, place + 2)
            if place < 0:
                break
            quotes.append(place)
        place = data.find(quote, place + 1)
    return np.asarray(quotes, np.int64)
