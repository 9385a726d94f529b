"""Where scores go: a Parquet file, or a folder for one."""

import pytest

from easymtl.errors import UserError
from easymtl.scoring.scores_file import scores_file


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("a/x.parquet", "a/x.parquet"),
        ("a", "a/scores.parquet"),
        ("a/", "a/scores.parquet"),
        ("file:///a/x.parquet", "/a/x.parquet"),
        ("s3://b/a/?region=eu", "s3://b/a/scores.parquet?region=eu"),
        ("s3://b/x.parquet?region=eu", "s3://b/x.parquet?region=eu"),
    ],
)
def test_the_file_of_a_place(output, expected):
    assert scores_file(output) == expected == scores_file(expected)


@pytest.mark.parametrize("output", ["x.csv", "s3://b/x.csv?region=eu"])
def test_another_format_is_refused(output):
    with pytest.raises(UserError, match=r"x.csv: scores are written as Parquet"):
        scores_file(output)


def test_a_place_without_a_name_is_not_the_root_folder():
    with pytest.raises(UserError, match=r"--output is empty"):
        scores_file("")
