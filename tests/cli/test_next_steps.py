"""The last lines of commands: what to do next, as a shell takes it."""

import json
import shlex

import pytest

from easymtl.checkpoints.folder import FORMAT_VERSION
from easymtl.checkpoints.integrity import sealed
from easymtl.cli import build_parser
from easymtl.cli.next_steps import _STEPS, command_lines, next_steps
from easymtl.cli.options import take_config

CONFIG = """
train_input_path: "t.csv"
model_dir: "models/my shop"
train_config {
  num_steps: 5
  optimizer_config { adam_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.001 } } } }
}
data_config { label_fields: "click" input_fields { input_name: "click" } input_fields { input_name: "user" } }
feature_config { features { input_names: "user" feature_type: IdFeature hash_bucket_size: 10 embedding_dim: 4 } }
model_config {
  feature_groups { group_name: "all" feature_names: "user" wide_deep: DEEP }
  simple_multi_task { task_towers { tower_name: "ctr" label_name: "click" dnn { hidden_units: 4 } } }
}
"""


@pytest.fixture
def steps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.config").write_text(CONFIG)

    def steps(*words: str) -> list[str]:
        parser = build_parser()
        options = parser.parse_args(words)
        take_config(parser.verbs[options.verb], options)
        lines = next_steps(options)
        # Each is a command of ours, or of Python, with flags that there are.
        for line in lines[1:]:
            said = shlex.split(line, comments=True)
            if said[0] == "easymtl":
                again = parser.parse_args(said[said.index("--") + 1 :] if "--" in said else said[1:])
                take_config(parser.verbs[again.verb], again)
        return lines

    return steps


def test_after_a_check_comes_a_training(steps):
    assert steps("check", "x.config") == ["Next:", "  easymtl train x.config  # train it"]


def test_after_a_draft_it_is_checked_and_trained(steps):
    lines = steps("init", "rows.parquet", "--labels", "click", "--out", "my shop.config")
    assert [line.split("  #")[0] for line in lines[1:]] == [
        "  easymtl check 'my shop.config'",
        "  easymtl train 'my shop.config'",
    ]


def test_after_a_comparison_the_first_pair_is_seen_side_by_side(steps, tmp_path):
    (_, line) = steps("compare", "x.config", "y.config", "--work_dir", "w")
    assert line.startswith("  easymtl report w/a_x/seed_1 w/b_y/seed_1  #")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pipeline.config").write_text(CONFIG)
    (_, line) = steps("compare", "one,two", "two")
    assert line.startswith("  easymtl report one two  #")


def test_after_a_report_it_is_opened(steps, tmp_path):
    (_, line) = steps("report", "m", "--out", "my page.html")
    assert shlex.split(line, comments=True)[:4] == ["python", "-m", "webbrowser", "-t"]
    assert f"{tmp_path.as_uri()}/my%20page.html" in line


def test_after_an_evaluation_its_worst_rows_can_be_read(steps):
    assert "eval_errors.parquet" not in "".join(steps("eval", "x.config"))
    assert "models/my shop/eval_errors.parquet" in steps("eval", "x.config", "--errors", "5")[1]
    assert "w.parquet" in steps("eval", "x.config", "--errors", "5", "--errors_output", "w.parquet")[1]


def test_what_was_overridden_is_overridden_again(steps):
    (_, line) = steps("check", "x.config", "--set", "train_config.num_steps=5", "--tasks", "ctr")
    assert line.startswith("  easymtl train x.config --set train_config.num_steps=5 --tasks ctr  #")


def test_after_a_training_what_can_be_done_with_the_model(steps, tmp_path):
    lines = steps("train", "x.config")
    verbs = [line.split()[1] for line in lines[1:]]
    assert [verb for verb in verbs if verb != "report"] == ["eval", "export", "predict"]
    for kind in ("latest", "final"):
        (tmp_path / f"models/my shop/export/{kind}/17").mkdir(parents=True)
        serve = f"  easymtl serve 'models/my shop/export/{kind}'"
        assert any(line.startswith(serve) for line in steps("train", "x.config"))


@pytest.mark.parametrize(("kind", "best", "is_chosen"), [("best", 2, True), ("best", 4, False), ("final", 2, False)])
def test_after_a_training_that_exports_its_best_step_that_one_is_looked_at(steps, tmp_path, kind, best, is_chosen):
    for step in (2, 4):
        folder = tmp_path / f"models/my shop/checkpoints/step-{step:09d}"
        folder.mkdir(parents=True)
        found = {"metric": "auc", "bigger": True, "step": best, "value": 0.5}
        state = {"format_version": FORMAT_VERSION, "step": step, "best": found}
        (folder / "state.json").write_text(json.dumps(sealed(state)))
    lines = steps("train", "x.config", "--set", f"export_config.exporter_type={kind}")[1:]
    lines = {line.split()[1]: line for line in lines}
    for verb in ("eval", "report", "predict"):
        assert ("--checkpoint best" in lines[verb]) == is_chosen
    assert "--checkpoint" not in lines["export"]


def test_after_an_evaluation_of_a_checkpoint_it_goes_on_with_the_same(steps):
    assert all("--checkpoint best  #" in line for line in steps("eval", "x.config", "--checkpoint", "best")[1:])
    assert not any("--checkpoint" in line for line in steps("eval", "x.config"))


def test_after_an_export_it_is_served(steps):
    serve, verify = steps("export", "x.config", "--export_dir", "out")[1:]
    assert serve.startswith("  easymtl serve out  #")
    assert verify.startswith("  easymtl verify out --input ROWS  #")
    (verify,) = steps("export", "x.config", "--export_dir", "out", "--set", "eval_input_path=e.csv")[2:]
    assert verify.startswith("  easymtl verify out  #"), "the export names rows"


def test_after_a_prediction_how_to_read_it(steps, tmp_path):
    import subprocess
    import sys

    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"probs_ctr": [0.25]}), tmp_path / "s.parquet")
    (line,) = steps("predict", "x.config", "--input", "r.csv", "--output", "s.parquet")[1:]
    program, *rest = shlex.split(line, comments=True)
    assert program == "python"
    done = subprocess.run([sys.executable, *rest], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "[{'probs_ctr': 0.25}]\n"


def test_after_a_search_its_winner_is_trained_if_it_is_another_config(steps, tmp_path):
    words = ("tune", "x.config", "--space", "s", "--trials", "1", "--study", "my study")
    assert [line.split("  #")[0] for line in steps(*words)[1:]] == ["  easymtl report 'my study'"]
    (tmp_path / "my study").mkdir()
    diff = tmp_path / "my study" / "diff.txt"
    diff.write_text("")
    assert len(steps(*words)) == 2, "the config as it is was the best"
    diff.write_text("-a: 1\n+a: 2\n")
    assert steps(*words)[1] == "  easymtl train 'my study/best.config' --model_dir MODEL_DIR  # train the winner"


def test_after_data_of_a_sample_a_config_that_reads_them(steps, tmp_path):
    folder = tmp_path / "samples" / "configs"
    folder.mkdir(parents=True)
    for name in ("a_on_feed", "b_on_feed", "c_on_feed", "a_on_taobao"):
        (folder / f"{name}.config").write_text(CONFIG)
    assert [line.split()[1:3] for line in steps("synth", "feed")[1:]] == [
        ["train", "samples/configs/a_on_feed.config"],
        ["train", "samples/configs/b_on_feed.config"],
    ]
    assert steps("synth", "feed", "--out", "elsewhere") == []


def test_after_a_plan_its_workers_are_launched(steps):
    assert steps("plan", "x.config")[1] == "  easymtl train x.config  # train it"
    (_, line) = steps("plan", "x.config", "--workers", "4", "--tasks", "ctr")
    assert line.startswith("  easymtl launch --workers 4 -- train x.config --tasks ctr  #")
    (_, line) = steps("plan", "x.config", "--workers", "1000")
    assert line.startswith("  easymtl launch --cluster slurm -- train x.config  #"), "one host takes fewer"


def test_after_a_ranking_single_rows_and_the_page(steps):
    rows, page = steps("importance", "x.config", "--checkpoint", "best")[1:]
    assert rows.startswith("  easymtl importance x.config --checkpoint best --by_row 10  #")
    assert page.startswith("  easymtl report 'models/my shop' --checkpoint best  #")
    assert len(steps("importance", "x.config", "--by_row", "3")) == 2


def test_after_a_verified_export_it_is_served(steps):
    assert steps("verify", "out")[1].startswith("  easymtl serve out  #")


def test_after_a_sound_installation_the_first_steps(steps):
    assert [line.split("  #")[0] for line in steps("doctor")[1:]] == [
        "  easymtl init ROWS --labels A,B",
        "  easymtl synth livestream",
    ]


def test_each_command_has_a_next_step_or_a_reason_why_not():
    reasons = {
        "launch": "what it has started has said it",
        "serve": "it runs until it is ended",
        "board": "it runs until it is ended",
        "completion": "its output is a script",
    }
    assert not _STEPS.keys() & reasons
    assert {*_STEPS, *reasons} == {*build_parser().verbs}


def test_what_has_no_next_step_says_none(steps):
    assert steps("serve", "out") == []


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_long_commands_go_on_on_the_next_line_as_a_shell_takes_it(width):
    words = ["easymtl", "eval", "x.config", "--set", "a=b c", "--set", "d=" + "e" * 30, "--model_dir", "some/where"]
    lines = command_lines(words, "its metrics", width)
    assert all(len(line) <= max(width, 46) for line in lines)
    assert not any(line.endswith("--set \\") for line in lines), "a flag is on the line of its value"
    # A shell takes a line end behind a backslash away.
    assert shlex.split("\n".join(lines).replace("\\\n", ""), comments=True) == words
    assert ("# its metrics" in lines[-1]) == (width == 200)


def test_after_following_it_is_waited_for_more_and_the_newest_export_is_served(steps, tmp_path):
    lines = steps("follow", "x.config", "--once", "--set", 'model_dir="models/daily"')
    assert lines[1] == "  easymtl follow x.config --model_dir models/daily --every 1h  # wait for further parts"
    assert len(lines) == 3 and lines[2].startswith("  easymtl board models/daily  #")
    (tmp_path / "models" / "daily" / "export" / "follow" / "12.delta").mkdir(parents=True)
    lines = steps("follow", "x.config", "--once", "--set", 'model_dir="models/daily"')
    assert lines[2].startswith("  easymtl serve models/daily/export/follow")
    lines = steps("follow", "x.config", "--once", "--until", "20260102", "--export", "delta", "--keep", "3")
    assert lines[1] == "  easymtl follow x.config --every 1h --export delta --keep 3  # wait for further parts"
