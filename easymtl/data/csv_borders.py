"""Where records of a CSV file end, quoted line ends included.

The rules are those of RFC 4180 as Arrow reads them: a quote opens a quoted field only at the start of a field,
a doubled quote inside stands for one quote, and what follows the closing quote belongs to the field.
"""

import numpy as np

_QUOTE, _LF, _CR = 0x22, 0x0A, 0x0D


def last_border(data: bytes, separator: bytes) -> int:
    """Returns the byte after the last complete record of `data`, 0 if there is none.

    `data` starts at a record; more may follow it.
    """
    if b'"' not in data:
        return data.rfind(b"\n") + 1 or _after_last_cr(data)
    ends = _record_ends(data, separator)
    return int(ends[-1]) if len(ends) else 0


def first_border(data: bytes, separator: bytes) -> int:
    """Returns the byte after the first complete record of `data`, 0 if it does not end in `data`."""
    ends = _record_ends(data, separator)
    return int(ends[0]) if len(ends) else 0


def open_quote(data: bytes, separator: bytes) -> int:
    """Returns the byte of a quote that is opened and not closed in `data`, or -1."""
    quotes = _quotes(data, separator)
    return int(quotes[-1]) if len(quotes) % 2 else -1


def _after_last_cr(data: bytes) -> int:
    # A carriage return at the very end may be the first half of a line end.
    return data.rfind(b"\r", 0, max(len(data) - 1, 0)) + 1


def _record_ends(data: bytes, separator: bytes) -> np.ndarray:
    """Returns the bytes after each line end that is outside quotes."""
    array = np.frombuffer(data, np.uint8)
    is_end = array == _LF
    if b"\r" in data:
        # A carriage return at the very end may be the first half of a line end.
        is_end[:-1] |= (array[:-1] == _CR) & (array[1:] != _LF)
    line_ends = np.flatnonzero(is_end)
    quotes = _quotes(data, separator)
    return line_ends[np.searchsorted(quotes, line_ends) % 2 == 0] + 1


def _quotes(data: bytes, separator: bytes) -> np.ndarray:
    """Returns the bytes of the quotes that open and close, alternating."""
    array = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(array == _QUOTE)
    opening = quotes[::2]
    if not len(opening):
        return quotes
    # When each second quote is at the start of a field, or is the second of a doubled quote, the quotes alternate.
    before = array[opening - 1]
    at_start = (before == separator[0]) | (before == _LF) | (before == _CR) | (opening == 0)
    at_start[1:] |= opening[1:] - 1 == quotes[1::2][: len(opening) - 1]
    return quotes if at_start.all() else _quotes_one_by_one(data, separator)


def _quotes_one_by_one(data: bytes, separator: bytes) -> np.ndarray:
    """As `_quotes`, for data that also has quotes which stand for themselves."""
    before_field = {separator[0], _LF, _CR}
    quotes: list[int] = []
    place = data.find(b'"')
    while place >= 0:
        if place == 0 or data[place - 1] in before_field:
            quotes.append(place)
            place = data.find(b'"', place + 1)
            while place >= 0 and data[place + 1 : place + 2] == b'"':
                place = data.find(b'"', place + 2)
            if place < 0:
                break
            quotes.append(place)
        place = data.find(b'"', place + 1)
    return np.asarray(quotes, np.int64)
