"""The commands one after the other on one small project, as a user runs them."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from easymtl.config import load_config
from easymtl.serving import export as exporting
from easymtl.serving.parity import Parity
from easymtl.serving.proof_process import ProofProcess
from tests.verbs.sample_rows import write_rows

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op"), pytest.mark.threads]

TOWERS = ["is_click", "is_view", "view_costtime", "is_on_mic", "on_mic_duration"]


def test_training_leaves_checkpoint_config_result_and_export(project):
    model_dir = project.folder / "model_dir"
    assert [path.name for path in (model_dir / "checkpoints").iterdir()] == ["step-000000002"]
    assert len(project.exports) == 1
    result = json.loads((model_dir / "eval_result.json").read_text())
    assert result["global_step"] == 2
    assert result["num_examples"] == 150
    assert 0 <= result["auc_is_click"] <= 1
    resolved = load_config(str(model_dir / "pipeline.config")).pipeline
    assert resolved.data_config.batch_size == 200
    assert list(resolved.model_config.dbmtl.bottom_dnn.hidden_units) == [8, 4]


def test_training_again_says_that_it_is_done_and_does_not_export_again(project, capsys):
    before = project.exports
    assert project("train") == 0
    out = capsys.readouterr().out
    assert "Nothing is left to train at step 2: train_config.num_steps is 2." in out
    assert project.exports == before


def test_training_on_continues(project, capsys, tmp_path):
    copy = shutil.copytree(project.folder / "model_dir", tmp_path / "model_dir")
    flags = ("--set", f"model_dir={copy}", "--set", "export_config.exporter_type=none")
    assert project("train", *flags, "--set", "train_config.num_steps=4") == 0
    assert "Continuing from" in capsys.readouterr().out
    assert sorted(path.name for path in (copy / "checkpoints").iterdir()) == ["step-000000002", "step-000000004"]


@pytest.fixture(scope="module")
def scores(project):
    return project.scores("scores", "--keep", "user_id,hour")


def test_scores_by_checkpoint_and_by_savedmodel_are_the_same_rows_in_order(project, scores):
    by_model = project.scores(
        "by_model", "--keep", "user_id,hour", "--saved_model", project.folder / "model_dir/export/final"
    )
    rows = pq.read_table(project.eval_data)
    assert (
        scores.select(["user_id", "hour"]) == by_model.select(["user_id", "hour"]) == rows.select(["user_id", "hour"])
    )
    assert scores.column_names == by_model.column_names
    assert {*scores.column_names} >= {"probs_is_click", "logits_is_click", "y_view_costtime"}
    for name in scores.column_names[2:]:
        # Norms are folded in an export. Around zero the logits of the checkpoint are 4e-6 from those in float64
        # themselves, and those of the export 3.6e-6.
        near_zero = 0.0 if name.startswith("probs") else 3e-6
        np.testing.assert_allclose(scores[name], by_model[name], rtol=1e-5, atol=near_zero, err_msg=name)
    logits = scores["logits_is_click"].to_numpy()
    np.testing.assert_allclose(scores["probs_is_click"], 1 / (1 + np.exp(-logits)), rtol=1e-5)


@pytest.mark.parametrize("choice", ["best", "2", "folder"])
def test_checkpoint_by_name_step_and_folder(project, scores, choice):
    folder = project.folder / "model_dir" / "checkpoints" / "step-000000002"
    chosen = project.scores("chosen", "--checkpoint", folder if choice == "folder" else choice)
    assert chosen["logits_is_view"] == scores["logits_is_view"]


def test_metrics_of_checkpoint_and_savedmodel_are_the_same(project):
    checkpoint = project.results("checkpoint")
    model = project.results("model", "--saved_model", project.exports[0])
    # Only the encoder of a checkpoint sees what is odd in a row.
    oddities = {name for name in checkpoint if name.startswith(("missing_", "unknown_", "out_of_range_"))}
    assert set(checkpoint) - set(model) - oddities == {
        "loss",
        *(f"{'l2' if name.startswith(('view', 'on')) else 'cross_entropy'}_loss_{name}" for name in TOWERS),
    }
    assert model.keys() <= checkpoint.keys()
    for name, value in model.items():
        assert value == pytest.approx(checkpoint[name], rel=1e-5), name


def test_evaluation_on_other_data(project):
    config = load_config(str(project.config), project.overrides)
    other = write_rows(config.pipeline, project.folder / "other.parquet", 70, seed=9)
    result = project.results("other", "--input", other)
    assert result["num_examples"] == 70
    assert result["auc_is_click"] != project.results("usual")["auc_is_click"]


def test_export_goes_where_it_is_told(project, tmp_path, capsys, monkeypatch):
    # The other process of the proof costs seconds; the training above has run it.
    monkeypatch.setattr(exporting, "check_parity", lambda *_: Parity(150, 1e-7))
    monkeypatch.setattr(ProofProcess, "ahead", lambda: None)
    assert project("export", "--export_dir", tmp_path / "here") == 0
    made = next((tmp_path / "here").glob("[0-9]*"))
    out = capsys.readouterr().out
    assert (made / "saved_model.pb").is_file()
    for words in (
        str(made),
        "step 2",
        "user_id string",
        "probs_is_click",
        "loaded without easymtl",
        "more in assets.extra/placement.json",
    ):
        assert words in out


def test_no_checkpoint_yet(project, capsys, tmp_path):
    for verb in ("eval", "export"):
        message = project.refused(capsys, verb, "--set", f"model_dir={tmp_path}")
        assert "there is no checkpoint. Train first: easymtl train" in message


@pytest.mark.parametrize("choice", ["7", "lastest"])
def test_checkpoint_that_is_not_there(project, capsys, choice):
    message = project.refused(capsys, "eval", "--checkpoint", choice)
    assert f'there is no checkpoint "{choice}"; use latest, best, a folder, or a step: "2".' in message


@pytest.mark.parametrize(
    ("verb", "advice"),
    [("train", "--set model_dir="), ("eval", "model_dir/pipeline.config"), ("export", "it was trained")],
)
def test_model_dir_of_another_config(project, capsys, verb, advice):
    message = project.refused(capsys, verb, "--set", "model_config.dbmtl.bottom_dnn.hidden_units=[9]")
    assert "this checkpoint is of another model than the config" in message
    assert "bottom_dnn/dnn_0/kernel is (72, 8) there and (72, 9) in the config" in message
    assert advice in message
    assert ("Train in another model_dir" in message) == (verb == "train")


def test_no_savedmodel_there(project, capsys, tmp_path):
    assert "no SavedModel is in this folder" in project.refused(capsys, "eval", "--saved_model", tmp_path)


def test_kept_column_that_is_not_declared(project, capsys, tmp_path):
    flags = ("--input", project.eval_data, "--output", tmp_path, "--keep", "user_idd")
    assert 'Did you mean "user_id"?' in project.refused(capsys, "predict", *flags)


def test_result_that_cannot_be_written(project, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    message = project.refused(capsys, "eval", "--output", tmp_path / "file" / "result.json")
    assert "result.json: cannot be written" in message
    assert f"{tmp_path}: cannot be written: it is a folder" in project.refused(capsys, "eval", "--output", tmp_path)
    assert "auc" not in capsys.readouterr().out


def test_network_is_printed_without_a_checkpoint(project, capsys, tmp_path):
    assert project("check", "--network", "--set", f"model_dir={tmp_path}") == 0
    out = capsys.readouterr().out
    for words in ("23 columns read as declared", "all/user_id", "bottom_dnn", "72 > 8 > 4", "embedding parameters"):
        assert words in out


def test_data_without_a_row(project, capsys, tmp_path):
    empty = tmp_path / "empty.parquet"
    rows = pq.read_table(project.eval_data)
    pq.write_table(pa.Table.from_batches([], rows.schema), empty)
    assert "row" in project.refused(capsys, "eval", "--input", empty)


def test_only_the_evaluation_of_the_model_dir_writes_into_it(project, capsys):
    path = project.folder / "model_dir" / "eval_result.json"
    assert project("eval") == 0
    before = path.read_bytes()
    capsys.readouterr()
    model = ("--saved_model", project.folder / "model_dir" / "export" / "final")
    for flags in (("--input", project.eval_data), model):
        path.write_text("kept")
        assert project("eval", *flags) == 0
        assert "name a file with --output" in capsys.readouterr().out
        assert path.read_text() == "kept"
    assert project("eval", *model, "--output", project.folder / "other.json") == 0
    assert "A SavedModel tells no losses and counts no odd values" in capsys.readouterr().out
    path.write_bytes(before)
