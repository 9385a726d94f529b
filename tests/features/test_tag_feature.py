import math

import numpy as np
import pytest
import tensorflow as tf

from easymtl.data.bad_values import BadValues
from easymtl.errors import UserError
from easymtl.features.feature_set import FeatureSet
from tests.features.feature_cases import Case, make_pipeline

VOCABULARY = 'vocab_list: ["a", "b", "c", "d"]'
PLACES = {"a": 0, "b": 1, "c": 2, "d": 3}


def tag_feature(options: str, inputs: str = '"x"') -> str:
    return f"input_names: [{inputs}] feature_type: TagFeature embedding_dim: 4 {VOCABULARY} {options}"


def reference(tags: list[str], weights: list[float] | None, combiner: str) -> list[tuple[int, float]]:
    """The weights that make a sum of vectors the combination of tags."""
    entries = [(PLACES[tag], 1.0 if weights is None else weights[i]) for i, tag in enumerate(tags)]
    if combiner == "sum":
        return entries
    entries = [(tag, weight) for tag, weight in entries if weight > 0]
    values = np.array([weight for _, weight in entries])
    norm = values.sum() if combiner == "mean" else np.sqrt((values**2).sum())
    return [(tag, weight / norm) for tag, weight in entries]


def assert_bags_equal(found, expected):
    assert [[tag for tag, _ in bag] for bag in found] == [[tag for tag, _ in bag] for bag in expected]
    for bag, other in zip(found, expected):
        np.testing.assert_allclose([weight for _, weight in bag], [weight for _, weight in other], rtol=1e-6)


@pytest.mark.parametrize("combiner", ["sum", "mean", "sqrtn"])
def test_tags_are_split_empties_dropped_and_repeats_counted(combiner):
    case = Case(
        {"x": "STRING"},
        tag_feature(f'combiner: "{combiner}"'),
        {"x": ["a|b|b", "", "||c|", None, "d", "a|b|b"]},
    )
    tags = [["a", "b", "b"], [], ["c"], [], ["d"], ["a", "b", "b"]]
    assert_bags_equal(case.bags("x"), [reference(row, None, combiner) for row in tags])
    assert case.counts["x"]["missing"] == 2


@pytest.mark.parametrize("combiner", ["sum", "mean", "sqrtn"])
def test_weights_behind_a_separator(combiner):
    case = Case(
        {"x": "STRING"},
        tag_feature(f'combiner: "{combiner}" kv_separator: ":"'),
        {"x": ["a:0.5|b:2|a:1", "c:0|d:-1|a:2", "b:-1", "", "a|b:|c:3"]},
    )
    rows = [
        (["a", "b", "a"], [0.5, 2, 1]),
        (["c", "d", "a"], [0, -1, 2]),
        (["b"], [-1]),
        ([], []),
        (["a", "b", "c"], [1, 1, 3]),
    ]
    assert_bags_equal(case.bags("x"), [reference(tags, weights, combiner) for tags, weights in rows])
    assert case.counts["x"]["unpaired"] == 2


@pytest.mark.parametrize("combiner", ["sum", "mean", "sqrtn"])
def test_weights_of_a_second_input(combiner):
    case = Case(
        {"x": "STRING", "w": "STRING"},
        tag_feature(f'combiner: "{combiner}"', '"x", "w"'),
        {"x": ["a|b", "c", "a|b|c", "d", "", None], "w": ["0.5|2", "-1", "3", "1|2|3", "", "7"]},
    )
    rows = [
        (["a", "b"], [0.5, 2]),
        (["c"], [-1]),
        (["a", "b", "c"], [3, 1, 1]),
        (["d"], [1]),
        ([], []),
        ([], []),
    ]
    assert_bags_equal(case.bags("x"), [reference(tags, weights, combiner) for tags, weights in rows])
    assert case.counts["x"] == {"missing": 2, "unknown": 0, "unpaired": 5}


def test_a_number_column_of_weights():
    case = Case(
        {"x": "STRING", "w": "FLOAT"}, tag_feature("", '"x", "w"'), {"x": ["a", "b", ""], "w": [0.25, None, 3.0]}
    )
    assert case.bags("x") == [[(0, 0.25)], [(1, 0.0)], []]


def test_odd_tags_are_counted_by_tag():
    case = Case({"x": "STRING"}, tag_feature(""), {"x": ["a|zz|yy", "zz|b", "a|zz|yy"]})
    assert case.bags("x")[0] == [(0, 1.0), (0, 1.0), (0, 1.0)]
    assert case.counts == {"x": {"missing": 0, "unknown": 5}}


def test_numbered_tags_out_of_range_take_row_0_and_so_does_minus_one():
    feature = 'input_names: "x" feature_type: TagFeature embedding_dim: 4 num_buckets: 5'
    case = Case({"x": "STRING"}, feature, {"x": ["1|4", "5|-1|-7|2"]})
    assert case.bags("x") == [[(1, 1.0), (4, 1.0)], [(0, 1.0), (0, 1.0), (0, 1.0), (2, 1.0)]]
    assert case.counts["x"]["out_of_range"] == 3


def test_an_integer_column_is_one_tag():
    feature = 'input_names: "x" feature_type: TagFeature embedding_dim: 4 vocab_list: ["7", "8"]'
    assert Case({"x": "INT64"}, feature, {"x": [8, 7]}).bags("x") == [[(1, 1.0)], [(0, 1.0)]]


def test_a_weight_that_is_no_number_is_named():
    with pytest.raises(UserError, match=r'"x" holds "a:1\|b:heavy", which cannot be read as a number'):
        Case({"x": "STRING"}, tag_feature('kv_separator: ":"'), {"x": ["a:1|b:heavy"]})


def test_two_ways_to_give_weights_are_refused():
    fields = {"x": "STRING", "w": "STRING"}
    with pytest.raises(UserError, match="keep one"):
        FeatureSet(make_pipeline(fields, [tag_feature('kv_separator: ":"', '"x", "w"')]))


def test_weights_are_left_out_of_a_width_that_needs_none():
    assert Case({"x": "STRING"}, tag_feature(""), {"x": ["a"]}).rows["bags_4"].weights is None


@pytest.mark.parametrize("separator", ["", "，"])
def test_a_separator_that_cannot_split_is_refused(separator):
    with pytest.raises(UserError, match="cannot split"):
        FeatureSet(make_pipeline({"x": "STRING"}, [tag_feature(f'separator: "{separator}"')]))


def test_a_control_character_separates():
    feature = tag_feature('separator: "\\001"')
    assert Case({"x": "STRING"}, feature, {"x": ["a\x01b"]}).bags("x") == [[(0, 1.0), (1, 1.0)]]


@pytest.mark.parametrize("weight", ["nan", "inf", "-inf", "1e39", "1e400", "heavy"])
@pytest.mark.parametrize(
    ("options", "columns"),
    [
        ('kv_separator: ":"', {"x": ["a:1", "b:2|a:{}", "c:3"]}),
        ("", {"x": ["a", "b|a", "c"], "w": ["1", "2|{}", "3"]}),
    ],
)
def test_a_weight_that_is_not_finite_is_refused(weight, options, columns):
    columns = {name: [text.format(weight) for text in texts] for name, texts in columns.items()}
    inputs = ", ".join(f'"{name}"' for name in columns)
    with pytest.raises(BadValues, match="weights finite ones") as error:
        Case(dict.fromkeys(columns, "STRING"), tag_feature(options, inputs), columns)
    assert [error.value.first, *error.value.others] == [list(columns.values())[-1][1]]


@pytest.mark.parametrize(("kind", "weight"), [("FLOAT", math.nan), ("DOUBLE", math.inf), ("DOUBLE", 1e39)])
def test_a_weight_in_a_column_of_numbers_is_finite_too(kind, weight):
    columns = {"x": ["a", "b", None], "w": [1.0, weight, None]}
    with pytest.raises(BadValues, match=r'field "w" of "x" holds "(nan|inf|1e)') as error:
        Case({"x": "STRING", "w": kind}, tag_feature("", '"x", "w"'), columns)
    assert isinstance(error.value.first, float)


def test_the_exported_transform_refuses_a_weight_that_is_not_finite():
    features = FeatureSet(make_pipeline({"x": "STRING"}, [tag_feature('kv_separator: ":"')]))
    signature = {"x": tf.TensorSpec([None], tf.string)}
    transform = tf.function(features.packed, input_signature=[signature], autograph=False)
    transform({"x": tf.constant(["a:1"])})
    with pytest.raises(tf.errors.InvalidArgumentError, match="weight nan"):
        transform({"x": tf.constant(["a:1", "b:nan"])})


@pytest.mark.parametrize("combiner", ["mean", "sqrtn"])
def test_weights_of_any_size_are_combined(combiner):
    options = f'combiner: "{combiner}" kv_separator: ":"'
    case = Case({"x": "STRING"}, tag_feature(options), {"x": ["a:3e38|b:3e38", "a:1e-30|b:1e-30"]})
    part = 0.5 if combiner == "mean" else 0.5**0.5
    assert_bags_equal(case.bags("x"), [[(0, part), (1, part)]] * 2)
