"""Rows that quoted fields seem to hold, and texts of several lines that hold none."""

import pyarrow as pa
import pytest

from easymtl.data.csv_dialect import Dialect
from easymtl.data.csv_swallowed import find_swallowed_rows

COMMA = Dialect()


def swallowed(text, types=("INT32", "STRING", "FLOAT"), dialect=COMMA):
    kinds = {"INT32": pa.int32(), "STRING": pa.string(), "FLOAT": pa.float32()}
    found = find_swallowed_rows(text.encode(), dialect, len(types), {i: kinds[t] for i, t in enumerate(types)})
    return [tuple(lines) for lines in found]


@pytest.mark.parametrize(
    "text, expected",
    [
        ('1,"a,1\n2,"b,2\n3,c,3\n', [(0, 1)]),
        ('1,"a,1\n2,"",2\n3,"b,2\n', [(0, 2)]),
        ('1,"a,1\n2,b,2\n3,"b,2\n4,"c,3\n5,c,3\n6,"d,4\n', [(0, 2), (3, 5)]),
        ('1,"a,1\n2,b,2\n\n3,x\n4,b,2\n5,b,2\n6,b,2\n7,b,2\n8,b,2\n8,b,2\n8,b,2\n3,"b,2\n', [(0, 11)]),
        ('"1","a,1\n2,b,2\n3,"b,"2"\n', [(0, 2)]),
        ("1,'a,1\n2,\"b,2\n3,c,3\n", []),
    ],
)
def test_what_looks_like_rows(text, expected):
    assert swallowed(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        '1,"a\nb",2\n3,c,4\n',
        '1,"a\n\n\nb",2\n',
        '1,"Dear X,\nhello, friend, of mine\nbye",2\n',
        '1,"Road 1, Town\nPlace, Land",2\n',
        '1,"say ""hi""\n, and, so on",2\n',
        '1,a,2\n2,"",3\n',
    ],
)
def test_texts_of_several_lines_do_not(text):
    assert swallowed(text) == []


def test_rows_behind_another_quote_are_told_of_it():
    assert swallowed("1,'a,1\n2,b,1\n2,'b,2\n3,c,3\n", dialect=Dialect(",", "'")) == [(0, 2)]
    assert swallowed('1,"a,1\n2,b,1\n2,"b,2\n3,c,3\n', dialect=Dialect(",", "'")) == []


def test_of_one_column_nothing_is_told():
    assert swallowed('"a\nb\nc"\n', ["STRING"]) == []
