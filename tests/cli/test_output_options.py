"""What all commands take: the config as the only positional argument, the form of the log, quiet."""

import errno
import io
import json

import pytest

from easymtl.cli import build_parser, main
from easymtl.errors import Interrupted
from easymtl.synth import write

TAKING_CONFIG = [
    verb
    for verb, parser in build_parser().verbs.items()
    # A comparison takes two of them.
    if "--set" in parser.format_help() and verb != "compare"
]


def code_of(*arguments: str) -> int:
    try:
        return main(arguments)
    except SystemExit as end:
        return end.code


@pytest.fixture
def caught(monkeypatch):
    """Returns the options that `check` was run with."""
    found = []
    monkeypatch.setattr("easymtl.verbs.check.run", found.append)
    monkeypatch.setattr("easymtl.cli.run.next_steps", lambda *_: [])
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ["x.config"],
        ["--pipeline_config", "x.config"],
        ["--pipeline_config_path=x.config"],
        ["x.config", "--pipeline_config", "x.config"],
        ["--network", "x.config"],
        ["--set", "a=1", "x.config", "--network"],
    ],
)
def test_the_config_with_and_without_its_flag(caught, arguments):
    assert main(["check", *arguments]) == 0
    assert caught[0].pipeline_config == "x.config"


@pytest.mark.parametrize("verb", TAKING_CONFIG)
def test_every_command_that_takes_a_config_takes_it_so(verb):
    assert "--pipeline_config CONFIG" in build_parser().verbs[verb].format_help()


def test_two_configs_are_refused(capsys, caught):
    assert code_of("check", "x.config", "--pipeline_config", "y.config") == 2
    assert "two configs are named, x.config and --pipeline_config y.config" in capsys.readouterr().err
    assert code_of("check", "x.config", "y.config") == 2
    assert caught == []


@pytest.mark.parametrize("verb", build_parser().verbs)
def test_every_command_takes_the_form_of_its_log(verb):
    text = build_parser().verbs[verb].format_help()
    assert "--log_format FORM" in text and "--quiet" in text


def records(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_failure_as_json_has_the_message_and_the_exit_code(capsys):
    assert main(["check", "nowhere.config", "--log_format", "json"]) == 2
    *_, last = records(capsys)
    assert last["event"] == "error" and last["exit_code"] == 2
    assert last["message"].startswith("nowhere.config: there is no such file")


@pytest.mark.parametrize("flag", [["--log_format=json"], ["--log_format", "json"]])
def test_wrong_arguments_as_json(capsys, flag):
    assert code_of("check", "x.config", *flag, "--netwrok") == 2
    (record,) = records(capsys)
    assert record["event"] == "error" and 'Did you mean "--network"?' in record["message"]
    assert code_of("check", *flag) == 2
    (record,) = records(capsys)
    assert "name a config" in record["message"]


def test_an_interruption_as_json(capsys, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("easymtl.verbs.check.run", interrupted)
    assert main(["check", "x.config", "--log_format", "json"]) == 130
    assert records(capsys)[-1]["exit_code"] == 130


@pytest.fixture(scope="module")
def livestream(tmp_path_factory):
    """Returns the flags of a sample config with data of its own."""
    folder = tmp_path_factory.mktemp("livestream")
    write("livestream", 60, out=folder)
    paths = (f"--set=train_input_path={folder}/train.parquet", f"--set=eval_input_path={folder}/eval.parquet")
    return ("samples/configs/dbmtl_on_livestream.config", *paths)


def test_a_check_as_json(capsys, livestream):
    assert main(["check", *livestream, "--log_format", "json"]) == 0
    found = records(capsys)
    assert found[0]["event"] == "phase" and found[0]["name"] == "starting"
    (result,) = [record for record in found if record["event"] == "result"]
    assert (result["command"], result["of"], result["model"]) == ("check", "checked", "dbmtl")
    assert any(record["event"] == "note" and "memory of an export" in record["text"] for record in found)


def test_a_quiet_check_says_its_verdict_alone(capsys, livestream):
    assert main(["check", *livestream, "--quiet"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[-1].startswith("samples/configs/dbmtl_on_livestream.config: ok.")
    assert all(line.startswith("warning: ") for line in out[:-1])


def test_synth_as_json(capsys, tmp_path):
    assert main(["synth", "tenrec", "--rows", "20", "--out", str(tmp_path), "--log_format=json"]) == 0
    result = records(capsys)[-1]
    assert result["of"] == "made" and result["files"]["train"] == f"{tmp_path}/train.parquet"
    assert "auc_click" in result["best_reachable"]


def test_in_a_pipe_there_is_no_control_code(capsys, livestream):
    assert main(["check", *livestream]) == 0
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err and "\r" not in out + err


def test_a_program_hears_that_a_command_was_interrupted(monkeypatch, capsys):
    def run(options, is_program):
        raise Interrupted

    monkeypatch.setattr("easymtl.cli.run._run", run)
    assert main(["completion", "bash", "--log_format", "json"]) == 130
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["event"], last["message"], last["exit_code"]) == ("error", "interrupted.", 130)


def test_words_that_do_not_fit_on_the_disk_are_a_failure(monkeypatch, capsys):
    class Full(io.StringIO):
        def flush(self):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("easymtl.cli.run._run", lambda options, is_program: 0)
    monkeypatch.setattr("sys.stdout", Full())
    assert main(["completion", "bash"]) == 2
    assert capsys.readouterr().err == "easymtl completion: No space left on device.\n"
