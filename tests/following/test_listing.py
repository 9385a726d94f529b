"""What is there: parts, their files, markers, and what is none."""

import os

import pytest

from easymtl.data.paths import expand
from easymtl.errors import UserError
from easymtl.following.listing import PartFolder, no_parts


def write(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def listed(paths):
    return PartFolder(str(paths)).list()


def test_parts_come_with_their_data_files_alone(tmp_path):
    write(tmp_path, "dt=2026-01-02/b.csv", "dt=2026-01-02/in/a.csv", "dt=2026-01-02/_SUCCESS", "dt=2026-01-01/.a.crc")
    write(tmp_path, "dt=2026-01-01/_temporary/0/a.csv", "_tmp/dt=2026-01-03/a.csv", "dt=2026-01-01/a.csv")
    first, second = listed(tmp_path).parts
    assert first.text == "dt=2026-01-01" and [name for name, *_ in first.files] == ["a.csv"] and not first.is_marked
    assert [name for name, *_ in second.files] == ["b.csv", "in/a.csv"] and second.is_marked
    assert second.num_bytes == len("dt=2026-01-02/b.csv") + len("dt=2026-01-02/in/a.csv")
    # What is read is what was listed.
    assert [file.name for file in expand(second.path)] == [
        f"{tmp_path}/dt=2026-01-02/{name}" for name in ("b.csv", "in/a.csv")
    ]


def test_a_pattern_means_the_same_files_as_where_they_are_read(tmp_path):
    write(
        tmp_path, "dt=2026-01-01/hour=00/a.parquet", "dt=2026-01-01/hour=00/notes.txt", "dt=2026-01-01/hour=00/_SUCCESS"
    )
    write(tmp_path, "dt=2026-02-01/hour=00/a.parquet", "other/hour=00/a.parquet")
    (part,) = listed(tmp_path / "dt=2026-01-*" / "hour=*" / "*.parquet").parts
    assert part.text == "dt=2026-01-01/hour=00" and part.is_marked
    assert [file.name for file in expand(part.path)] == [f"{tmp_path}/dt=2026-01-01/hour=00/a.parquet"]
    assert [one.text for one in listed(tmp_path / "dt=*").parts] == ["dt=2026-01-01/hour=00", "dt=2026-02-01/hour=00"]


def test_a_folder_whose_name_means_something_to_others_is_read(tmp_path):
    odd = tmp_path / "a, b [x]*"
    write(odd, "dt=2026-01-01/a.csv", "dt=2026-01-01/a.txt", "dt=2026-01-02/a.csv")
    for paths in (str(odd).replace(",", r"\,"), str(odd)):
        parts = listed(paths).parts
        assert [[file.path for file in expand(part.path)] for part in parts[1:]] == [[f"{odd}/dt=2026-01-02/a.csv"]]


def test_a_marker_in_the_folder_of_a_day_marks_its_hours_and_one_at_the_top_marks_nothing(tmp_path):
    write(tmp_path, "dt=2026-01-01/hour=00/a", "dt=2026-01-01/_SUCCESS", "dt=2026-01-02/hour=00/a", "_SUCCESS")
    assert [part.is_marked for part in listed(tmp_path).parts] == [True, False]


def test_empty_folders_are_parts_without_files(tmp_path):
    write(tmp_path, "dt=2026-01-01/a.csv", "dt=2026-01-02/_SUCCESS")
    assert [(part.text, part.num_bytes > 0) for part in listed(tmp_path).parts] == [
        ("dt=2026-01-01", True),
        ("dt=2026-01-02", False),
    ]
    # Where parts are hours, the folder of a day in which there is none yet is no part.
    write(tmp_path / "hours", "dt=2026-01-01/hour=00/a.csv", "dt=2026-01-02/_SUCCESS")
    assert [part.text for part in listed(tmp_path / "hours").parts] == ["dt=2026-01-01/hour=00"]


def test_links_are_followed_and_not_in_circles(tmp_path):
    write(tmp_path, "there/a.csv", "logs/readme")
    os.symlink(tmp_path / "there", tmp_path / "logs" / "dt=2026-01-01")
    os.symlink(tmp_path / "logs", tmp_path / "there" / "dt=2026-01-02")
    os.symlink(tmp_path / "nowhere", tmp_path / "logs" / "dt=2026-01-03")
    os.symlink("dt=2026-01-04", tmp_path / "logs" / "dt=2026-01-04")
    found = listed(tmp_path / "logs")
    assert [(part.text, len(part.files)) for part in found.parts] == [("dt=2026-01-01", 1)]
    assert found.others == ("readme",)


def test_what_is_there_and_no_part_is_said(tmp_path):
    write(tmp_path, "day1.csv", "more/a.csv")
    folder = PartFolder(str(tmp_path))
    assert '"day1.csv", "more"' in no_parts(folder, folder.list())
    write(tmp_path, "20260101/a.csv")
    assert not no_parts(folder, folder.list()) and folder.list().others == ("day1.csv", "more")


def test_the_time_of_a_change_is_that_of_a_move_too(tmp_path):
    write(tmp_path, "dt=2026-01-01/a.csv")
    os.utime(tmp_path / "dt=2026-01-01" / "a.csv", (0, 0))
    (part,) = listed(tmp_path).parts
    assert part.changed > 1e18


@pytest.mark.parametrize(
    "paths, says",
    [
        ("{0}/a,{0}/b", "names 2 places"),
        ("{0}/**/*.csv", r"\*\* stands for any number of folders"),
        ("{0}/lgos", 'lgos", is not there. Did you mean "logs"'),
        ("{0}/file", "is a file"),
    ],
)
def test_what_is_no_folder_of_parts_is_refused(tmp_path, paths, says):
    write(tmp_path, "logs/a", "file")
    with pytest.raises(UserError, match=says):
        listed(paths.format(tmp_path))
