"""A log without quoting, as Hive, Spark and MaxCompute write it, in which two texts begin with a quote."""

import json

import pytest

pytestmark = pytest.mark.usefixtures("op_by_op")

CHECK = "check --pipeline_config x.config"
LINES = "train.csv:6: a quoted field starts here and ends on line 101"


@pytest.fixture
def project(report):
    return report("quotes-swallow-rows")


def test_check_names_both_lines(project):
    outcome = project.run(CHECK)
    assert outcome.code == 0
    assert f"warning: train input: {LINES}" in outcome.out
    assert 'set data_config.quote: ""' in outcome.out


def test_check_has_nothing_to_say_where_nothing_is_quoted(project):
    outcome = project.run(f"{CHECK} --set data_config.quote=")
    assert outcome.code == 0
    assert "warning" not in outcome.out


@pytest.mark.slow
def test_all_rows_are_trained_on_and_scored_when_quotes_are_text(project):
    assert project.run("train --pipeline_config x.config --set data_config.quote=").code == 0
    assert json.loads((project.folder / "model/eval_result.json").read_text())["num_examples"] == 120
    score = "predict --pipeline_config x.config --input train.csv --output scores.parquet"
    outcome = project.run(f"{score} --set data_config.quote=")
    assert "Scored 120 rows" in outcome.out
    assert "Warning" not in outcome.out
    assert f"Warning: {LINES}" in project.run(score).out


@pytest.mark.slow
def test_training_tells_of_the_lost_rows(project):
    outcome = project.run("train --pipeline_config x.config")
    assert outcome.code == 0
    assert outcome.out.count(f"Warning: {LINES}") == 2, "once of the training data, once of the evaluation data"
