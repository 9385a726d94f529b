"""Texts that are numbers as `check` sees them: what it lets pass, the feature reads, and the reverse."""

import math

import pytest

from easymtl.data.bad_values import BadValues
from easymtl.features.number_texts import number_texts
from tests.features.feature_cases import Case, make_pipeline

TABLE = "num_buckets: 9 embedding_dim: 2"
FEATURES = [
    'input_names: "x" feature_type: RawFeature',
    'input_names: "x" feature_type: RawFeature raw_input_dim: 2',
    f'input_names: "x" feature_type: IdFeature {TABLE}',
    f'input_names: "x" feature_type: TagFeature {TABLE}',
    f'input_names: "x" feature_type: TagFeature kv_separator: ":" {TABLE}',
]
TEXTS = ["", "|", "7", " 7\t", "+7", "-1", "1e5", ".5", "1.", "1e", ".", "0x1F", "nan", "NaN(1)", "-inf", "Infinity"]
TEXTS += [
    "1_0",
    "1,5",
    "９",
    "1 2",
    "7\u00a0",
    "1.0",
    "9223372036854775808",
    "young",
    "1e400",
    "1|2",
    "1||",
    "1|2|x",
    "3:x",
]


def is_read(kind: str, feature: str, value) -> bool:
    try:
        Case({"x": kind}, feature, {"x": [value]})
    except BadValues:
        return False
    return True


@pytest.mark.parametrize("feature", FEATURES)
def test_check_and_feature_agree_on_texts(feature):
    (found,) = number_texts(make_pipeline({"x": "STRING"}, [feature]))
    texts = [text for text in TEXTS if "kv_separator" not in feature or not text.endswith("x")]
    assert found.bad([*texts, None]) == [text for text in texts if not is_read("STRING", feature, text)]


@pytest.mark.parametrize(("kind", "value"), [("DOUBLE", 3.0), ("DOUBLE", math.nan), ("DOUBLE", math.inf), ("INT32", 3)])
def test_check_and_feature_agree_on_numbers_as_tags(kind, value):
    feature = f"{FEATURES[3]} precision: 0"
    (found,) = number_texts(make_pipeline({"x": kind}, [feature]))
    assert (found.bad([value]) == []) == is_read(kind, feature, value)


def test_features_with_other_tables_take_any_text():
    features = ["hash_bucket_size: 9 num_buckets: 9", 'vocab_list: "a" num_buckets: 9']
    for feature in features:
        body = f'input_names: "x" feature_type: IdFeature embedding_dim: 2 {feature}'
        assert list(number_texts(make_pipeline({"x": "STRING"}, [body]))) == []


def test_features_that_shared_names_stand_for_are_read_too():
    pipeline = make_pipeline({"x": "STRING", "y": "STRING"}, [f'{FEATURES[0]} shared_names: "y"'], {"all": ["x", "y"]})
    assert [reader.field for reader in number_texts(pipeline)] == ["x", "y"]
