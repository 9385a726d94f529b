import itertools

import pytest
import tensorflow as tf

from easymtl.errors import UserError
from easymtl.features.feature_set import FeatureSet
from tests.features.feature_cases import Case, make_pipeline

FIELDS = {"x": "STRING", "n": "INT64", "y": "STRING"}
COLUMNS = {"x": ["a", "", "你好", "a" * 300, None], "n": [1, -5, None, 2**50, 0], "y": ["p", "q", "", "é", "z"]}
WORD = 2**64 - 1


def fingerprint(text: str) -> int:
    low = int.from_bytes(tf.fingerprint([[text]]).numpy().tobytes(), "little")
    return low & WORD


def shift_mix(value: int) -> int:
    return value ^ (value >> 47)


def fingerprint_cat(first: int, second: int) -> int:
    """FingerprintCat64 as Murmur-style mixing, from its definition."""
    multiplier = 0xC6A4A7935BD1E995
    result = first ^ multiplier
    result ^= shift_mix(second * multiplier & WORD) * multiplier & WORD
    result = result * multiplier & WORD
    result = shift_mix(result) * multiplier & WORD
    return shift_mix(result)


def crossed(texts: list[str], buckets: int) -> int:
    value = 0xDECAFCAFFE
    for text in texts:
        value = fingerprint_cat(value, fingerprint(text))
    return value % buckets


def rows_of(columns: dict[str, list]) -> list[list[str]]:
    texts = [
        ["" if value is None and name != "n" else str(value or (0 if name == "n" else "")) for value in values]
        for name, values in columns.items()
    ]
    return [list(row) for row in zip(*texts)]


def combo(options: str = "", inputs: str = '"x", "n", "y"', buckets: int = 1_000_003) -> str:
    return (
        f'feature_name: "f" input_names: [{inputs}] feature_type: ComboFeature embedding_dim: 4 '
        f"hash_bucket_size: {buckets} {options}"
    )


def test_the_chain_of_fingerprints():
    case = Case(FIELDS, combo(), COLUMNS)
    assert case.ids("f") == [crossed(row, 1_000_003) for row in rows_of(COLUMNS)]


def test_it_equals_the_crossed_column_of_text():
    texts = rows_of(COLUMNS)
    columns = [tf.constant(list(column))[:, tf.newaxis] for column in zip(*texts)]
    expected = tf.raw_ops.SparseCross(
        indices=[],
        values=[],
        shapes=[],
        dense_inputs=columns,
        hashed_output=True,
        num_buckets=997,
        hash_key=0xDECAFCAFFE,
        out_type=tf.int64,
        internal_type=tf.string,
    ).output_values
    assert Case(FIELDS, combo(buckets=997), COLUMNS).ids("f") == expected.numpy().tolist()


def test_joined_text_is_hashed():
    case = Case(FIELDS, combo('combo_join_sep: "_"'), COLUMNS)
    joined = ["_".join(row) for row in rows_of(COLUMNS)]
    assert case.ids("f") == tf.strings.to_hash_bucket_fast(joined, 1_000_003).numpy().tolist()


@pytest.mark.parametrize("combiner", ["sum", "mean"])
def test_all_combinations_of_several_values(combiner):
    columns = {"x": ["a,b", "b,b,a", "", "c"], "n": [1, 2, 3, 4], "y": ["p;q", "p", "q", ""]}
    options = f'combo_input_seps: [",", "", ";"] combiner: "{combiner}"'
    case = Case(FIELDS, combo(options), columns)
    for found, (x, n, y) in zip(case.bags("f"), rows_of(columns)):
        parts = [list(filter(None, x.split(","))), [n], list(filter(None, y.split(";")))]
        expected = [crossed(list(row), 1_000_003) for row in itertools.product(*parts)]
        weight = 1.0 if combiner == "sum" else 1 / max(len(expected), 1)
        assert sorted(row for row, _ in found) == sorted(expected)
        assert [value for _, value in found] == pytest.approx([weight] * len(expected))


def test_missing_inputs_are_counted_though_they_are_values_like_others():
    assert Case(FIELDS, combo(), COLUMNS).counts["f"]["missing"] == 4


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (combo(buckets=0), "hash_bucket_size"),
        (combo('combo_input_seps: [","]'), "combo_input_seps has 1 entries for 3 input_names"),
        (combo('combo_input_seps: [",", "", ""] combo_join_sep: "_"'), "keep one"),
        (combo(inputs='"x", "price"'), "precision"),
    ],
)
def test_a_declaration_that_does_not_hold_is_refused(body, problem):
    with pytest.raises(UserError, match=problem):
        FeatureSet(make_pipeline({**FIELDS, "price": "FLOAT"}, [body]))
