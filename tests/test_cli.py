"""What a user meets at the command line before anything is trained."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import easymtl
from easymtl.cli import build_parser, main
from easymtl.errors import Interrupted
from easymtl.reporting.output import current
from easymtl.synth import write

ROOT = Path(__file__).parents[1]
CONFIG = str(ROOT / "samples/configs/dbmtl_on_livestream.config")
VERBS = tuple(build_parser().verbs)


def refused(capsys, *arguments):
    """Returns what is printed to stderr by a command that ends with exit code 2, in argparse or in the verb."""
    try:
        code = main(arguments)
    except SystemExit as exit:
        code = exit.code
    assert code == 2
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return err


def run(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.parametrize("arguments", [["--help"], *([verb, "--help"] for verb in VERBS)], ids=lambda words: words[0])
def test_help(capsys, arguments):
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 0
    assert "usage: easymtl" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"easymtl {easymtl.__version__}"
    assert re.fullmatch(r"Python 3\.\S+, TensorFlow 2\.\S+, protobuf \S+, NumPy \S+, PyArrow \S+, \S+ \S+", second)


def test_version_imports_nothing_of_which_it_tells():
    program = (
        "import sys\nfrom easymtl.cli import main\n"
        "try: main(['--version'])\nexcept SystemExit: pass\n"
        "print([name for name in ('tensorflow', 'pyarrow', 'numpy', 'google.protobuf') if name in sys.modules])"
    )
    assert run(program).stdout.splitlines()[-1] == "[]"


def test_help_needs_neither_tensorflow_nor_arrow():
    program = (
        "import sys\nfrom easymtl.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([name for name in ('tensorflow', 'pyarrow', 'numpy', 'google.protobuf') if name in sys.modules])"
    )
    done = run(program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_check_answers_without_tensorflow(tmp_path):
    data = f"--set=train_input_path={tmp_path}/train.parquet", f"--set=eval_input_path={tmp_path}/train.parquet"
    program = (
        "import sys\nfrom easymtl.synth import write\nfrom easymtl.cli import main\n"
        f"write('livestream', 50, out={str(tmp_path)!r})\n"
        f"code = main(['check', '--pipeline_config', {CONFIG!r}, *{data!r}])\n"
        "print(code, [name for name in ('tensorflow', 'sklearn', 'rich') if name in sys.modules])"
    )
    done = run(program)
    assert done.returncode == 0, done.stderr
    *_, verdict, following, command, end = done.stdout.splitlines()
    names = "is_click, is_view, view_costtime, is_on_mic, on_mic_duration"
    assert verdict == f"{CONFIG}: ok. dbmtl with 5 tasks ({names})."
    assert following == "Next:"
    assert command.split()[:3] == ["easymtl", "train", CONFIG]
    assert end == "0 []"


def test_check_as_a_program_imports_no_pandas(tmp_path):
    write("livestream", 50, out=tmp_path)
    data = (f"--set={part}_input_path={tmp_path}/train.parquet" for part in ("train", "eval"))
    program = (
        "import os, sys\nfrom easymtl.cli import program\n"
        "sys.argv[1:] = ['check', '--pipeline_config', *sys.argv[1:]]\n"
        "try: program()\nfinally: print('pandas' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, CONFIG, *data], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.stdout.splitlines()[-1] == "False", done.stderr


def test_module_runs_as_a_program():
    done = subprocess.run([sys.executable, "-m", "easymtl", "trian"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith('easymtl: there is no command "trian"')


def test_no_command(capsys):
    assert "COMMAND" in refused(capsys)


def test_mistyped_command_has_a_nearest_name(capsys):
    message = refused(capsys, "evla", "--pipeline_config", CONFIG)
    assert 'there is no command "evla"' in message
    assert 'Did you mean "eval"?' in message
    assert "Run easymtl --help" in message


@pytest.mark.parametrize(
    "arguments, nearest",
    [
        (["train", "--pipeline_cofig", CONFIG], "--pipeline_config"),
        (["train", f"--pipeline_conf={CONFIG}"], "--pipeline_config"),
        (["predict", "--pipeline_config", CONFIG, "--input", "x", "--ouptut", "y"], "--output"),
        (["eval", "--pipeline_config", CONFIG, "--saved_modle", "x"], "--saved_model"),
        (["synth", "livestream", "--row", "5"], "--rows"),
        (["--verison"], "--version"),
    ],
)
def test_mistyped_flag_is_refused_with_the_nearest_one(capsys, arguments, nearest):
    message = refused(capsys, *arguments)
    assert "unknown argument" in message
    assert f'Did you mean "{nearest}"?' in message


def test_flag_of_another_command_is_refused(capsys):
    assert "unknown argument --keep" in refused(capsys, "train", "--pipeline_config", CONFIG, "--keep", "user_id")


def test_required_flags_are_named(capsys):
    assert "--pipeline_config" in refused(capsys, "check")
    message = refused(capsys, "predict", "--pipeline_config", CONFIG)
    assert "--input, --output" in message


def test_missing_config(capsys):
    message = refused(capsys, "check", "--pipeline_config", "no_such.config")
    assert message.startswith("easymtl check: no_such.config: there is no such file")


def test_folder_in_place_of_a_config(capsys, tmp_path):
    assert str(tmp_path) in refused(capsys, "check", "--pipeline_config", str(tmp_path))


def test_all_problems_of_a_config_are_told_at_once(capsys):
    overrides = ("--set", "data_config.batchsize=3", "--set", "train_config.num_stesp=9", "--set", "model_dir")
    message = refused(capsys, "check", "--pipeline_config", CONFIG, *overrides)
    assert "3 problems" in message
    assert 'no field "batchsize". Did you mean "batch_size"?' in message
    assert 'no field "num_stesp". Did you mean "num_steps"?' in message
    assert '"model_dir" is no path=value' in message


def test_a_value_out_of_range_in_an_override(capsys):
    message = refused(capsys, "check", "--pipeline_config", CONFIG, "--set", "data_config.batch_size=0")
    assert "batch_size" in message
    assert "0" in message


@pytest.mark.parametrize("verb", ["train", "eval", "check"])
def test_missing_sample_data_says_how_to_make_it(capsys, monkeypatch, tmp_path, verb):
    monkeypatch.chdir(tmp_path)
    assert "Make it: easymtl synth livestream" in refused(capsys, verb, "--pipeline_config", CONFIG)


def test_missing_census_says_where_to_read_on(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    config = str(ROOT / "samples/configs/mmoe_on_census.config")
    assert "samples/README.md" in refused(capsys, "train", "--pipeline_config", config)


def test_missing_input_of_predict_is_told_before_anything_is_loaded(capsys, tmp_path):
    (tmp_path / "rows.parquet").write_bytes(b"")
    flags = ("--input", str(tmp_path / "rosw.parquet"), "--output", str(tmp_path / "scores.parquet"))
    message = refused(capsys, "predict", "--pipeline_config", CONFIG, *flags)
    assert 'Did you mean "rows.parquet"?' in message


def test_unknown_data_set(capsys):
    assert 'Did you mean "livestream"?' in refused(capsys, "synth", "livstream")


def test_synth_writes_where_it_says(capsys, tmp_path):
    assert main(["synth", "tenrec", "--rows", "20", "--eval_rows", "10", "--out", str(tmp_path / "new")]) == 0
    out = capsys.readouterr().out
    assert f"train: {tmp_path}/new/train.parquet" in out
    assert "auc_click" in out


def test_interruption_ends_with_130(capsys, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("easymtl.verbs.check.run", interrupted)
    assert main(["check", "--pipeline_config", CONFIG]) == 130
    assert capsys.readouterr().err == "easymtl check: interrupted.\n"


def test_an_interrupted_command_that_has_said_so_is_not_told_of_again(capsys, monkeypatch):
    def interrupted(_):
        raise Interrupted

    monkeypatch.setattr("easymtl.verbs.check.run", interrupted)
    assert main(["check", "--pipeline_config", CONFIG]) == 130
    assert capsys.readouterr().err == ""


def test_an_interruption_of_the_end_is_quiet(capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    before = sys.stdout, sys.stderr
    monkeypatch.setattr("easymtl.verbs.check.run", interrupted)
    monkeypatch.setattr("easymtl.reporting.phases.PlainPhases.close", interrupted)
    assert main(["check", "--pipeline_config", CONFIG]) == 130
    assert capsys.readouterr().err == "easymtl check: interrupted.\n"
    assert (sys.stdout, sys.stderr) == before and current().verb == ""


def test_an_interruption_behind_the_command_is_not_heard():
    program = (
        "import atexit, os, signal, sys\n"
        "from easymtl.cli import program\n"
        "atexit.register(os.kill, os.getpid(), signal.SIGINT)\n"
        "sys.modules['easymtl.cli.program'].main = lambda is_program: 130\n"
        "program()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_what_the_system_refuses_is_told_without_a_traceback(capsys, monkeypatch):
    def denied(_):
        raise PermissionError(13, "Permission denied", "/data/secret")

    monkeypatch.setattr("easymtl.verbs.check.run", denied)
    assert refused(capsys, "check", "--pipeline_config", CONFIG) == (
        "easymtl check: /data/secret: Permission denied.\n"
    )


def test_a_mistake_of_ours_is_not_hidden(monkeypatch):
    def broken(_):
        raise AssertionError("ours")

    monkeypatch.setattr("easymtl.verbs.check.run", broken)
    with pytest.raises(AssertionError):
        main(["check", "--pipeline_config", CONFIG])


def test_reader_that_closes_early_ends_the_command_quietly():
    program = (
        "import os, sys\nfrom easymtl import cli\nfrom easymtl.verbs import check\n"
        "check.run = lambda options: print('x' * 1_000_000)\n"
        f"sys.exit(cli.main(['check', '--pipeline_config', {CONFIG!r}]))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["eval", "--checkpoint_path", "x"], "In place of EasyRec's --checkpoint_path: --checkpoint."),
        (["export", "--clear_export"], "--clear_export: nothing; each export is a folder of its own."),
        (["predict", "--reserved_cols", "user"], "--reserved_cols: --keep."),
        (["export", "--fine_tune_checkpoint", "x"], 'It is a flag of "check", "train", "follow", "tune".'),
        (["predict", "--continue_train"], 'It is a flag of "train".'),
        # Only where the counterpart exists.
        (["train", "--checkpoint_path", "x"], 'Did you mean "--eval_input_path"?'),
    ],
)
def test_a_flag_of_easyrec_is_answered_with_ours(capsys, arguments, says):
    verb, *flags = arguments
    assert says in refused(capsys, verb, "--pipeline_config", CONFIG, *flags)


def test_a_part_of_the_name_of_a_flag_is_answered_with_the_flags_here(capsys):
    said = refused(capsys, "serve", "export", "--port", "8500")
    assert "easymtl serve: unknown argument --port. There is --rest_port and --grpc_port." in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--set", "a=1", "b=2"], 'too many words: "b=2". Write --set before each of them: --set A=1 --set B=2.'),
        (["y.config", "z.config"], 'too many words: "z.config".\n'),
    ],
)
def test_words_that_are_left_over_are_named_by_the_command(capsys, words, says):
    said = refused(capsys, "train", "x.config", *words) if "=" in words[-1] else refused(capsys, "train", *words)
    assert said.startswith("easymtl train: " + says)


class Overrides(Exception):
    """Carries what a verb was told to override."""


@pytest.fixture
def overrides_of(monkeypatch):
    """Returns what a command line comes to, as `load_config` is told it."""

    def caught(path, overrides, tasks=None):
        raise Overrides(list(overrides))

    def overrides_of(verb, *flags):
        monkeypatch.setattr(f"easymtl.verbs.{verb}.load_config", caught)
        with pytest.raises(Overrides) as found:
            main([verb, "--pipeline_config", CONFIG, *flags])
        return found.value.args[0]

    return overrides_of


def test_flags_of_fields_come_before_edits_and_set_has_the_last_word(overrides_of):
    edits = '{"train_config.num_steps": 10, "model_dir": "b"}'
    flags = ("--set", "model_dir=c", "--edit_config_json", edits, "--model_dir", "a")
    files = ("--train_input_path", "t", "--eval_input_path", "e", "--fine_tune_checkpoint", "f")
    fields = ['model_dir="a"', 'train_input_path="t"', 'eval_input_path="e"', 'train_config.fine_tune_checkpoint="f"']
    expected = [*fields, "train_config.num_steps=10", "model_dir=b", "model_dir=c"]
    for verb in ("train", "check"):
        assert overrides_of(verb, *flags, *files) == expected
    assert overrides_of("eval", "--eval_input_path", "e", "--model_dir", "a") == [fields[0], fields[2]]
    assert overrides_of("export", "--model_dir", "a") == fields[:1]
    assert overrides_of("predict", "--model_dir", "a", "--input", "x", "--output", "y") == fields[:1]


def test_edits_that_are_no_json_end_the_command(capsys):
    message = refused(capsys, "train", "--pipeline_config", CONFIG, "--edit_config_json", "num_steps: 3")
    assert message.startswith("easymtl train: --edit_config_json: this is no JSON")


@pytest.mark.parametrize("flags", [["--continue_train=false"], ["--continue_train", "False"]])
def test_a_training_that_is_to_begin_finds_no_checkpoint(capsys, tmp_path, flags):
    folder = tmp_path / "checkpoints" / "step-000000003"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text("{}")
    message = refused(capsys, "train", "--pipeline_config", CONFIG, "--model_dir", str(tmp_path), *flags)
    assert "has checkpoints of an earlier training" in message
    # Without the flag the next thing that is missing is told.
    message = refused(capsys, "train", "--pipeline_config", CONFIG, "--model_dir", str(tmp_path), "--continue_train")
    assert "has checkpoints" not in message
    assert "neither true nor false" in refused(capsys, "train", "--pipeline_config", CONFIG, "--continue_train=maybe")
