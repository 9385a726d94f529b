import pyarrow as pa
import pytest

from easymtl.data.fields import input_fields
from easymtl.errors import UserError


def test_types_and_defaults(make_config):
    fields = input_fields(make_config("a:INT32 b:INT64=7 c d:FLOAT e:DOUBLE f:BOOL=true g="))
    assert list(fields) == list("abcdefg")
    assert [field.type for field in fields.values()] == [
        pa.int32(), pa.int64(), pa.string(), pa.float32(), pa.float64(), pa.bool_(), pa.string(),
    ]  # fmt: skip
    assert [field.default for field in fields.values()] == [None, "7", None, None, None, "true", ""]
    assert fields["a"].type_name == "INT32"


def test_an_empty_default_of_a_number_is_none(make_config):
    assert input_fields(make_config("a:INT32="))["a"].default is None


def test_a_name_declared_twice_is_an_error(make_config):
    with pytest.raises(UserError, match='"a" twice'):
        input_fields(make_config("a b a"))


def test_auto_expand_expands_ranges_only_when_asked(make_config):
    assert list(input_fields(make_config("p[1-3]_x q", auto_expand_input_fields="true"))) == [
        "p1_x",
        "p2_x",
        "p3_x",
        "q",
    ]
    assert list(input_fields(make_config("p[1-3]"))) == ["p[1-3]"]
