import os
from pathlib import Path

import pytest

from easymtl.config import load_config
from easymtl.data.csv_text import head
from easymtl.data.paths import DataFile, expand
from easymtl.errors import UserError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.csv", "a.csv", "c.txt", "day=1/z.csv", "day=1/sub/y.csv", "day=1/_SUCCESS", "day=1/.hidden"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / "day=1/_temporary").mkdir()
    (tmp_path / "day=1/_temporary/part").write_text("x")
    (tmp_path / "x_SUCCESS").write_text("")
    return tmp_path


def names(paths):
    return [file.name for file in expand(paths)]


def test_globs_are_sorted_and_parts_keep_their_order(folder):
    assert names("c.txt, *.csv") == ["c.txt", "a.csv", "b.csv"]


def test_a_folder_stands_for_all_data_files_below(folder):
    assert names("day=1") == ["day=1/z.csv", "day=1/sub/y.csv"]


def test_links_to_folders_are_followed_but_not_in_circles(folder):
    (folder / "linked").mkdir()
    (folder / "linked" / "day").symlink_to(folder / "day=1")
    (folder / "day=1" / "sub" / "up").symlink_to(folder / "linked")
    assert names("linked") == ["linked/day/z.csv", "linked/day/sub/y.csv"]


def test_success_markers_are_skipped(folder):
    assert names("[cx]*") == ["c.txt"]
    with pytest.raises(UserError, match="no data file"):
        expand("*_SUCCESS")


def test_double_star_goes_into_folders(folder):
    assert names("**/*.csv") == ["a.csv", "b.csv", "day=1/sub/y.csv", "day=1/z.csv"]


def test_a_name_with_brackets_that_exists_is_that_file(folder):
    (folder / "a[1].csv").write_text("x")
    assert names("a[1].csv") == ["a[1].csv"]


def test_file_uris_are_local_paths(folder):
    assert names(f"file://{folder}/a.csv") == [f"{folder}/a.csv"]


@pytest.mark.parametrize(
    "paths, sentence",
    [
        ("", "input path is empty"),
        ("aa.csv", 'Did you mean "a.csv"'),
        ("dya=1/z.csv", '"dya=1" is not in the current folder .* Did you mean "day=1"'),
        ("day=1/zz.csv", 'is not in folder "day=1". Did you mean "z.csv"'),
        ("*.parquet", "no data file is there"),
        ("dya=1/*.csv", 'Did you mean "day=1"'),
        ("ftp://host/x", "ftp:// cannot be read"),
    ],
)
def test_errors_say_what_is_wrong(folder, paths, sentence):
    with pytest.raises(UserError, match=sentence):
        expand(paths)


def test_no_permission_is_an_error(folder, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match="no permission"):
        expand("a.csv")


def test_a_file_that_vanished_is_named(folder):
    file = expand("a.csv")[0]
    os.remove("a.csv")
    with pytest.raises(UserError, match=r"a\.csv: this data file is gone"):
        file.read_at(0, 1)


@pytest.mark.parametrize("become", [os.mkfifo, os.mkdir])
def test_a_file_that_became_something_else_is_named_and_not_waited_for(folder, become):
    file = expand("a.csv")[0]
    os.remove("a.csv")
    become("a.csv")
    with pytest.raises(
        UserError, match=r"a\.csv: this data file is now a folder, a pipe or a device. Bring the file back"
    ):
        file.read_at(0, 1)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_a_disk_that_cannot_be_read_is_told_with_what_to_do(folder, name):
    # The one file that is there everywhere and fails as a broken disk does.
    os.symlink("/proc/self/mem", "broken")
    file = DataFile(name, os.path.abspath("broken"), expand("a.csv")[0].filesystem)
    with pytest.raises(UserError, match=rf"{name}: .*Input/output error\. Look at the disk .* and run again") as error:
        head(file, 10)
    assert "gzip" not in str(error.value)


@pytest.mark.parametrize("name", ["a,b.csv", " a.csv", "a.csv ", "a, b ,c.csv"])
def test_commas_and_blanks_of_a_name_are_written_with_a_backslash(folder, name):
    (folder / name).write_text("x")
    escaped = name.replace(",", r"\,").replace(" ", r"\ ")
    assert names(f"c.txt, {escaped} ,b.csv") == ["c.txt", name, "b.csv"]
    assert names(escaped) == [name]


def test_a_text_that_is_the_path_of_a_file_is_that_file(folder):
    for name in ("a.csv, b.csv", " z.csv"):
        (folder / name).write_text("x")
        assert names(name) == [name]
    assert names("a.csv, c.txt") == ["a.csv", "c.txt"]


def test_a_missing_part_of_a_list_tells_how_a_comma_is_written(folder):
    (folder / "2026,01.csv").write_text("x")
    with pytest.raises(UserError, match=r'"2026" is not in .* a comma that belongs to a name is written \\, '):
        expand("a.csv,2026,01.csv")
    assert names(r"a.csv,2026\,01.csv") == ["a.csv", "2026,01.csv"]


@pytest.mark.parametrize("paths", ["gone.csv", "*.csv", ".", "gone.csv, a.csv"])
def test_a_broken_link_is_called_one(folder, paths):
    (folder / "gone.csv").symlink_to("nowhere/else.csv")
    with pytest.raises(UserError, match=r'gone\.csv" is a broken link: it leads to "nowhere/else.csv"'):
        expand(paths)


def test_a_broken_link_to_a_folder_is_called_one(folder):
    (folder / "days").symlink_to("nowhere")
    with pytest.raises(UserError, match='"days" is a broken link: it leads to "nowhere"'):
        expand("days/a.csv")
    with pytest.raises(UserError, match='"days" is a broken link'):
        expand("days/*.csv")


def test_a_comma_of_a_name_in_a_config_and_behind_set(folder):
    """A backslash is doubled wherever a text stands in quotes."""
    (folder / "day,1.csv").write_text("x")
    config = (Path(__file__).parents[1] / "data" / "reports" / "nan-id-becomes-text" / "x.config").read_text()
    config = config.replace('train_input_path: "train.parquet"', r'train_input_path: "day\\,1.csv, a.csv"')
    (folder / "x.config").write_text(config)
    for overrides in ([], [r"train_input_path=day\,1.csv, a.csv"], [r'train_input_path="day\\,1.csv, a.csv"']):
        pipeline = load_config("x.config", overrides).pipeline
        assert names(pipeline.train_input_path) == ["day,1.csv", "a.csv"]


def test_a_pipe_or_a_device_is_no_data_file(folder):
    os.mkfifo(folder / "pipe.csv")
    for path in ("pipe.csv", "*.csv", "/dev/zero"):
        with pytest.raises(UserError, match="this is a pipe or a device, and no file"):
            expand(path)
