"""What is told of parts that were trained on before, and of a folder that is gone."""

import math
import os

import pytest

from easymtl.checkpoints.parts import Parts, TrainedPart
from easymtl.errors import UserError
from easymtl.following.choosing import Choice
from easymtl.following.records import Records
from easymtl.following.watching import Watch, marks_digest
from easymtl.following.wishes import Wishes
from tests.following.days import DAYS, days_config, write_day


@pytest.fixture
def watched(tmp_path):
    """A day that was trained on, its folder, and what looks at it and returns what it tells."""
    part = write_day(tmp_path, 0, rows=3)
    (part / "part-1.csv").touch()
    config, told = days_config(tmp_path), []
    wishes = Wishes.of(config, settle=0)
    watch = Watch(config, wishes, Records(tmp_path / "model", None), told.append)
    watch.look(None)
    there = watch.listing.of(DAYS[0])
    digest = marks_digest(config, there)
    trained = TrainedPart(there.text, there.time, len(there.files), there.num_bytes, there.changed, digest)

    def warnings():
        told.clear()
        watch.look(Parts((trained,), 1))
        return [event.text for event in told if event.text.startswith("Warning")]

    return part, warnings


def test_a_part_that_is_as_it_was_is_not_told_of_however_often_it_is_touched(watched):
    part, warnings = watched
    (part / "part-0.csv").touch()
    assert warnings() == []


def test_a_part_with_other_rows_of_the_same_size_is_told_of_once(watched):
    part, warnings = watched
    rows = (part / "part-0.csv").read_text()
    (part / "part-0.csv").write_text(rows[::-1])
    assert [text for text in warnings() if "has changed since it was trained on" in text] and warnings() == []


def test_a_part_that_can_be_read_no_more_stops_nobody(watched):
    part, warnings = watched
    (part / "part-1.csv").unlink()
    os.mkfifo(part / "part-1.csv")
    assert warnings() == []


@pytest.mark.parametrize("every", [None, 60.0])
def test_a_folder_that_vanishes_ends_a_single_look_and_is_waited_for_by_one_that_goes_on(tmp_path, every):
    write_day(tmp_path, 0, rows=3)
    config, told = days_config(tmp_path), []
    watch = Watch(config, Wishes.of(config, every, settle=0), Records(tmp_path / "model", None), told.append)
    assert watch.look(None).part
    (tmp_path / "logs").rename(tmp_path / "elsewhere")
    if every is None:
        with pytest.raises(UserError, match=r'logs", is not there'):
            watch.look(None)
        return
    choice = watch.look(None)
    assert choice == Choice() and choice.seconds == math.inf
    assert "logs" in told[-1].text and told[-1].text.endswith("It is looked at again.")
    (tmp_path / "elsewhere").rename(tmp_path / "logs")
    assert watch.look(None).part.text == DAYS[0]
