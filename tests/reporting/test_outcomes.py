"""The schema of lines of JSON is the one of docs/guides/logs.md."""

import dataclasses
import re
from pathlib import Path
from typing import get_args

import pytest

from easymtl.reporting.event_records import _UNSAID, _snake
from easymtl.reporting.outcomes import Outcome
from easymtl.training.events import Event

GUIDE = (Path(__file__).parents[2] / "docs/guides/logs.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", GUIDE, re.MULTILINE))


def keys(row: str) -> list[str]:
    """Returns the keys that a row of the guide lists, up to where it describes them."""
    return re.findall(r"`(\w+)`", row.split(":")[0])


@pytest.mark.parametrize("kind", [*get_args(Event), *get_args(Outcome)], ids=lambda kind: kind.__name__)
def test_every_kind_is_documented_with_its_keys(kind):
    names = [field.name for field in dataclasses.fields(kind) if field.name not in _UNSAID.get(kind, ())]
    assert keys(ROWS[_snake(kind)]) == names


def test_no_other_kind_is_documented():
    known = {_snake(kind) for kind in (*get_args(Event), *get_args(Outcome))}
    heads = {"event", "of"}
    assert set(ROWS) - known - heads == {"error", "result"}


@pytest.mark.parametrize("kind", get_args(Outcome), ids=lambda kind: kind.__name__)
def test_every_key_is_described_where_it_is_declared(kind):
    described = re.findall(r"^        (\w+): ", kind.__doc__, re.MULTILINE)
    assert described == [field.name for field in dataclasses.fields(kind)]
