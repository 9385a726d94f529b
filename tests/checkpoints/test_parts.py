"""What a checkpoint says of the parts that a model was trained on."""

import json

import pytest

from easymtl.checkpoints import parts as module
from easymtl.checkpoints.parts import STATE, Parts, TrainedPart
from easymtl.errors import UserError


def part(day):
    return TrainedPart(f"dt=2026-01-{day:02}", (2026, 1, day), 1, 10, 5, "x")


def through(days, parts=None):
    for day in days:
        parts = (parts or Parts()).with_next(part(day), (), {"rows": day}).finished()
    return parts


def test_it_comes_back_from_json_as_it_was():
    parts = through([1, 2]).with_next(part(3), (2026, 1), {"rows": 1, "metrics": {"auc": None}})
    state = json.loads(json.dumps({STATE: parts.to_dict()}))
    assert Parts.from_state(state) == parts and not parts.is_finished
    assert Parts.from_state({}) is None


def test_the_newest_need_not_be_the_last(monkeypatch):
    parts = through([1, 3, 2])
    assert parts.newest == (2026, 1, 3) and parts.last.name == "dt=2026-01-02" and parts.num_trained == 3


def test_what_is_named_no_more_counts_as_done(monkeypatch):
    monkeypatch.setattr(module, "MOST_PARTS", 2)
    parts = through([1, 3, 2, 4])
    assert [one.name[-2:] for one in parts.trained] == ["02", "04"]
    assert parts.floor == (2026, 1, 3) and parts.num_trained == 4
    parts.require_next_of(through([1, 3, 2]), "c")


def test_a_part_is_chosen_by_the_checkpoint_that_it_goes_on_from():
    parts = through([1, 2, 3])
    parts.require_next_of(through([1, 2]), "c")
    parts.require_next_of(parts, "c")
    through([1]).require_next_of(None, "c")
    for other in (through([1]), None, through([1, 4]), through([1, 2, 3, 4]), through([1, 2, 4])):
        with pytest.raises(UserError, match=r"not the checkpoint by which .*2026-01-03"):
            parts.require_next_of(other, "c")


@pytest.mark.parametrize(
    "name, time, day",
    [
        ("dt=1970-01-02", (1970, 1, 2), 1),
        ("dt=2026-01-01/hour=23", (2026, 1, 1, 23), 20_454),
        ("dt=202601", (2026, 1), None),
        ("year=2026/week=12/day=3", (2026, 12, 3), None),
        ("dt=2026-02-30", (2026, 2, 30), None),
        ("ts=1767225600", (1767, 2, 25, 60, 0), None),
    ],
)
def test_a_part_is_of_the_day_in_its_name_if_there_is_one(name, time, day):
    assert TrainedPart(name, time, 1, 10, 5, "x").day == day
