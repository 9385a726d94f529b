"""Ids of 16 digits in a DOUBLE column, as jobs write whole numbers when there are nulls among them."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.usefixtures("op_by_op")

NAME = "large-float-id-in-exponent"


@pytest.mark.slow
def test_all_ids_are_found_in_the_vocabulary(report):
    project = report(NAME)
    outcome = project.run("train --pipeline_config x.config")
    assert outcome.code == 0, outcome.message
    assert "unknown" not in outcome.out
    result = json.loads((project.folder / "model" / "eval_result.json").read_text(encoding="utf-8"))
    assert "unknown_user" not in result


def test_a_number_that_no_text_can_stand_for_is_refused_with_its_row(report):
    project = report(NAME)
    table = pq.read_table(project.folder / "train.parquet")
    ids = table["user"].to_pylist()
    for number, reason in ((2.0**53 + 2, "is beyond 9007199254740992"), (1.5, "is no whole number")):
        ids[6] = number
        pq.write_table(table.set_column(2, "user", pa.array(ids)), project.folder / "train.parquet")
        outcome = project.run("check --pipeline_config x.config")
        assert outcome.code == 2
        assert f'train.parquet: row 7 (row group 0): column "user" holds {number}, which {reason}' in outcome.message
    advice = "--set 'feature_config.features[0].precision=1'"
    assert project.run(f"check --pipeline_config x.config {advice}").code == 0
    assert project.run("check --pipeline_config x.config --set data_config.ignore_error=true").code == 0
