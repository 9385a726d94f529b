"""Texts that are numbers as `check` sees them: what it lets pass, the feature reads, and the reverse."""

import math

import pytest

from easymtl.data.bad_values import BadValues
from easymtl.features.encoder import Encoder
from easymtl.features.feature_set import FeatureSet
from easymtl.features.number_texts import number_texts
from tests.features.feature_cases import make_batch, make_pipeline

TABLE = "num_buckets: 9 embedding_dim: 2"
FEATURES = [
    'input_names: "x" feature_type: RawFeature',
    'input_names: "x" feature_type: RawFeature raw_input_dim: 2',
    f'input_names: "x" feature_type: IdFeature {TABLE}',
    f'input_names: "x" feature_type: TagFeature {TABLE}',
    f'input_names: "x" feature_type: TagFeature kv_separator: ":" {TABLE}',
    'input_names: "x" feature_type: RawFeature seq_multi_sep: "|" combiner: "sum"',
    'input_names: "x" feature_type: ExprFeature expression: "x + 1"',
    f'input_names: "x" feature_type: SequenceFeature separator: "|" {TABLE}',
    f'input_names: "x" feature_type: SequenceFeature separator: "," seq_multi_sep: "|" max_seq_len: 1 {TABLE}',
    'input_names: "x" feature_type: SequenceFeature sub_feature_type: RawFeature separator: "|" embedding_dim: 2',
    'input_names: "x" feature_type: SequenceFeature sub_feature_type: RawFeature separator: "|" sequence_length: 2',
    'input_names: "x" feature_type: SequenceFeature sub_feature_type: RawFeature separator: "," seq_multi_sep: "|" '
    "raw_input_dim: 2 embedding_dim: 2",
    'input_names: "x" feature_type: SequenceFeature sub_feature_type: RawFeature separator: "|" sequence_length: 2 '
    "boundaries: [1, 2] embedding_dim: 2",
    f'input_names: ["k", "x"] feature_type: LookupFeature kv_separator: ":" {TABLE}',
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
    "3:7",
    "4:x|3:1",
    "3:1:2",
    "1|2|3|x",
    "1,x",
    "1|x,2",
]


def reader(kind: str, feature: str):
    """Returns a function that tells whether a feature reads a value; the key of a map is 3."""
    fields = {"x": kind, "k": "STRING"} if '"k"' in feature else {"x": kind}
    pipeline = make_pipeline(fields, [feature])
    encode = Encoder(FeatureSet(pipeline))

    def is_read(value) -> bool:
        try:
            encode(make_batch(pipeline, {"x": [value], "k": ["3"]} if "k" in fields else {"x": [value]}))
        except BadValues:
            return False
        return True

    return is_read


@pytest.mark.parametrize("feature", FEATURES)
def test_check_and_feature_agree_on_texts(feature):
    fields = {"x": "STRING", "k": "STRING"} if '"k"' in feature else {"x": "STRING"}
    (found,) = number_texts(make_pipeline(fields, [feature]))
    # What stands behind a tag is its weight, see test_tag_weights.py.
    texts = [text for text in TEXTS if "TagFeature kv_separator" not in feature or ":" not in text or text == "3:7"]
    is_read = reader("STRING", feature)
    bad = [text for text in texts if not is_read(text)]
    assert bad
    assert found.field == "x"
    assert found.bad([*texts, None]) == bad


@pytest.mark.parametrize(("kind", "value"), [("DOUBLE", 3.0), ("DOUBLE", math.nan), ("DOUBLE", math.inf), ("INT32", 3)])
def test_check_and_feature_agree_on_numbers_as_tags(kind, value):
    feature = f"{FEATURES[3]} precision: 0"
    (found,) = number_texts(make_pipeline({"x": kind}, [feature]))
    assert (found.bad([value]) == []) == reader(kind, feature)(value)


def test_features_with_other_tables_take_any_text():
    features = ["hash_bucket_size: 9 num_buckets: 9", 'vocab_list: "a" num_buckets: 9']
    for feature in features:
        body = f'input_names: "x" feature_type: IdFeature embedding_dim: 2 {feature}'
        assert list(number_texts(make_pipeline({"x": "STRING"}, [body]))) == []


def test_features_that_shared_names_stand_for_are_read_too():
    pipeline = make_pipeline({"x": "STRING", "y": "STRING"}, [f'{FEATURES[0]} shared_names: "y"'], {"all": ["x", "y"]})
    assert [reader.field for reader in number_texts(pipeline)] == ["x", "y"]
