import csv
import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from easymtl.data import csv_borders
from easymtl.data.csv_borders import first_border, last_border, open_quote
from easymtl.data.csv_dialect import Dialect

COMMA = Dialect()


def records_by_hand(data, separator=b","):
    """Returns the byte after each complete record, by a plain state machine over the bytes."""
    ends, quoted, at_start, place = [], False, True, 0
    while place < len(data):
        byte, following = data[place : place + 1], data[place + 1 : place + 2]
        if quoted and byte == b'"' and following == b'"':
            place += 1
        elif byte == b'"' and (quoted or at_start):
            quoted = not quoted
        is_end = byte == b"\n" or (byte == b"\r" and following not in (b"\n", b""))
        if is_end and not quoted:
            ends.append(place + 1)
        at_start = not quoted and byte in (separator, b"\n", b"\r")
        place += 1
    return ends, quoted


texts = st.text(alphabet='a"",\n\r', max_size=40).map(str.encode)


@given(texts)
def test_borders_equal_those_of_a_state_machine(data):
    ends, quoted = records_by_hand(data)
    assert first_border(data, COMMA) == (ends[0] if ends else 0)
    assert last_border(data, COMMA) in (*ends, 0)
    if b'"' in data:
        assert last_border(data, COMMA) == (ends[-1] if ends else 0)
    assert (open_quote(data, COMMA) >= 0) == quoted


@given(st.lists(st.lists(st.text(alphabet='a",\n', max_size=5), min_size=1, max_size=3), min_size=1, max_size=6))
def test_well_formed_quotes_need_no_slow_scan(rows):
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    data = text.getvalue().encode()
    quotes = np.flatnonzero(np.frombuffer(data, np.uint8) == ord('"'))
    np.testing.assert_array_equal(csv_borders._quotes(data, COMMA), quotes)
    assert last_border(data, COMMA) == len(data)


def test_a_border_is_behind_the_last_whole_record():
    assert last_border(b"a,b\nc,d\ne", COMMA) == 8
    assert last_border(b'a,"b\nc,d\ne', COMMA) == 0
    assert last_border(b'a,b\n"c\n', COMMA) == 4
    assert last_border(b"a\rb\rc", COMMA) == 4
    assert last_border(b"a\r", COMMA) == 0
