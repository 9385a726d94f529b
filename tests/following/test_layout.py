"""Folders that are called by a time: what is one, and which comes first."""

import pytest

from easymtl.errors import UserError
from easymtl.following.layout import bound_of, described, is_before, is_behind, part_name, require_one_layout


@pytest.mark.parametrize(
    "folders, text, time",
    [
        (["dt=2026-01-02", "hour=03"], "dt=2026-01-02/hour=03", (2026, 1, 2, 3)),
        (["dt=2026-01-02"], "dt=2026-01-02", (2026, 1, 2)),
        (["20260102"], "20260102", (2026, 1, 2)),
        (["2026-01-02"], "2026-01-02", (2026, 1, 2)),
        (["2026010203"], "2026010203", (2026, 1, 2, 3)),
        (["2026-01-02T03"], "2026-01-02T03", (2026, 1, 2, 3)),
        (["2026", "1", "2", "3"], "2026/1/2/3", (2026, 1, 2, 3)),
        (["year=2026", "month=1", "day=12"], "year=2026/month=1/day=12", (2026, 1, 12)),
        (["logdate=20260102"], "logdate=20260102", (2026, 1, 2)),
        (["dt=2026-01-02%2003%3A00"], "dt=2026-01-02%2003%3A00", (2026, 1, 2, 3, 0)),
        # What is no time within a part belongs to it.
        (["dt=2026-01-02", "region=12"], "dt=2026-01-02", (2026, 1, 2)),
        (["dt=2026-01-02", "0"], "dt=2026-01-02", (2026, 1, 2)),
        (["20260102", "shard-3", "2026"], "20260102", (2026, 1, 2)),
    ],
)
def test_a_part_is_the_folders_that_are_times(folders, text, time):
    name = part_name(folders)
    assert (name.text, name.time) == (text, time)


@pytest.mark.parametrize(
    "folder", ["region=12", "dt=__HIVE_DEFAULT_PARTITION__", "dt=", "=20260102", "12", "tmp", "v2026", "part-0.csv"]
)
def test_what_is_no_time_is_no_part(folder):
    assert part_name([folder, "dt=2026-01-02"]) is None


def test_parts_are_ordered_by_numbers_and_not_by_letters():
    names = [
        ["dt=2026-01-02", "hour=10"],
        ["dt=2026-01-02", "hour=9"],
        ["dt=2026-01-01", "hour=23"],
        ["dt=20260103", "hour=0"],
    ]
    texts = [name.text for name in sorted(map(part_name, names), key=lambda name: name.time)]
    assert texts == ["dt=2026-01-01/hour=23", "dt=2026-01-02/hour=9", "dt=2026-01-02/hour=10", "dt=20260103/hour=0"]


def test_two_layouts_are_refused_with_one_of_each():
    names = [part_name(["dt=2026-01-01"]), part_name(["dt=2026-01-02", "hour=0"])]
    with pytest.raises(UserError, match=r'"dt=2026-01-01" and "dt=2026-01-02/hour=0".*logs/dt=\*'):
        require_one_layout(names, "logs")
    require_one_layout(names[:1], "logs")


def test_a_layout_is_said():
    assert described(part_name(["dt=2026-01-02", "hour=03"])) == "dt=*/hour=* (ordered by dt, then hour)"
    assert described(part_name(["20260102"])) == "* (ordered by the times in their names)"


@pytest.mark.parametrize("text", ["dt=2026-01-02", "2026-01-02", "20260102", "2026/01/02", "dt=2026-01-02/"])
def test_a_bound_may_name_the_outer_folders_alone(text):
    bound = bound_of(text, "--until")
    assert bound == (2026, 1, 2)
    assert is_before((2026, 1, 1, 23), bound) and not is_behind((2026, 1, 1, 23), bound)
    assert not is_before((2026, 1, 2, 23), bound) and not is_behind((2026, 1, 2, 23), bound)
    assert is_behind((2026, 1, 3, 0), bound) and not is_before((2026, 1, 3, 0), bound)


def test_a_bound_that_is_no_time_is_refused():
    with pytest.raises(UserError, match='--from: "yesterday" is no time'):
        bound_of("yesterday", "--from")
