"""Lines of a request are read as a CSV file is, but for quotes."""

import math

import pyarrow as pa
import pytest
import tensorflow as tf

from easymtl.data.fields import Field
from easymtl.features.lines import columns_of

FIELDS = [
    Field("text", pa.string(), "of the graph"), Field("level", pa.int32(), "7"), Field("time", pa.int64(), None),
    Field("price", pa.float32(), "1.5"), Field("age", pa.float64(), None), Field("new", pa.bool_(), "true"),
    Field("old", pa.bool_(), None),
]  # fmt: skip


def read(*lines, separator="|"):
    found = columns_of(tf.constant(lines, tf.string), FIELDS, separator)
    assert list(found) == [field.name for field in FIELDS]
    return {name: column.numpy().tolist() for name, column in found.items()}


def test_each_field_is_of_its_type():
    assert read('a"b|-1|9007199254740993| .5|1e3|false|1', "é| 2\t||-3.|-inf|1|TRUE") == {
        "text": [b'a"b', "é".encode()],
        "level": [-1, 2],
        "time": [9007199254740993, 0],
        "price": [0.5, -3.0],
        "age": [1000.0, -math.inf],
        "new": [False, True],
        "old": [True, True],
    }


def test_an_empty_field_is_missing():
    found = read("||||||")
    assert math.isnan(found.pop("price")[0]), "the graph puts the default in place of NaN, as of ''"
    assert found == {"text": [b""], "level": [7], "time": [0], "age": [0.0], "new": [True], "old": [False]}


def test_there_may_be_no_line_and_any_separator():
    assert read() == {field.name: [] for field in FIELDS}
    assert read(*["\1".join(["|", "3", *[""] * 5])] * 2, separator="\1")["text"] == [b"|", b"|"]


@pytest.mark.parametrize(
    "line, says",
    [
        ("a", r"row 1 \(the first is 0\) has 1 fields, separated by .*, where 7 are read: text, level, time, "),
        ("||||||x|", "row 1 .* has 8 fields"),
        ("", "row 1 .* has 1 fields"),
        ("|1.0|||||", "row 1 .* has .*1.0.* in the field level, which takes a whole number from -2147483648"),
        ("|2147483648|||||", "2147483648.* in the field level"),
        ("| |||||", "in the field level"),
        ("||99999999999999999999||||", "in the field time, which takes a whole number"),
        ("|||1e39|||", "1e39.* in the field price, which takes a number up to 3.4e38"),
        ("||||0x1||", "0x1.* in the field age, which takes a number"),
        ("||||||yes", "yes.* in the field old, which takes true, false, 1 or 0"),
    ],
)
def test_what_cannot_be_read_is_told_with_row_and_field(line, says):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"input features: .*{says}"):
        read("||||||", line)
