"""Lists of values become the texts that features read in training."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.config.multi_values import FLOAT, INT64, STRING, MultiValue
from easymtl.features.padded import shortest_decimals, texts_of

N = float("nan")
TYPES = {STRING: tf.string, INT64: tf.int64, FLOAT: tf.float32}


def text_of(values, kind=STRING, separators="|"):
    (found,) = texts_of({"x": tf.constant(values, TYPES[kind])}, {"x": MultiValue(kind, separators)}).values()
    return [text.decode() for text in found.numpy()]


@pytest.mark.parametrize(
    "kind, values, texts",
    [
        (STRING, [["a", "b", ""], ["", "", ""], ["", "é", ""], ["a", "", "c"]], ["a|b", "", "|é", "a||c"]),
        (INT64, [[3, -1, 0, -1], [-1, -1, -1, -1], [-2, 1 << 62, -1, -1]], ["3||0", "", f"-2|{1 << 62}"]),
        (FLOAT, [[0.7, N, -1], [N, N, N], [N, 1e-8, N]], ["0.7||-1", "", "|1e-08"]),
    ],
)
def test_padding_behind_the_last_value_is_none_and_before_it_an_empty_value(kind, values, texts):
    assert text_of(values, kind) == texts
    assert text_of(values, kind, "#;") == [text.replace("|", "#") for text in texts]


def test_there_may_be_no_rows_and_no_values():
    for kind, dtype in TYPES.items():
        one = {"x": MultiValue(kind, "|")}
        assert texts_of({"x": tf.zeros([0, 3], dtype)}, one)["x"].shape == [0]
        assert texts_of({"x": tf.zeros([2, 0], dtype)}, one)["x"].numpy().tolist() == [b"", b""]


def test_a_weight_goes_with_the_tag_at_its_place():
    tags = [["a", "", "b"], ["a", "b", ""], ["", "", ""], ["a", "b", "c"]]
    weights = [[1.0, 7.0, 3.0, 9.0], [N, 2.0, 8.0, N], [5.0, N, 6.0, N], [N, N, N, N]]
    inputs = {"t": MultiValue(STRING, "|"), "w": MultiValue(FLOAT, "|", ("t",))}
    columns = {"t": tf.constant(tags), "w": tf.constant(weights)}
    found = texts_of(columns, inputs)["w"].numpy().tolist()
    # In the third row a default may take the place of the tags that there are not.
    assert found == [b"1|3|9", b"1|2", b"5|1|6", b""]
    alone = texts_of(columns | {"t": tf.constant(["a||b"] * 4)}, {"w": inputs["w"]})
    assert alone["w"].numpy().tolist() == [b"1|7|3|9", b"1|2|8", b"5|1|6", b""]
    assert alone["t"].numpy().tolist() == [b"a||b"] * 4


@pytest.mark.parametrize("value", ["a;b", "|", "\xff|", "\n;"])
def test_a_value_that_would_be_split_is_refused_with_input_and_row(value):
    said = r"input x: row 1 \(the first is 0\) holds the value .*, which holds one of .*;.*: send its parts one by one"
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        text_of([["a", "b"], ["c", value.encode("latin-1")]], separators="|;")


def test_decimals_have_the_fewest_digits_that_tell_the_number():
    random = np.random.default_rng(0)
    numbers = (random.normal(size=2000) * 10.0 ** random.integers(-30, 38, 2000)).astype(np.float32)
    texts = [float(text) for text in shortest_decimals(tf.constant(numbers)).numpy()]
    assert texts == [float(str(number)) for number in numbers]
    plain = tf.constant([0.7, 16777217.0, 123456.0, -0.0, np.inf])
    assert shortest_decimals(plain).numpy().tolist() == [b"0.7", b"1.6777216e+07", b"123456", b"-0", b"inf"]
