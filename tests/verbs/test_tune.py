"""`easymtl tune` from the command to the config that won."""

import difflib
import json

import pytest

from easymtl.cli import main
from easymtl.config import load_config
from tests.api.shop import write_shop
from tests.tuning.conftest import SPACE

COMMAND = ["tune", "--pipeline_config", "shop.config", "--space", "space.textproto"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_shop(tmp_path)
    (tmp_path / "space.textproto").write_text(SPACE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_several_workers_would_each_make_all_trials(folder, capsys, monkeypatch):
    cluster = {"worker": ["localhost:1", "localhost:2"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 1}}))
    assert main([*COMMAND, "--trials", "2"]) == 2
    assert "TF_CONFIG names 2 workers, and tune makes each trial in one process" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--trials", "0"], "--trials: 0 is too small"),
        (["--trials", "2", "--seeds", "0"], "--seeds: 0 is too small"),
        (["--trials", "2", "--metric", "auc_clik"], 'Did you mean "auc_click"?'),
        (["--trials", "2", "--study", "shop.config/x"], "shop.config"),
        (["--trials", "2", "--study", "s3://b/study"], "--study: s3://b/study is no local folder"),
        (["--trials", "2", "--train_input_path", "nothing.parquet"], "nothing.parquet"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_trained(folder, capsys, flags, says):
    assert main([*COMMAND, *flags]) == 2
    assert says in capsys.readouterr().err
    assert not (folder / "models").exists()


@pytest.mark.slow
def test_two_trials_in_processes_of_their_own(folder, capsys):
    assert main([*COMMAND, "--trials", "1"]) == 0
    assert main([*COMMAND, "--trials", "2"]) == 0
    out = capsys.readouterr().out
    assert "Done already: 1 trial of this study." in out and "2 trials: 2 complete." in out
    study = folder / "models" / "shop_study"
    result = json.loads((study / "study.json").read_text())
    assert [row["number"] for row in result["trials"]] == [0, 1]
    assert result["trials"][0]["settings"] == {"num_expert": "2", "learning_rate": "0.01"}
    for row in result["trials"]:
        model_dir = study / row["folder"] / "seed_5"
        trained = load_config(str(model_dir / "pipeline.config")).pipeline
        assert str(trained.model_config.mmoe.num_expert) == row["settings"]["num_expert"]
        last = json.loads((study / row["folder"] / "seed_5.json").read_text())["evaluations"][-1]
        assert last["step"] == 20
        assert row["values"] == [pytest.approx((last["metrics"]["auc_click"] + last["metrics"]["auc_buy"]) / 2)]
        assert b"_hparams_/session_start_info" in b"".join(
            file.read_bytes() for file in (model_dir / "summaries" / "eval").iterdir()
        )
    best = max(result["trials"], key=lambda row: row["values"])
    assert result["best"] == [best["number"]]
    won = load_config(str(study / "best.config")).pipeline
    assert str(won.model_config.mmoe.num_expert) == best["settings"]["num_expert"]
    before, after = (folder / "shop.config").read_text(), (study / "best.config").read_text()
    names = "shop.config", "models/shop_study/best.config"
    lines = difflib.unified_diff(before.splitlines(True), after.splitlines(True), *names)
    assert (study / "diff.txt").read_text() == "".join(lines)
    assert main(["report", str(study), "--out", "study.html"]) == 0
    assert "Way of the search" in (folder / "study.html").read_text()

    (folder / "space.textproto").write_text(SPACE.replace("high: 8", "high: 9"))
    assert main([*COMMAND, "--trials", "4"]) == 2
    message = capsys.readouterr().err
    assert "another space" in message and "high: 9" in message
