"""What is written must be none of the files that are read, by whatever path, nor become one."""

import os

import pytest

from easymtl.data.reading import is_same_file, lies_in, same_input, would_read


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("logs/a.csv", "logs/sub/b.csv", "other/c.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1\n")
    (tmp_path / "link.csv").symlink_to("logs/a.csv")
    (tmp_path / "folder").symlink_to("logs")
    os.link(tmp_path / "logs/a.csv", tmp_path / "hard.csv")
    return tmp_path


@pytest.mark.parametrize(
    "target",
    [
        "logs/a.csv",
        "./logs/../logs/a.csv",
        "link.csv",
        "folder/a.csv",
        "hard.csv",
        "file://{}/logs/a.csv",
        "{}/hard.csv",
    ],
)
@pytest.mark.parametrize("paths", ["logs/a.csv", "other/c.csv, logs", "folder/*.csv", "file://{}/logs/a.csv"])
def test_an_input_is_known_by_any_path(tree, paths, target):
    assert same_input(paths.format(tree), target.format(tree)).endswith("a.csv")


@pytest.mark.parametrize("paths", ["logs/sub/b.csv", "other", "gone.csv", "s3://bucket/logs/a.csv"])
def test_other_files_are_no_input(tree, paths):
    assert same_input(paths, "logs/a.csv") is None
    assert same_input(paths, "logs/not_there.csv") is None


@pytest.mark.parametrize(
    ("paths", "target", "is_read"),
    [
        ("logs", "logs/new.csv", True),
        ("logs", "logs/deep/new.csv", True),
        ("logs", "folder/new.csv", True),
        ("folder", "logs/new.csv", True),
        ("other,logs/", "logs/sub/new.csv", True),
        ("logs", "logs/_new.csv", False),
        ("logs", "logs/.model/x", False),
        ("logs", "logs/_model/x", False),
        ("logs", "logs_2/x.csv", False),
        ("logs/a.csv", "logs/new.csv", False),
        ("logs/*.csv", "logs/new.csv", True),
        ("logs/*.csv", "folder/new.csv", True),
        ("folder/*.csv", "logs/new.csv", True),
        ("logs/*.csv", "logs/new.parquet", False),
        ("logs/*.csv", "logs/sub/new.csv", False),
        ("logs/*", "logs/model/checkpoints", True),
        ("logs/*", "logs/_model/checkpoints", True),
        ("logs/*", "logs/model/_x", False),
        ("logs/**", "logs/model/deep/x.csv", True),
        ("logs/**/*.csv", "logs/model/deep/x.csv", True),
        ("logs/**/*.csv", "logs/x.csv", True),
        ("logs/**/*.csv", "logs/x.json", False),
        ("lo?s/[a-c].csv", "logs/b.csv", True),
    ],
)
def test_what_would_be_read_once_it_is_there(tree, paths, target, is_read):
    assert (would_read(paths, target) is not None) == is_read


def test_a_link_inside_of_a_folder_is_followed(tree):
    (tree / "logs" / "more").symlink_to("../other")
    assert would_read("logs", "other/new.csv")
    assert not would_read("logs/*.csv", "other/new.csv")


@pytest.mark.parametrize(
    ("paths", "target", "is_same", "is_read"),
    [
        ("s3://b/logs/a.csv", "s3://b/logs/a.csv?region=eu", True, False),
        ("s3://b/logs/a.csv", "S3://b/logs/./x/../a.csv", True, False),
        ("s3://b/logs", "s3://b/logs/new.csv", False, True),
        ("s3://b/logs/", "s3://b/logs/_new.csv", False, False),
        ("s3://b/logs/*.csv", "s3://b/logs/new.csv", False, True),
        ("s3://b/logs/day=*", "s3://b/logs/day=2/new.csv", False, True),
        ("s3://c/logs", "s3://b/logs/new.csv", False, False),
        ("gs://b/logs", "s3://b/logs/new.csv", False, False),
        ("b/logs", "s3://b/logs/new.csv", False, False),
    ],
)
def test_places_on_servers_are_compared_without_asking_them(paths, target, is_same, is_read):
    assert (same_input(paths, target) is not None) == is_same
    assert (would_read(paths, target) is not None) == is_read


def test_below_a_folder(tree):
    assert lies_in("logs/x", "folder") and lies_in("folder/deep/x", "logs/")
    assert not lies_in("logs_2/x", "logs") and not lies_in("logs", "logs")
    assert not is_same_file("logs/a.csv", "s3://b/a.csv")
