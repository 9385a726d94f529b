"""Which part comes next, with a clock that a test turns."""

import math

import pytest

from easymtl.checkpoints.parts import Parts, TrainedPart
from easymtl.following.choosing import Bounds, choose
from easymtl.following.layout import bound_of, part_name
from easymtl.following.listing import Listing, Part
from easymtl.following.settling import Settling

DAYS = [f"dt=2026-01-0{day}" for day in range(1, 6)]


class Clock:
    """A clock of the wall and one that only goes on."""

    def __init__(self):
        self.wall = self.watch = 1000.0

    def go(self, seconds):
        self.wall += seconds
        self.watch += seconds

    def settling(self, seconds=600.0):
        return Settling(seconds, lambda: self.wall, lambda: self.watch)


def part(text, size=10, changed=0.0, marked=True, written=None):
    files = (("a.csv", size, written),) if size else ()
    return Part(part_name(text.split("/")), f"logs/{text}", files, int(changed * 1e9), marked)


def trained(*texts, **more):
    return Parts(tuple(TrainedPart(text, part_name([text]).time, 1, 10, 0, "") for text in texts), len(texts), **more)


def chosen(parts, done=None, bounds=None, settling=None, passed=()):
    return choose(Listing(tuple(parts)), done, bounds or Bounds(), (settling or Clock().settling()).left, passed)


def test_parts_are_taken_in_order_each_once():
    parts, done = [part(day) for day in DAYS], []
    while (choice := chosen(parts, trained(*done) if done else None)).part:
        assert not choice.is_late
        done.append(choice.part.text)
    assert done == DAYS and not choice.is_over


def test_a_part_is_complete_when_its_change_is_old_by_the_wall_clock():
    clock = Clock()
    settling = clock.settling()
    young = part(DAYS[0], changed=900, marked=False)
    assert settling.left(young) == 500
    clock.go(500)
    assert settling.left(young) == 0
    assert Clock().settling().left(part(DAYS[0], changed=999)) == 0, "its writer has said so"


def test_where_clocks_disagree_a_part_is_watched():
    clock = Clock()
    settling = clock.settling()
    ahead = part(DAYS[0], changed=1e9, marked=False)
    assert settling.left(ahead) == 600
    clock.go(599)
    assert settling.left(ahead) == pytest.approx(1)
    clock.wall -= 5000
    clock.watch += 1
    assert settling.left(ahead) == 0, "a jump of the clock is no change"
    grown = part(DAYS[0], size=11, changed=1e9, marked=False)
    assert settling.left(grown) == 600, "it is another one now"


def test_by_its_marker_alone():
    assert Clock().settling(math.inf).left(part(DAYS[0], changed=1, marked=False)) == math.inf


def test_later_parts_wait_for_one_that_is_being_written():
    parts = [part(DAYS[0]), part(DAYS[1], changed=990, marked=False), part(DAYS[2])]
    assert chosen(parts).part.text == DAYS[0]
    choice = chosen(parts, trained(DAYS[0]))
    assert choice.part is None and [one.text for one, _ in choice.waiting] == [DAYS[1]] and choice.seconds == 590


def test_a_folder_that_was_just_made_is_waited_for_and_an_old_empty_one_is_passed_over():
    just = [part(DAYS[0], size=0, changed=990, marked=False), part(DAYS[1])]
    assert chosen(just).part is None and chosen(just).waiting
    old = [part(DAYS[0], size=0, changed=1, marked=False), part(DAYS[1])]
    assert chosen(old).part.text == DAYS[1] and [one.text for one in chosen(old).empty] == [DAYS[0]]


def test_a_late_part_is_left_out_or_trained_on():
    parts = [part(day) for day in DAYS[:3]]
    done = trained(DAYS[0], DAYS[2])
    left = chosen(parts, done)
    assert left.part is None and [one.text for one in left.late] == [DAYS[1]]
    taken = chosen(parts, done, Bounds(trains_late=True))
    assert taken.part.text == DAYS[1] and taken.is_late and not taken.late


def test_a_late_part_that_is_being_written_holds_nobody_up():
    parts = [part(DAYS[0], changed=990, marked=False), part(DAYS[1]), part(DAYS[2])]
    choice = chosen(parts, trained(DAYS[1]), Bounds(trains_late=True))
    assert choice.part.text == DAYS[2] and not choice.is_late and len(choice.waiting) == 1


def test_bounds():
    parts = [part(day) for day in DAYS]
    bounds = Bounds(begin=bound_of(DAYS[1], ""), until=bound_of(DAYS[2], ""))
    assert chosen(parts, bounds=bounds).part.text == DAYS[1]
    choice = chosen(parts, trained(DAYS[1], DAYS[2]), bounds)
    assert choice.part is None and choice.is_over and not choice.late, "what is before was not asked for"


def test_a_bound_of_a_day_is_over_when_a_later_day_is_there():
    hours = [part(f"{DAYS[0]}/hour=0{hour}") for hour in range(2)]
    bounds = Bounds(until=bound_of(DAYS[0], ""))
    done = Parts(tuple(TrainedPart(one.text, one.time, 1, 10, 0, "") for one in hours), 2)
    assert not chosen(hours, done, bounds).is_over
    assert chosen([*hours, part(f"{DAYS[1]}/hour=00")], done, bounds).is_over


def test_what_has_no_row_is_passed_over_until_it_changes():
    passed = {(DAYS[0], part(DAYS[0]).mark)}
    assert chosen([part(DAYS[0]), part(DAYS[1])], passed=passed).part.text == DAYS[1]
    assert chosen([part(DAYS[0], size=11), part(DAYS[1])], passed=passed).part.text == DAYS[0]
    assert chosen([part(DAYS[0], written=5), part(DAYS[1])], passed=passed).part.text == DAYS[0], "mended in its place"


def test_what_is_older_than_all_that_is_remembered_counts_as_done():
    done = trained(DAYS[2], floor=part_name([DAYS[1]]).time)
    parts = [part(day) for day in DAYS[:3]]
    assert chosen(parts, done, Bounds(trains_late=True)).part is None
