"""Labels in words, a space of a BOOL field and a transformed regression, from files to the scores of a SavedModel."""

import json
import shlex

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.errors.project import CONFIG, Project, replaced

pytestmark = pytest.mark.usefixtures("op_by_op")

NUM_ROWS = 64
WORDS = ["yes", "no", "true", "", "no"]
VALUES = """
  label_values { label_name: "click" texts: ["yes", "true"] }
  label_values { label_name: "click" number: 0 texts: "no" }
  input_fields { input_name: "app" input_type: BOOL }
"""
LABELS = replaced(
    CONFIG,
    ('"click" input_type: INT32 }', f'"click" }}{VALUES}'),
    ("batch_size: 8", "batch_size: 8 with_header: true"),
    (
        "loss_type: L2_LOSS",
        'loss_type: L2_LOSS label_transform { divide_by: 10 function: LOG1P } task_space_indicator_name: "app" '
        'task_space_indicator_value: "1" out_task_space_weight: 0',
    ),
    ('label_name: "order"', 'label_name: "order" parent: "ctr"'),
    ('relation_tower_names: "ctr"', ""),
    ("mean_squared_error { }", "mean_absolute_error { }"),
)


def data(num_rows: int = NUM_ROWS, app: str = "", words: list[str] = WORDS) -> str:
    lines = ["click,order,seconds,app,user,tags,price"]
    for row in range(num_rows):
        click = words[row % len(words)]
        order = int(click in ("yes", "true") and row % 2)
        is_app = app or ("true", "0", "1", "false")[row % 4]
        lines.append(f"{click},{order},{row * 10.5},{is_app},u{row % 7},a{row % 3}|b{row % 4},{row / 4}")
    return "\n".join(lines) + "\n"


def make(folder, config: str = LABELS, **options) -> Project:
    project = Project(folder, config)
    for part in ("train", "eval"):
        project.write(f"{part}.csv", data(**options))
    return project


@pytest.fixture
def project(tmp_path) -> Project:
    return make(tmp_path)


def run(project: Project, command: str) -> str:
    outcome = project.run(f"{shlex.split(command)[0]} --pipeline_config x.config {command.partition(' ')[2]}")
    assert outcome.code == 0, outcome.message
    return outcome.out


def test_check_reads_words_and_spaces(project):
    out = run(project, "check")
    assert "x.config: ok." in out and "warning" not in out


def test_a_word_without_a_number_is_told_by_check(tmp_path):
    message = make(tmp_path, words=["yes", "perhaps"]).run("check --pipeline_config x.config").message
    assert 'train.csv:3: field "click" holds "perhaps", which data_config.label_values gives no number' in message


def test_words_where_numbers_are_declared_lead_to_the_field_to_set(tmp_path):
    config = replaced(CONFIG, ("batch_size: 8", "batch_size: 8 with_header: true"))
    project = make(tmp_path, config, words=["yes", "no"])
    outcome = project.run("check --pipeline_config x.config")
    assert 'train.csv:2: column "click" holds "yes", which is no INT32' in outcome.message
    assert 'label_values { label_name: "click" number: 1 texts: "yes" }' in outcome.message
    outcome = project.run("check --pipeline_config x.config --set data_config.ignore_error=true")
    assert f"all {NUM_ROWS} rows were left out (data_config.ignore_error)" in outcome.message
    assert 'train.csv:2: column "click" holds "yes"' in outcome.message


def test_texts_of_numbers_are_the_numbers(tmp_path):
    config = replaced(LABELS, *((line, "") for line in VALUES.splitlines() if "label_values" in line))
    project = make(tmp_path, config, words=["1", "0", "1.0", "", "0"])
    run(project, "train")
    learned = json.loads((tmp_path / "model" / "eval_result.json").read_text())
    run(project, "eval --set data_config.input_fields[0].input_type=FLOAT --output floats.json")
    assert learned["auc_ctr"] is not None
    assert json.loads((tmp_path / "floats.json").read_text())["auc_ctr"] == learned["auc_ctr"]


def test_check_tells_a_space_that_no_row_is_in(tmp_path):
    out = run(make(tmp_path, app="false"), "check")
    warning = (
        f'None of the first {NUM_ROWS} rows with a label is in its task space ("app" is "1"): the tower "stay" learns'
    )
    assert warning in out


@pytest.mark.slow
@pytest.mark.usefixtures("score_here")
def test_scores_are_in_the_units_of_the_label_everywhere(project):
    out = run(project, "train --set train_config.num_steps=40")
    assert "has learnt nothing" not in out
    run(project, "export")
    run(project, "predict --input eval.csv --output scores.parquet --keep seconds")
    run(project, "predict --input eval.csv --output served.parquet --saved_model model/export/final")
    scores = pq.read_table(project.folder / "scores.parquet")
    served = pq.read_table(project.folder / "served.parquet")
    for name in served.column_names:
        np.testing.assert_allclose(served[name], scores[name], rtol=1e-5, atol=1e-6, err_msg=name)
    run(project, "eval")
    result = json.loads((project.folder / "model" / "eval_result.json").read_text())
    error = np.abs(scores["y_stay"].to_numpy() - scores["seconds"].to_numpy()).mean()
    assert result["mean_absolute_error_stay"] == pytest.approx(error, rel=1e-5)
    assert result["l2_loss_stay"] < 10 < error
    outcome = project.run(
        "eval --pipeline_config x.config --set model_config.dbmtl.task_towers[2].label_transform.function=SQRT"
    )
    assert outcome.code == 2 and 'the tower "stay" has the label_transform' in outcome.message


@pytest.mark.slow
def test_a_space_that_no_row_is_in_is_told_when_trained(tmp_path):
    out = run(make(tmp_path, app="0"), "train")
    why = 'none of the rows trained on so far with a label is in its task space ("app" is "1")'
    sentence = f'{why}: the tower "stay" has learnt'
    assert out.count(f"Warning: {sentence}") == 1
    assert (
        'none of the rows with a label is in its task space ("app" is "1"): the losses of the tower "stay" are 0.'
        in out
    )
