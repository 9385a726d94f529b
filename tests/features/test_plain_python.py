"""Each transform against what its docstring says, written as plain Python, on odd rows."""

import bisect
import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.features.feature_cases import Case, make_batch

NUM_ROWS = 1000
WORDS = ["red", "grün", "", 'say "hi"', "a,b", " blank "]
VOCABULARY = [word for word in WORDS if word]
BOUNDARIES = [-1.5, 0.0, 0.1, 10.0]

START, END = 1_700_000_000_000, 1_700_000_100_000
"""A hundred seconds in milliseconds, which float32 cannot tell apart."""

FIELDS = {"text": "STRING", "word": "STRING", "number": "INT64", "price": "FLOAT", "value": "DOUBLE", "tags": "STRING"}
FIELDS |= {"digits": "STRING", "weighted": "STRING", "several": "STRING", "clock": "STRING"}
FEATURES = [
    f'input_names: "text" feature_type: IdFeature hash_bucket_size: {NUM_ROWS} embedding_dim: 2',
    'input_names: "word" feature_type: IdFeature embedding_dim: 2 '
    + " ".join(f"vocab_list: '{word}'" for word in VOCABULARY),
    'input_names: "number" feature_type: IdFeature num_buckets: 10 embedding_dim: 2',
    'input_names: "digits" feature_type: IdFeature num_buckets: 10 embedding_dim: 2',
    'input_names: "price" feature_type: RawFeature min_val: 2 max_val: 6',
    f'input_names: "value" feature_type: RawFeature boundaries: {BOUNDARIES} embedding_dim: 2',
    f'input_names: "tags" feature_type: TagFeature hash_bucket_size: {NUM_ROWS} embedding_dim: 3 combiner: "sum"',
    f'input_names: "weighted" feature_type: TagFeature hash_bucket_size: {NUM_ROWS} embedding_dim: 3 combiner: "sum" '
    'kv_separator: ":"',
    'input_names: "several" feature_type: RawFeature raw_input_dim: 3 separator: ";"',
    f'input_names: "clock" feature_type: RawFeature min_val: {START} max_val: {END}',
]

texts = st.none() | st.text(max_size=12) | st.sampled_from([*WORDS, "long" * 20_000, "\x00", "\U0001f600", "NaN"])
# Characters that split tags and weights in the features above are put in on purpose only.
tag = st.text(st.characters(exclude_characters="|:", exclude_categories=["Cs"]), max_size=5)
weight = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)
BEYOND = [math.nan, math.inf, -math.inf, 1e39, -1e39]
floats = st.none() | st.floats(width=32, allow_subnormal=False) | st.sampled_from([0.0, -0.0, 2.0, 6.0, 10.0])
doubles = st.none() | st.floats(allow_subnormal=False) | st.sampled_from([*BOUNDARIES, *BEYOND])
integers = st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 11)
rows = st.fixed_dictionaries(
    {
        "text": texts,
        "word": st.none() | st.sampled_from([*WORDS, "no such word"]),
        "number": integers,
        "digits": integers.map(lambda number: None if number is None else str(number)),
        "price": floats,
        "value": doubles,
        "tags": st.none() | st.lists(tag, max_size=4).map("|".join),
        "weighted": st.lists(st.tuples(tag.filter(bool), weight), max_size=3),
        "several": st.lists(st.none() | weight | st.sampled_from(BEYOND), min_size=1, max_size=5),
        "clock": st.none() | st.floats(START, END) | st.integers(START, END) | st.sampled_from(BEYOND),
    }
)


@pytest.fixture(scope="module")
def case():
    return Case(FIELDS, FEATURES, {name: [] for name in FIELDS})


def hashed(text):
    return int(tf.strings.to_hash_bucket_fast(text, NUM_ROWS))


def in_buckets(number):
    if number is None:
        return 0
    return -1 if number == -1 else number if 0 <= number < 10 else 0


def scaled(price):
    result = (np.float32(price or 0) - np.float32(2)) / np.float32(4)
    return float(result) if math.isfinite(result) else 0.0


def bucket(value):
    value = value or 0.0
    return bisect.bisect_right(BOUNDARIES, value) if math.isfinite(value) else -1


def three(numbers):
    padded = [0.0 if number is None else number for number in [*numbers, 0.0, 0.0, 0.0][:3]]
    return [narrowed(number) for number in padded]


def narrowed(number):
    """A double as the float32 that the model gets: 0 where that is not finite."""
    return float(np.float32(number)) if abs(number) <= float(np.finfo(np.float32).max) else 0.0


def at_the_clock(number):
    return narrowed((float(number or 0) - START) / (END - START))


def as_columns(found):
    written = [
        row
        | {
            "weighted": "|".join(f"{name}:{number!r}" for name, number in row["weighted"]),
            "several": ";".join("" if number is None else repr(number) for number in row["several"]),
            "clock": None if row["clock"] is None else repr(row["clock"]),
        }
        for row in found
    ]
    return {name: [row[name] for row in written] for name in FIELDS}


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, max_size=8))
def test_every_transform(case, found):
    case.rows = case.encoder(make_batch(case.pipeline, as_columns(found)))
    assert case.rows.num_rows == len(found)
    assert case.ids("text") == [hashed(row["text"]) if row["text"] else -1 for row in found]
    assert case.ids("word") == [
        -1 if not row["word"] else VOCABULARY.index(row["word"]) if row["word"] in VOCABULARY else 0 for row in found
    ]
    assert case.ids("number") == [in_buckets(row["number"]) for row in found]
    assert case.ids("digits") == [-1 if row["digits"] is None else in_buckets(int(row["digits"])) for row in found]
    assert case.ids("value") == [bucket(row["value"]) for row in found]
    assert case.dense("price") == [[scaled(row["price"])] for row in found]
    assert case.dense("several") == [three(row["several"]) for row in found]
    assert case.dense("clock") == [[at_the_clock(row["clock"])] for row in found]
    assert case.bags("tags") == [
        [(hashed(name), 1.0) for name in (row["tags"] or "").split("|") if name] for row in found
    ]
    assert case.bags("weighted") == [
        [(hashed(name), float(np.float32(number))) for name, number in row["weighted"]] for row in found
    ]
