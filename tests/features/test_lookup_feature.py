"""The values that a map has for a key."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.data.bad_values import BadValues
from easymtl.errors import UserError
from easymtl.features.feature_set import FeatureSet
from tests.features.feature_cases import Case, make_pipeline

FIELDS = {"key": "STRING", "map": "STRING"}


def lookup(options: str = "hash_bucket_size: 50") -> str:
    return (
        'feature_name: "lk" input_names: ["key", "map"] feature_type: LookupFeature kv_separator: ":" '
        f"embedding_dim: 4 {options}"
    )


def hashed(*words: str) -> list[tuple[int, float]]:
    return [(int(tf.strings.to_hash_bucket_fast(word, 50)), 1.0) for word in words]


def test_the_values_of_the_key_in_the_order_of_the_map():
    keys = ["a", "b", "a", None, "é", "a"]
    maps = ["a:x|b:y|a:z", "a:x|b:y|a:z", "", "a:x", "é:x:y|a:z", "b:x"]
    case = Case(FIELDS, lookup(), {"key": keys, "map": maps})
    assert case.bags("lk") == [hashed("x", "z"), hashed("y"), [], [], hashed("x:y"), []]
    assert case.counts["lk"] == {"missing": 3, "no_value": 0}


def test_no_more_than_the_first_ones():
    columns = {"key": ["a", "b"], "map": ["a:1|b:2|a:3|a:4|b:5", "a:1|b:2|a:3|a:4|b:5"]}
    case = Case(FIELDS, lookup("hash_bucket_size: 50 lookup_max_sel_elem_num: 2"), columns)
    assert case.bags("lk") == [hashed("1", "3"), hashed("2", "5")]


def test_an_entry_without_a_value_is_left_out_and_counted():
    case = Case(FIELDS, lookup(), {"key": ["a", "a"], "map": ["a|a:|a:x||b", "a:y"]})
    assert case.bags("lk") == [hashed("x"), hashed("y")]
    assert case.counts["lk"] == {"missing": 0, "no_value": 3}


def test_combiners():
    columns = {"key": ["a", "b"], "map": ["a:x|a:z", "b:y"]}
    mean = Case(FIELDS, lookup('hash_bucket_size: 50 combiner: "mean"'), columns)
    assert [[weight for _, weight in bag] for bag in mean.bags("lk")] == [[0.5, 0.5], [1.0]]
    sqrtn = Case(FIELDS, lookup('hash_bucket_size: 50 combiner: "sqrtn"'), columns)
    np.testing.assert_allclose([weight for _, weight in sqrtn.bags("lk")[0]], [0.5**0.5] * 2)


def test_only_the_values_of_the_key_are_counted_as_unknown():
    columns = {"key": ["a", "b"], "map": ["a:x|b:q|a:w", "b:q|a:x"]}
    case = Case(FIELDS, lookup('vocab_list: ["w", "x"]'), columns)
    assert case.bags("lk") == [[(1, 1.0), (0, 1.0)], [(0, 1.0)]]
    assert case.counts["lk"] == {"missing": 0, "no_value": 0, "unknown": 1}


def test_rows_that_are_their_own_numbers():
    case = Case(FIELDS, lookup("num_buckets: 5"), {"key": ["a", "a"], "map": ["a:3|b:4", "a:9"]})
    assert case.bags("lk") == [[(3, 1.0)], [(0, 1.0)]]
    assert case.counts["lk"]["out_of_range"] == 1
    with pytest.raises(BadValues, match='field "map" of "lk" holds "a:x"'):
        Case(FIELDS, lookup("num_buckets: 5"), {"key": ["b"], "map": ["a:x"]})


def test_a_key_of_another_type_is_compared_as_text():
    case = Case({"key": "INT64", "map": "STRING"}, lookup(), {"key": [7, None], "map": ["7:x|8:y", "0:z"]})
    assert case.bags("lk") == [hashed("x"), hashed("z")]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (lookup().replace('kv_separator: ":"', ""), "needs kv_separator"),
        (lookup().replace('":"', '"|"'), "same character as separator"),
        (lookup().replace('["key", "map"]', '"key"'), "takes 2"),
        (lookup('hash_bucket_size: 9 combiner: "max"'), '"max" is for numbers'),
        (lookup(""), "needs one of .*hash_bucket_size"),
    ],
)
def test_what_is_no_lookup(body, says):
    with pytest.raises(UserError, match=says):
        FeatureSet(make_pipeline(FIELDS, [body]))
