"""A number computed from other fields, against NumPy in float64."""

import math

import numpy as np
import pytest

from easymtl.data.bad_values import BadValues
from easymtl.errors import UserError
from easymtl.features.feature_set import FeatureSet
from tests.features.feature_cases import Case, make_pipeline

FIELDS = {"a": "INT32", "b": "FLOAT", "t": "STRING"}
COLUMNS = {"a": [1, 5, None, 7, -2], "b": [2.5, 5.0, 1.0, None, -2.0], "t": ["3", "5", "", "1e3", "-2"]}
A, B, T = np.array([1, 5, 0, 7, -2.0]), np.array([2.5, 5, 1, 0, -2]), np.array([3, 5, 0, 1000, -2.0])


def expr(text: str, options: str = "", inputs: str = '"a", "b", "t"') -> str:
    return f'feature_name: "e" input_names: [{inputs}] feature_type: ExprFeature expression: "{text}" {options}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a>=5", A >= 5),
        ("a == b", A == B),
        ("a != b", A != B),
        ("a<(b+5)", A < B + 5),
        ("(a>=b) & (t<=(b+5))", (A >= B) & (T <= B + 5)),
        ("a<b | t>20", (A < B) | (T > 20)),
        ("a >= 1 & b < 3 | t > 4", ((A >= 1) & (B < 3)) | (T > 4)),
        ("(t>3) & ((a>b) | (b>1))", (T > 3) & ((A > B) | (B > 1))),
        ("a*2+b", A * 2 + B),
        ("a + b * t - 1 / 4", A + B * T - 0.25),
        ("(a+b)*2 > t", (A + B) * 2 > T),
        ("(a+b)/2", (A + B) / 2),
        ("-a * -(b - t)", -A * -(B - T)),
        ("(a & b) + 1", ((A != 0) & (B != 0)) + 1.0),
    ],
)
def test_usual_precedence_in_float64(text, expected):
    np.testing.assert_allclose(Case(FIELDS, expr(text), COLUMNS).dense("e"), expected[:, None].astype(np.float32))


def test_large_numbers_lose_no_digits_before_the_result():
    columns = {"x": [1700000000001, 1700000000001], "y": ["1700000000000", "1700000000001"]}
    features = [expr("x - y", inputs='"x", "y"'), expr("x == y", inputs='"x", "y"').replace('"e"', '"same"')]
    case = Case({"x": "INT64", "y": "STRING"}, features, columns)
    assert (case.dense("e"), case.dense("same")) == ([[1.0], [0.0]], [[0.0], [1.0]])


def test_an_empty_input_is_zero_and_a_result_that_is_no_number_contributes_nothing():
    columns = {"x": [None, math.nan, 4.0, 4.0], "y": ["", "1", "0", "2"]}
    features = [expr("x / y", inputs='"x", "y"'), expr("x < y", inputs='"x", "y"').replace('"e"', '"less"')]
    case = Case({"x": "DOUBLE", "y": "STRING"}, features, columns)
    assert case.dense("e") == [[0.0], [0.0], [0.0], [2.0]]
    assert case.dense("less") == [[0.0], [0.0], [0.0], [0.0]]
    assert case.counts["e"] == {"missing": 3, "not_finite": 3}
    # NaN is unknown, and so is whether it is less.
    assert case.counts["less"] == {"missing": 3, "not_finite": 1}


def test_one_input_is_computed_once_for_each_distinct_value():
    case = Case({"x": "INT32"}, expr("x * 2", inputs='"x"'), {"x": [3, 4, 3, None]})
    assert case.dense("e") == [[6.0], [8.0], [6.0], [0.0]]


def test_what_a_raw_feature_does_with_its_number():
    options = "boundaries: [0, 10] embedding_dim: 4"
    assert Case(FIELDS, expr("a + b", options), COLUMNS).ids("e") == [1, 2, 1, 1, 0]
    options = 'min_val: 0 max_val: 10 normalizer_fn: "abs"'
    np.testing.assert_allclose(Case(FIELDS, expr("a", options), COLUMNS).dense("e"), np.abs(A / 10)[:, None], 1e-6)
    weighted = Case(FIELDS, expr("a + b", "embedding_dim: 4"), COLUMNS)
    assert weighted.bags("e") == [[(0, 3.5)], [(0, 10.0)], [(0, 1.0)], [(0, 7.0)], [(0, -4.0)]]


def test_a_text_that_is_no_number_is_told_with_its_field():
    with pytest.raises(BadValues, match='field "t" of "e" holds "many"'):
        Case(FIELDS, expr("a + t"), COLUMNS | {"t": ["3", "many", "", "1", "2"]})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "needs expression"),
        ("a + bb", '"bb" is not in the values'),
        ("a + ", "column 5: a name, a number or a"),
        ("a < b < t", "chain of comparisons"),
        ("1 + 2", "names none of its input_names"),
        ("__import__", "is not in the values"),
        ("abs(a)", "no function"),
    ],
)
def test_what_is_no_expression(text, says):
    with pytest.raises(UserError, match=says):
        FeatureSet(make_pipeline(FIELDS, [expr(text)]))


def test_functions_of_numbers_under_their_names_in_tensorflow():
    columns = {"x": [0.0, 3.0, 8.0]}
    text = "tf.math.log1p(x) / 10.0 + tf.clip_by_value(x, clip_value_min=1, clip_value_max=4) * tf.math.sqrt(x + 1)"
    case = Case({"x": "DOUBLE"}, expr(text, inputs='"x"'), columns)
    x = np.array(columns["x"])
    expected = np.log1p(x) / 10 + np.clip(x, 1, 4) * np.sqrt(x + 1)
    np.testing.assert_allclose(case.dense("e"), expected[:, None], rtol=1e-6)
