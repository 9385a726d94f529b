"""Commands around one small training: as lines of JSON, quietly, and trained on with another config."""

import json
import sys

import pytest

from easymtl.cli import build_parser, main
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
    # A checkpoint is written beside the steps, and told when it is there.
    assert [kind for kind in kinds if kind != "saved"] == [
        "started",
        *[*["progress"] * 3, "evaluated", "gates"] * 2,
        "result",
    ]
    saved = [place for place, kind in enumerate(kinds) if kind == "saved"]
    evaluated = [place for place, kind in enumerate(kinds) if kind == "gates"]
    assert len(saved) == 2 and evaluated[0] < saved[0] < evaluated[1] < saved[1]


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


@pytest.fixture
def rows(tmp_path):
    """Returns a file to draft a config from."""
    path = tmp_path / "rows.csv"
    path.write_text("age,city,click\n" + "".join(f"{20 + row % 50},c{row % 3},{row % 2}\n" for row in range(300)))
    return str(path)


IN_JSON = {
    "init": ("drafted", "{rows} --labels click --out {out}/x.config"),
    "check": ("checked", "{config}"),
    "plan": ("planned", "{config} --workers 3 --device cpu --bandwidth 1Gbit"),
    "eval": ("evaluation", "{config} --by item --errors 3 --output {out}/r.json --errors_output {out}/e.parquet"),
    "predict": ("predicted", "{config} --input {data} --output {out}/s.parquet"),
    "importance": ("ranked", "{config} --rows 40 --repeats 1"),
    "report": ("reported", "{model_dir} --importance_rows 20 --by item --out {out}/r.html"),
    "compare": ("compared", "{model_dir} {model_dir} --resamples 20 --output {out}/c.json"),
    "board": ("board", "{model_dir} --port 0"),
    "synth": ("made", "tenrec --rows 20 --out {out}"),
    "doctor": ("examined", "--seconds 0"),
    "completion": ("script", "bash"),
}
ELSEWHERE = {"train", "follow", "export", "serve", "verify", "import-checkpoint", "convert", "tune", "launch"}


def test_every_command_is_asked_for_lines_of_json():
    assert {*IN_JSON} | ELSEWHERE == {*build_parser().verbs}


@pytest.mark.parametrize("verb", IN_JSON)
def test_every_command_writes_lines_of_json_and_nothing_else(
    trained, config, rows, tmp_path, capsys, monkeypatch, verb
):
    monkeypatch.setattr("easymtl.verbs.board.wait", interrupted)
    monkeypatch.setattr("easymtl.verbs.board.start_board", lambda *_: "http://localhost:1/")
    monkeypatch.setattr("easymtl.doctor.examination.try_tensorflow", lambda *_: [])
    of, words = IN_JSON[verb]
    folder = config.parent
    places = {
        "config": config,
        "rows": rows,
        "out": tmp_path,
        "data": folder / "eval.csv",
        "model_dir": folder / "model",
    }
    assert main([verb, *words.format(**places).split(), "--log_format", "json"]) == 0
    found = records(capsys)
    assert found[0]["event"] == "phase" and found[0]["name"] == "starting"
    results = [record for record in found if record["event"] == "result"]
    assert [record["of"] for record in results] == [of] and results[0]["command"] == verb
    assert not any("─" in record.get("text", "") for record in found), "tables are for people"


def interrupted(*_):
    raise KeyboardInterrupt


def test_segments_and_worst_rows_are_in_the_result(trained, config, tmp_path, capsys):
    flags = f"--by item --errors 3 --errors_output {tmp_path}/e.parquet --log_format json"
    assert main(["eval", str(config), *flags.split()]) == 0
    found = records(capsys)
    result = found[-1]
    assert result["errors_written"] == f"{tmp_path}/e.parquet"
    own = [one for one in result["segments"] if one["result"] == "auc_ctr"]
    assert sum(one["rows"] for one in own) == 70 and {one["column"] for one in own} == {"item"}
    assert {"name": "computing", "detail": "metrics by item"}.items() <= {
        key: value for record in found if record.get("detail") == "metrics by item" for key, value in record.items()
    }.items()


def test_fitting_a_calibration_says_so(trained, config, capsys):
    sets = ("--set", "model_config.mmoe.task_towers[0].post_calibration.method=PLATT")
    assert main(["eval", str(config), *sets, "--output", str(config.parent / "c.json"), "--log_format", "json"]) == 0
    phases = [(record["name"], record["detail"]) for record in records(capsys) if record["event"] == "phase"]
    fitting = phases.index(("fitting", f"post_calibration on {config.parent}/eval.csv"))
    assert fitting < phases.index(("evaluating", ""))


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
