import math

import numpy as np
import pytest
import tensorflow as tf

from easymtl.config.names import NORMALIZERS
from easymtl.data.rows import TOLD, Ragged
from easymtl.errors import UserError
from easymtl.features.feature_set import FeatureSet
from easymtl.features.normalizers import FUNCTIONS
from tests.features.feature_cases import Case, make_pipeline


def raw_feature(options: str = "") -> str:
    return f'input_names: "x" feature_type: RawFeature {options}'


def test_numbers_as_they_are():
    case = Case({"x": "FLOAT"}, raw_feature(), {"x": [1.5, -2.0, None, math.nan, math.inf]})
    assert case.dense("x") == [[1.5], [-2.0], [0.0], [0.0], [0.0]]
    assert case.counts["x"] == {"missing": 2, "not_finite": 2}


@pytest.mark.parametrize("kind", ["INT32", "INT64", "FLOAT", "DOUBLE", "STRING"])
def test_every_type_of_number(kind):
    values = ["3", "0", "", "-7"] if kind == "STRING" else [3, 0, None, -7]
    assert Case({"x": kind}, raw_feature(), {"x": values}).dense("x") == [[3.0], [0.0], [0.0], [-7.0]]


def test_bool_is_one_and_zero():
    assert Case({"x": "BOOL"}, raw_feature(), {"x": [True, False, None]}).dense("x") == [[1.0], [0.0], [0.0]]


def test_an_empty_number_is_zero_before_scaling_and_nothing_is_clipped():
    case = Case({"x": "FLOAT"}, raw_feature("min_val: 1 max_val: 5"), {"x": [1.0, 5.0, 3.0, 9.0, None, math.nan]})
    assert case.dense("x") == [[0.0], [1.0], [0.5], [2.0], [-0.25], [0.0]]


def test_large_integers_are_scaled_before_they_lose_digits():
    feature = raw_feature("min_val: 1700000000000 max_val: 1700000000100")
    assert Case({"x": "INT64"}, feature, {"x": [1700000000001]}).dense("x") == [[pytest.approx(0.01)]]


def test_the_normalizer_comes_after_scaling():
    case = Case({"x": "FLOAT"}, raw_feature('max_val: 10 normalizer_fn: "tf.math.log1p"'), {"x": [10.0, 0.0, 5.0]})
    np.testing.assert_allclose(case.dense("x"), np.log1p([[1.0], [0.0], [0.5]]), rtol=1e-6)


def test_a_double_that_is_too_large_for_float32_is_not_finite():
    case = Case({"x": "DOUBLE"}, raw_feature(""), {"x": [1e300, -1e300, 2.5]})
    assert case.dense("x") == [[0.0], [0.0], [2.5]]
    assert case.counts["x"]["not_finite"] == 2


def test_a_result_that_is_not_finite_contributes_nothing_and_is_counted():
    case = Case({"x": "FLOAT"}, raw_feature('normalizer_fn: "log"'), {"x": [1.0, 0.0, -1.0]})
    assert case.dense("x") == [[0.0], [0.0], [0.0]]
    assert case.counts["x"]["not_finite"] == 2


def test_every_name_that_a_config_may_give_has_a_function():
    assert set(FUNCTIONS) == set(NORMALIZERS)
    for name in NORMALIZERS:
        assert FUNCTIONS[name](tf.constant([0.5])).shape == [1]


def test_boundaries_hold_their_lower_border():
    boundaries = [-1.0, 0.0, 0.5, 1.0]
    values = [-2.0, -1.0, -0.5, 0.0, 0.49, 0.5, 1.0, 7.0]
    case = Case({"x": "DOUBLE"}, raw_feature(f"embedding_dim: 4 boundaries: {boundaries}"), {"x": [*values, math.nan]})
    assert case.ids("x") == [*np.searchsorted(boundaries, values, side="right").tolist(), -1]
    assert case.slot("x").table.rows == 5


@pytest.mark.parametrize("kind", ["FLOAT", "DOUBLE", "STRING"])
def test_a_value_on_a_border_that_binary_fractions_cannot_hold(kind):
    values = ["0.1", "0.3", "0.7"] if kind == "STRING" else [0.1, 0.3, 0.7]
    case = Case({"x": kind}, raw_feature("embedding_dim: 4 boundaries: [0.1, 0.3, 0.7]"), {"x": values})
    assert case.ids("x") == [1, 2, 3]


def test_num_buckets_cuts_the_range_into_equal_steps():
    feature = raw_feature("embedding_dim: 4 min_val: 1 max_val: 5 num_buckets: 4")
    case = Case({"x": "FLOAT"}, feature, {"x": [0.0, 1.0, 1.9, 2.0, 4.9, 5.0, 99.0]})
    assert case.ids("x") == [0, 1, 1, 2, 4, 4, 4]
    assert case.slot("x").table.rows == 5


def test_several_numbers_in_a_text():
    case = Case(
        {"x": "STRING"},
        raw_feature('raw_input_dim: 3 separator: ";"'),
        {"x": ["1;2.5;-3", "4", "", None, "1;;3", "1;2;3;4;5", "nan;2;x"[:5]]},
    )
    assert case.dense("x") == [
        [1.0, 2.5, -3.0],
        [4.0, 0.0, 0.0],
        [0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0],
        [1.0, 0.0, 3.0],
        [1.0, 2.0, 3.0],
        [0.0, 2.0, 0.0],
    ]
    assert case.counts["x"] == {"missing": 2, "surplus": 2, "not_finite": 1}


@pytest.mark.parametrize("combiner", ["sum", "mean", "sqrtn"])
def test_numbers_times_vectors(combiner):
    feature = raw_feature(f'raw_input_dim: 3 embedding_dim: 4 combiner: "{combiner}"')
    case = Case({"x": "STRING"}, feature, {"x": ["2|-1|1", "", "0.5"]})
    table = np.random.default_rng(0).normal(size=(3, 4))
    found = np.array([sum((weight * table[row] for row, weight in bag), np.zeros(4)) for bag in case.bags("x")])
    numbers = np.array([[2, -1, 1], [0, 0, 0], [0.5, 0, 0]])
    if combiner != "sum":
        positive = np.maximum(numbers, 0)
        norm = positive.sum(1) if combiner == "mean" else np.sqrt((positive**2).sum(1))
        numbers = positive / np.where(norm == 0, 1, norm)[:, np.newaxis]
    np.testing.assert_allclose(found, numbers @ table, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "options", "problem"),
    [
        ("FLOAT", "boundaries: [1, 2]", "embedding_dim"),
        ("FLOAT", "embedding_dim: 4 boundaries: [2, 1]", "must ascend"),
        ("FLOAT", 'normalizer_fn: "lo1p"', 'Did you mean "log1p"'),
        ("FLOAT", "raw_input_dim: 3", "STRING field"),
        ("STRING", "raw_input_dim: 3 embedding_dim: 4 boundaries: 1", "take one number"),
    ],
)
def test_a_declaration_that_does_not_hold_is_refused(kind, options, problem):
    with pytest.raises(UserError, match=problem):
        FeatureSet(make_pipeline({"x": kind}, [raw_feature(options)]))


def test_text_that_is_no_number_is_named():
    with pytest.raises(UserError, match='"x" of "x" holds "1,5", which cannot be read as a number'):
        Case({"x": "STRING"}, raw_feature(), {"x": ["1,5"]})


@pytest.mark.parametrize(
    "options",
    [
        "min_val: 1.7e12 max_val: 1.7001e12",
        "boundaries: [0.1, 1.70000005e12, 1e39] embedding_dim: 2",
        "min_val: 1.7e12 max_val: 1.7001e12 num_buckets: 10 embedding_dim: 2",
        "embedding_dim: 2",
        'normalizer_fn: "log1p"',
    ],
)
def test_a_number_in_text_is_what_it_is_as_a_number(options):
    numbers = [1700000050000.0, 1700000000001.0, 0.1, None, math.nan, math.inf, -math.inf, 1e39, -1e39, 3.5e38]
    texts = [None if number is None else f" {number!r} " for number in numbers]
    feature = f'input_names: "x" feature_type: RawFeature {options}'
    as_text, as_number = (
        Case({"x": kind}, feature, {"x": values}) for kind, values in [("STRING", texts), ("DOUBLE", numbers)]
    )
    assert as_text.counts["x"]["not_finite"] == as_number.counts["x"]["not_finite"]
    for name, column in as_number.rows.columns.items():
        found = as_text.rows[name]
        if name.startswith(TOLD):
            continue
        if isinstance(column, Ragged):
            np.testing.assert_array_equal(found.values, column.values)
            np.testing.assert_array_equal(found.weights, column.weights)
        else:
            np.testing.assert_array_equal(found, column)


def test_text_beyond_any_double_is_infinite():
    case = Case({"x": "STRING"}, 'input_names: "x" feature_type: RawFeature', {"x": ["1e400", "-1e400", "2"]})
    assert case.dense("x") == [[0.0], [0.0], [2.0]]
    assert case.counts["x"]["not_finite"] == 2


@pytest.mark.parametrize(
    ("combiner", "expected"),
    [("max", [5, 7, 0, -1]), ("min", [-2, 7, 0, -3]), ("sum", [4, 7, 0, -4]), ("mean", [4 / 3, 7, 0, -2])],
)
def test_a_number_made_of_the_parts_of_a_text(combiner, expected):
    feature = raw_feature(f'seq_multi_sep: ";" combiner: "{combiner}"')
    case = Case({"x": "STRING"}, feature, {"x": ["1;5;-2", ";7;", "", "-1;-3"]})
    np.testing.assert_allclose(case.dense("x"), np.array(expected)[:, None], rtol=1e-6)
    assert case.counts["x"] == {"missing": 1, "not_finite": 0}


def test_parts_are_combined_before_they_are_scaled():
    feature = raw_feature('seq_multi_sep: ";" combiner: "sum" min_val: 2 max_val: 4')
    assert Case({"x": "STRING"}, feature, {"x": ["1;5", "2"]}).dense("x") == [[2.0], [0.0]]


def test_what_parts_make_is_one_factor_of_a_vector():
    feature = raw_feature('seq_multi_sep: ";" combiner: "mean" embedding_dim: 4')
    assert Case({"x": "STRING"}, feature, {"x": ["1;5", "-2"]}).bags("x") == [[(0, 3.0)], [(0, -2.0)]]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ('seq_multi_sep: ";" combiner: "sqrtn"', '"sqrtn" makes no number of several'),
        ('seq_multi_sep: ";" combiner: "max" raw_input_dim: 2', "exclude each other"),
        ('combiner: "max" raw_input_dim: 2 embedding_dim: 4', '"max" is for numbers'),
    ],
)
def test_what_makes_no_number_of_parts(options, says):
    with pytest.raises(UserError, match=says):
        FeatureSet(make_pipeline({"x": "STRING"}, [raw_feature(options)]))


def test_a_lambda_normalizes_as_its_formula():
    lambdas = [
        "lambda x: tf.math.log1p(x) / 10.0",
        "lambda v: tf.maximum(v - 3, 0) * (v < 6)",
        "lambda x: tf.log(x + 1)",
    ]
    values = np.array([0.5, 2.0, 5.0, 7.0])
    formulas = [np.log1p(values) / 10, np.maximum(values - 3, 0) * (values < 6), np.log(values + 1)]
    for text, expected in zip(lambdas, formulas, strict=True):
        case = Case({"x": "DOUBLE"}, raw_feature(f'normalizer_fn: "{text}"'), {"x": values.tolist()})
        np.testing.assert_allclose(case.dense("x"), expected[:, None], rtol=1e-6)


def test_a_lambda_keeps_the_type_of_what_it_normalizes():
    case = Case({"x": "FLOAT"}, raw_feature('normalizer_fn: "lambda x: x / 4"'), {"x": [1.0, 2.0]})
    assert case.dense("x") == [[0.25], [0.5]]
