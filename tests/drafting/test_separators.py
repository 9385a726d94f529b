"""Texts that hold several values, and those that only look so."""

import pyarrow as pa
import pytest

from easymtl.drafting.separators import has_comma, has_sign, is_printed_list, split_texts, text_separator


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


@pytest.mark.parametrize(
    ("texts", "is_comma"),
    [
        (["3,7", "-1,25", None, "4"], True),
        (["1,234"], True),
        (["3.7", "4"], False),
        (["3", "4"], False),
        (["3,7", "1,2,3"], False),
        (["3,7", "a,b"], False),
        ([None], False),
    ],
)
def test_numbers_with_a_comma(texts, is_comma):
    values = pa.array(texts, pa.string())
    assert has_comma(values) == is_comma
    assert has_comma(split_texts(values, ",")) == is_comma
    assert not has_comma(pa.array([1.5]))


@pytest.mark.parametrize(
    ("texts", "separator"),
    [
        (["a|b", "b|c", "a|c"], "|"),
        ([f"{one},{other}" for one in "xyz" for other in "xyz"], ","),
        # Words repeat less than tags do, and blanks stand beside their commas.
        (["a,b", "c,d", "a,e"], None),
        ([f"{one}, {other}" for one in "xyz" for other in "xyz"], None),
        # Weights do not make tags differ.
        (["x:0.1|y:0.2", "y:0.3|x:0.4"] * 2, "|"),
        (["a,b", "a,c", "b,c", "a,d"], None),
        (["a|b", "a|c", "b|c", "a|d"], "|"),
        (["a|b", *["c"] * 30], None),
        (["a|b"], None),
    ],
)
def test_what_separates_the_values_of_texts(texts, separator):
    assert text_separator(pa.array(texts)) == separator


@pytest.mark.parametrize(
    ("texts", "is_signed"),
    [
        (["12.34€", "7€", None], True),
        (["$1,200.50", "-3"], True),
        (["7 %", "12,5%"], True),
        (["12 EUR", "USD 3"], True),
        (["21°C"], True),
        (["12.34", "7"], False),
        (["12.34€", "for free"], False),
        (["ABC123", "12XL"], False),
        ([None], False),
    ],
)
def test_numbers_with_a_sign(texts, is_signed):
    assert has_sign(pa.array(texts, pa.string())) == is_signed
    assert not has_sign(pa.array([1.5]))
