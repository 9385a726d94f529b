"""`easymtl verify` as it is called, and how it ends."""

import json
import shutil

import pytest

from easymtl.cli import main
from easymtl.errors import UserError
from easymtl.ways import registry
from easymtl.ways.tensorflow_apart import TensorFlow
from easymtl.ways.way import Unsayable
from tests.serving.small_versions import write_delta
from tests.ways.conftest import ask_here, export, rows  # noqa: F401
from tests.ways.test_ways import Changed
from tests.ways.tiny_export import CONFIG

TRAINING = """
train_input_path: "x.csv"
train_config {
  num_steps: 1
  optimizer_config { adam_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.1 } } } }
}
"""
pytestmark = pytest.mark.usefixtures("ask_here")


class Stub:
    """A way that is not there, or does something else."""

    def __init__(self, name, absent=None, raises=None):
        self.name, self._absent, self._raises = name, absent, raises

    def absent(self):
        return self._absent

    def scores(self, export, rows):  # noqa: F811
        raise self._raises


@pytest.fixture
def run(export, rows, capsys, monkeypatch):  # noqa: F811
    def run(*flags, ways=None, folder=export, paths=rows):
        monkeypatch.setattr(registry, "all_ways", lambda *_: tuple(ways or [TensorFlow()]))
        try:
            code = main(["verify", str(folder), *(["--input", paths] if paths else []), *flags])
        except SystemExit as exit:
            code = exit.code
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_the_table_of_a_folder_of_exports(run, export):  # noqa: F811
    absent = Stub("onnx", absent="it is not installed: pip install x")
    unsayable = Stub("cli", raises=Unsayable("it has no word for this"))
    code, out, err = run("--rows", "30", ways=(TensorFlow(), absent, unsayable), folder=export.parent)
    assert code == 0, err
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == f"Verifying {export}"
    assert lines[1].startswith("rows 30 of ")
    assert lines[2] == f"config {export}/assets.extra/pipeline.config"
    assert lines[3].startswith(
        "baseline serving_default of the export itself, in TensorFlow. Its checkpoint is not used:"
    )
    assert lines[4] == "tolerance 1e-05 for probabilities, and times the largest magnitude for other outputs"
    assert "way signature verdict output rows difference allowed" in lines
    assert "tensorflow serving_default same 30 0" in lines
    assert any(line.startswith("tensorflow user_once same") for line in lines)
    assert "cli not used" in lines
    assert "Not used: onnx, as it is not installed: pip install x." in lines
    assert "Not used: cli, as it has no word for this." in lines
    assert "The scores are the same on this way." in lines


def test_as_json_a_difference_is_a_finding(run):
    broken = Changed(TensorFlow(), ("encoded", "probs_click", 11))
    code, out, err = run("--log_format", "json", ways=(TensorFlow(), broken, Stub("onnx", absent="it is absent")))
    assert code == 1, err
    result = [json.loads(line) for line in out.splitlines()][-1]
    assert (result["of"], result["is_same"], result["absent"]) == ("verified", False, {"onnx": "it is absent"})
    (wrong,) = [finding for finding in result["findings"] if finding["problem"]]
    assert (wrong["signature"], wrong["output"], wrong["num_rows"]) == ("encoded", "probs_click", 40)
    assert wrong["largest"] == pytest.approx(0.01, rel=0.01)


def test_a_difference_ends_with_1_and_tells_output_and_row(run):
    broken = Changed(TensorFlow(), ("encoded", "probs_click", 11))
    code, out, err = run(ways=(TensorFlow(), broken))
    assert code == 1, err
    assert "encoded DIFFERS probs_click 40 1.0e-02 1.0e-05" in " ".join(out.split())
    assert "broken, encoded: probs_click of row 11 (the first is 0) is" in out
    assert "The scores are the same" not in out


def test_a_way_that_fails_ends_with_1(run):
    code, out, _ = run(ways=(Stub("c", raises=UserError("the program ended with 3")), TensorFlow()))
    assert code == 1
    assert "c: the program ended with 3" in out and "c FAILED 40" in " ".join(out.split())


def test_the_tolerance_that_an_export_states(run, export, tmp_path):  # noqa: F811
    import json

    narrow = shutil.copytree(export, tmp_path / "4")
    path = narrow / "assets.extra" / "easymtl.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tolerance": 0.05}))
    broken = Changed(TensorFlow(), ("encoded", "probs_click", 11))
    code, out, _ = run(ways=(broken,), folder=narrow)
    assert code == 0 and "tolerance  5e-02" in out


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (
            ["--with", "tensorflo"],
            '--with: there is no way "tensorflo" ("tensorflow", "rest", "grpc"). Did you mean "tensorflow"?',
        ),
        (["--with", ","], '--with names no way ("tensorflow", "rest", "grpc").'),
        (["--with", "tensorflow,rest"], '--with: the way "rest" cannot be used: it is not there.'),
        (
            ["--with", "tensorflow", "--rest", "http://x"],
            '--rest names a server, and --with leaves the way "rest" out.',
        ),
        (["--rows", "-1"], "--rows is -1: it must be at least 0."),
        (["--checkpoint", "latest"], "gone/checkpoints: there is no checkpoint."),
        (["--pipeline_config", "none.config"], "none.config: there is no such file"),
        (["--rest", "host:8501"], '--rest: "host:8501" is no address such as http://localhost:8501.'),
        (["--grpc", "http://host:1"], '--grpc: "http://host:1" is no host and port such as localhost:8500.'),
        (["--grpc", "host"], '--grpc: "host" is no host and port'),
        (["--wiht", "c"], 'Did you mean "--with"?'),
    ],
)
def test_what_is_wrong_with_a_command(run, flags, says):
    ways = (TensorFlow(), Stub("rest", absent="it is not there"), Stub("grpc"))
    code, _, err = run(*flags, ways=ways)
    assert code == 2 and says in err, err


def test_a_way_that_is_asked_for_and_has_no_words(run):
    code, _, err = run("--with", "cli", ways=(Stub("cli", raises=Unsayable("it has no word for this")),))
    assert code == 2 and '--with: the way "cli" cannot be used here: it has no word for this.' in err


def test_places_that_are_wrong(run, export, tmp_path):  # noqa: F811
    for folder, says in {"none": "there is no such folder", ".": "no SavedModel is in this folder"}.items():
        code, _, err = run(folder=tmp_path / folder)
        assert code == 2 and says in err
    code, _, err = run(paths=str(tmp_path / "none.parquet"))
    assert code == 2 and "none.parquet" in err
    older = shutil.copytree(export, tmp_path / "5")
    (older / "assets.extra" / "pipeline.config").write_text("data_config { nothing: 1 }")
    code, _, err = run(folder=older)
    assert code == 2 and "pipeline.config: is no config" in err and "--pipeline_config" in err
    (older / "assets.extra" / "pipeline.config").unlink()
    code, _, err = run(folder=older)
    assert code == 2 and "pipeline.config is not there, as in older exports" in err
    own = tmp_path / "x.config"
    own.write_text(CONFIG + TRAINING, encoding="utf-8")
    code, out, err = run("--pipeline_config", str(own), folder=older)
    assert code == 0, err
    assert f"config     {own}" in out


def test_without_rows_those_are_taken_that_the_export_was_evaluated_on(run, export, rows, tmp_path):  # noqa: F811
    folder = shutil.copytree(export, tmp_path / "5")
    config = folder / "assets.extra" / "pipeline.config"
    text = config.read_text()
    code, _, err = run(folder=folder, paths="")
    assert code == 2 and f"{config}: no evaluation data are named there. Name rows with --input PATHS." in err
    config.write_text(f'eval_input_path: "{tmp_path}/gone.csv"\n{text}')
    code, _, err = run(folder=folder, paths="")
    assert code == 2 and f"{config}: its evaluation data are not there: " in err and "gone.csv" in err
    config.write_text(f'eval_input_path: "{rows}"\n{text}')
    code, out, _ = run(folder=folder, paths="")
    assert code == 0 and str(rows) in out


def test_rows_that_lack_a_column(run, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"user id": ["u"]}), tmp_path / "short.parquet")
    code, _, err = run(paths=str(tmp_path / "short.parquet"))
    assert code == 2 and "short.parquet" in err and '"' in err


def test_a_delta_is_joined_and_kept_where_it_is_told_to(export, rows, tmp_path, capsys):  # noqa: F811
    base = shutil.copytree(export, tmp_path / "1")
    write_delta(base, shutil.copytree(export, tmp_path / "two"), tmp_path / "2.delta")
    asked = ["verify", str(tmp_path / "2.delta"), "--input", str(rows), "--with", "tensorflow"]
    assert main(asked) == 0
    assert not (tmp_path / "kept").exists()
    assert main([*asked, "--write", str(tmp_path / "kept")]) == 0
    kept = tmp_path / "kept" / "2"
    assert (kept / "saved_model.pb").read_bytes() == (export / "saved_model.pb").read_bytes()
    capsys.readouterr()
    assert main([*asked, "--write", str(tmp_path / "kept")]) == 2
    assert "is there already" in capsys.readouterr().err


def test_a_whole_export_has_nothing_to_be_joined(export, rows, tmp_path, capsys):  # noqa: F811
    assert main(["verify", str(export), "--input", str(rows), "--write", str(tmp_path / "kept")]) == 2
    assert "is no delta, and there is nothing to be joined" in capsys.readouterr().err
    assert not (tmp_path / "kept").exists()
