"""What a request cannot hold is told, and not scored as something else."""

import pyarrow as pa
import pytest

from easymtl.config.multi_values import FLOAT, INT64, STRING, MultiValue
from easymtl.data.fields import Field
from easymtl.serving.request_form import RequestForm
from easymtl.serving.request_rows import unsendable


@pytest.mark.parametrize(
    ("one", "default", "cannot"),
    [
        (MultiValue(STRING, "|", is_history=True), None, ["a|", "|", "a||", "a|b|c|"]),
        (MultiValue(FLOAT, ",|", is_history=True), None, ["a|", "|", "a||", "a,", "a|b|c|"]),
        # Of the first two steps the last is not empty.
        (MultiValue(STRING, "|", most=2, is_history=True), None, ["a|", "|"]),
        (MultiValue(STRING, "|"), "a", ["|"]),
        (MultiValue(STRING, "|"), None, []),
        (MultiValue(INT64, "|"), None, ["-1", "2| -1|3"]),
    ],
)
def test_an_empty_value_at_the_end_of_a_history_is_no_part_of_a_list(one, default, cannot):
    texts = ["", "a", "|a", "a|", "|", "a||", "a,", "a|b|c|", "-1", "2| -1|3", "-12|1", None]
    form = RequestForm({"h": Field("h", pa.string(), default)}, {"h": one})
    found = unsendable(form, {"h": pa.array(texts)})
    assert [text for text, flag in zip(texts, found.get("h", [False] * len(texts))) if flag] == cannot
    assert bool(found) == bool(cannot)
