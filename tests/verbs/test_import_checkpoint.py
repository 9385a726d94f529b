"""`easymtl import-checkpoint` and the commands after it, as docs/guides/from-easyrec.md has them."""

import json

import pytest

from easymtl.cli import main
from tests.training.easyrec_checkpoints import GOLDEN, golden_values, save, write_index

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op")]
CASE = "01_simple_multi_task_bn_adam"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys, score_here):
    """Runs a command on the case, and returns its exit code and what it printed."""
    monkeypatch.chdir(GOLDEN / CASE)

    def run(verb, *flags):
        sets = ["--set", f"model_dir={tmp_path / 'model'}", "--set", "data_config.num_epochs=0"]
        code = main([verb, "--pipeline_config", "pipeline.config", *sets, *map(str, flags)])
        out, err = capsys.readouterr()
        return code, out + err

    return run


@pytest.fixture
def there(tmp_path):
    """A folder as EasyRec leaves it."""
    save(tmp_path / "there" / "model.ckpt-5", golden_values(CASE, "step5"))
    write_index(tmp_path / "there", "model.ckpt-5")
    return tmp_path / "there"


def test_after_an_import_eval_export_and_train_work(run, there, tmp_path):
    code, text = run("import-checkpoint", "--from", there)
    assert code == 0, text
    lines = {line.split("  ")[0].strip(): line for line in text.splitlines()}
    assert lines[f"Imported {there}/model.ckpt-5"]
    assert f"Checkpoint: {tmp_path}/model/checkpoints/step-000000005 (step 5)" in lines
    assert {"loaded", "slots loaded"} < set(lines)
    assert not {"new: not in the checkpoint", "slots new", "no place in this model"} & set(lines)
    assert lines["norms, taken as converged"].split()[4] == "4"
    # A bias in front of a norm is not trained here.
    assert "ctr/dnn_0/bias/Adam, " in lines["slots not used"]
    assert "Warning" not in text
    report = json.loads((tmp_path / "model" / "import.json").read_text())
    assert report["parameters"]["ctr/dnn_0/kernel"] == "ctr/dnn_0/kernel"

    code, text = run("eval", "--output", tmp_path / "result.json")
    assert code == 0, text
    expected = json.loads((GOLDEN / CASE / "metrics.json").read_text())["metrics_step5"]
    result = json.loads((tmp_path / "result.json").read_text())
    # Theirs is an auc of 200 thresholds.
    assert result["auc_ctr"] == pytest.approx(expected["auc_ctr"], abs=5e-3)
    code, text = run("export")
    assert code == 0, text
    code, text = run("train", "--set", "train_config.num_steps=7", "--set", "export_config.exporter_type=none")
    assert code == 0, text
    assert "step-000000005" in text
    assert (tmp_path / "model" / "checkpoints" / "step-000000007").is_dir()

    code, text = run("import-checkpoint", "--from", there)
    assert code == 2
    assert "is in use already" in text


def test_what_a_user_should_know_is_a_warning(run, tmp_path):
    values = {name: value for name, value in golden_values(CASE, "step5").items() if "/Adam" not in name}
    values["other/kernel"] = values.pop("ctr/dnn_0/kernel")
    prefix = save(tmp_path / "model.ckpt-5", values)
    code, text = run("import-checkpoint", "--from", prefix)
    assert code == 2
    assert "1 not in the checkpoint: ctr/dnn_0/kernel." in text
    assert not (tmp_path / "model").exists()
    code, text = run("import-checkpoint", "--from", prefix, "--partial")
    assert code == 0, text
    text = " ".join(text.split())
    assert "new: not in the checkpoint 1 ctr/dnn_0/kernel " in text
    assert "no place in this model 1 other/kernel " in text
    assert "Warning: 1 parameter starts as in a new model" in text
    assert "Warning: 1 of its variables has no place in this model" in text
    assert "--fresh_optimizer, which begins at step 0" in text


def test_a_table_under_another_name_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(GOLDEN / "07_features")
    prefix = save(tmp_path / "model.ckpt-5", golden_values("07_features", "step5"))
    flags = ["--set", f"model_dir={tmp_path / 'model'}", "--from", prefix]
    assert main(["import-checkpoint", "--pipeline_config", "pipeline.config", *flags]) == 0
    out = capsys.readouterr().out
    assert "input_layer/kvt_embedding/embedding_weights = input_layer/kvt_weighted_by_kvt_w_embedding" in out


def test_a_path_that_is_not_there_ends_with_2(run, tmp_path):
    code, text = run("import-checkpoint", "--from", tmp_path / "model.ckpt-9")
    assert code == 2
    assert "model.ckpt-9.index does not exist" in text
    assert "Traceback" not in text
