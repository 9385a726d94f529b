"""Texts that hold several values, and those that only look so."""

import pyarrow as pa
import pytest

from easymtl.drafting.separators import is_printed_list


@pytest.mark.parametrize(
    ("texts", "is_printed"),
    [
        (["['a', 'b']", None, "[]"], True),
        (["[1\n 2]"], True),
        (["['a']", "a"], False),
        (["a|b"], False),
        ([None], False),
    ],
)
def test_lists_as_python_prints_them(texts, is_printed):
    assert is_printed_list(pa.array(texts, pa.string())) == is_printed


def test_numbers_and_lists_are_no_texts():
    assert not is_printed_list(pa.array([1, 2]))
    assert not is_printed_list(pa.array([["a"], ["b"]]))
