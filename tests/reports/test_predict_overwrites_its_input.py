"""Scores are not written over the rows that are scored, nor over the training data."""

import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.usefixtures("op_by_op")


def test_rows_that_are_scored_are_there_afterwards(report):
    project = report("predict-overwrites-its-input")
    assert project.run("train --pipeline_config x.config").code == 0
    columns = pq.read_schema(project.folder / "rows.parquet").names
    for name in ("rows.parquet", "train.parquet"):
        found = project.run(f"predict --pipeline_config x.config --input rows.parquet --output {name}")
        assert found.code == 2 and f"{name}, which" in found.message
        assert pq.read_schema(project.folder / name).names == columns
    assert project.run("predict --pipeline_config x.config --input rows.parquet --output scores.parquet").code == 0
    again = project.run("predict --pipeline_config x.config --input rows.parquet --output scores.parquet")
    assert again.code == 0, "what is no input is replaced, as before"
