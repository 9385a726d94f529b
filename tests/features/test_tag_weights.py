"""Weights of tags as `check` sees them: what it lets pass, the feature reads, and the reverse."""

import math

import pytest

from easymtl.data.bad_values import BadValues
from easymtl.features.tag_weights import tag_weights
from tests.features.feature_cases import Case, make_pipeline

KV = 'input_names: "x" feature_type: TagFeature kv_separator: ":" hash_bucket_size: 9 embedding_dim: 2'
SECOND = 'input_names: ["x", "w"] feature_type: TagFeature hash_bucket_size: 9 embedding_dim: 2'


@pytest.mark.parametrize(
    "weight", ["1", "-2.5", " 3 ", "", "1e38", "nan", "inf", "-inf", "1e39", "1e400", "heavy", " ", "1_0", "0x10", "９"]
)
def test_check_and_feature_agree(weight):
    value = f"a:{weight}|b:1|c"
    (found,) = tag_weights(make_pipeline({"x": "STRING"}, [KV]))
    is_bad = found.bad([value, None, "b:1", value]) == [value]
    try:
        Case({"x": "STRING"}, KV, {"x": [value]})
    except BadValues:
        assert is_bad
    else:
        assert not is_bad


@pytest.mark.parametrize(("kind", "weights"), [("FLOAT", [1.0, math.inf, None]), ("STRING", ["1|2", "1|inf", None])])
def test_weights_of_a_second_input(kind, weights):
    (found,) = tag_weights(make_pipeline({"x": "STRING", "w": kind}, [SECOND]))
    assert found.field == "w"
    assert found.bad(weights) == [weights[1]]
    assert 'field "w" of "x" holds' in found.problem(weights[1])


def test_tags_without_weights_have_none_to_check():
    plain = 'input_names: "x" feature_type: TagFeature hash_bucket_size: 9 embedding_dim: 2'
    assert tag_weights(make_pipeline({"x": "STRING"}, [plain])) == []


def test_a_column_of_numbers_holds_tags_without_weights():
    (found,) = tag_weights(make_pipeline({"x": "DOUBLE"}, [f"{KV} precision: 1"]))
    assert found.bad([math.nan, math.inf, 2.5]) == []
    assert Case({"x": "DOUBLE"}, f"{KV} precision: 1", {"x": [math.nan, 1.5, 2.5]}).rows.num_rows == 3


def test_tags_that_shared_names_stand_for_have_weights_too():
    pipeline = make_pipeline({"x": "STRING", "y": "STRING"}, [f'{KV} shared_names: "y"'], {"all": ["x", "y"]})
    assert [found.field for found in tag_weights(pipeline)] == ["x", "y"]
