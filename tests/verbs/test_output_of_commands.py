"""Commands around one small training: as lines of JSON, quietly, and trained on with another config."""

import json
import sys

import pytest

from easymtl.cli import main
from tests.training.small_runs import CONFIG, write_data

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op")]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    write_data(folder)
    path = folder / "small.config"
    path.write_text(CONFIG.format(folder=folder) + 'export_config { exporter_type: "none" }')
    return path


@pytest.fixture(scope="module")
def trained(config, op_by_op):
    """Returns what a training has written to standard output as JSON."""
    import io
    from contextlib import redirect_stdout

    with redirect_stdout(io.StringIO()) as out:
        assert main(["train", str(config), "--log_format", "json"]) == 0
    return [json.loads(line) for line in out.getvalue().splitlines()]


def records(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_training_tells_what_it_does_in_order(trained):
    phases = [record["name"] for record in trained if record["event"] == "phase"]
    places = [phases.index(name) for name in ("starting", "starting TensorFlow", "building", "tracing", "training")]
    assert places == sorted(places)
    assert phases[phases.index("training") :].count("evaluating") == 2
    kinds = [record["event"] for record in trained if record["event"] not in ("phase", "note", "summary")]
    assert kinds == [
        "started",
        *["progress"] * 3,
        "evaluated",
        "saved",
        *["progress"] * 3,
        "evaluated",
        "saved",
        "result",
    ]


def test_its_result_and_its_hint_are_there(trained, config):
    result = trained[-1]
    assert (result["event"], result["of"], result["step"]) == ("result", "trained", 6)
    assert result["checkpoint"] == f"{config.parent}/model/checkpoints/step-000000006"
    texts = [record["text"] for record in trained if record["event"] == "note"]
    assert any(text.startswith("Hint: only 6 steps were made in all") for text in texts)
    assert not any("─" in text or "task " in text for text in texts), "tables are for people"


def test_an_evaluation_and_a_prediction(trained, config, capsys):
    assert main(["eval", str(config), "--log_format", "json"]) == 0
    result = records(capsys)[-1]
    assert (result["of"], result["step"], result["num_examples"]) == ("evaluation", 6, 70)
    assert result["metrics"] == pytest.approx(trained[-1]["metrics"], rel=1e-5)
    target = config.parent / "scores.parquet"
    flags = ("--input", str(config.parent / "eval.csv"), "--output", str(target), "--log_format=json")
    assert main(["predict", str(config), *flags]) == 0
    result = records(capsys)[-1]
    assert (result["of"], result["num_rows"], result["output"]) == ("predicted", 70, str(target))


def test_quiet_commands_say_their_result(trained, config, capsys):
    assert main(["eval", str(config), "--quiet"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[1].split() == ["task", "auc", "loss"] and out[-1].startswith("Wrote ")


def test_training_on_with_another_config_says_what_has_changed(trained, config, capsys):
    sets = ("--set", "train_config.num_steps=7", "--set", "data_config.batch_size=32", "--set", "train_config.seed=5")
    assert main(["train", str(config), *sets, "--set", "train_config.log_step_count_steps=2"]) == 0
    out = capsys.readouterr().out
    assert "train_config.log_step_count_steps: 1 -> 2" in out
    assert "Training on with another train_config.num_steps." in out
    assert "batch_size" not in out.split("Next:")[0], "it is what it was"
    assert "Next:" in out and "easymtl eval" in out


def test_what_is_live_is_gone_in_the_end(trained, config, monkeypatch):
    import io

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    assert main(["eval", str(config)]) == 0
    text = terminal.getvalue()
    places = [text.index(words) for words in ("reading: ", "starting TensorFlow", "Evaluating", "loss", "Next:")]
    assert places == sorted(places)
    assert "0:0" not in text.split("\n")[-1].split("\r\x1b[2K")[-1]
