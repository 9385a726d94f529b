"""`easymtl convert` at the command line."""

import subprocess
import sys

import pytest

from easymtl.cli import main
from easymtl.config import load_config
from tests.convert.conftest import SMALL
from tests.errors.project import replaced


@pytest.fixture
def convert(tmp_path, monkeypatch, capsys):
    """Runs the command on a text; returns exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(text, *flags):
        (tmp_path / "x.config").write_text(text)
        code = main(["convert", "x.config", *flags])
        return code, *capsys.readouterr()

    return run


def test_the_config_goes_to_standard_output_and_the_report_to_standard_error(convert, tmp_path):
    code, out, err = convert(SMALL)
    assert code == 0
    (tmp_path / "ours.config").write_text(out)
    assert load_config("ours.config").pipeline.model_config.WhichOneof("model") == "mmoe"
    assert "not in the config: guessed" in err
    assert err.endswith("the converted config: ok.\n")


def test_the_config_goes_to_a_file(convert, tmp_path):
    code, out, err = convert(SMALL, "--out", "ours.config")
    assert (code, out) == (0, "")
    assert load_config("ours.config").pipeline.data_config.label_fields == ["click", "buy"]
    assert "ours.config: ok.\n" in err
    assert err.splitlines()[-2:] == ["Next:", "  easymtl check ours.config  # whether it fits the data"]


def test_no_file_is_overwritten(convert, tmp_path):
    code, out, err = convert(SMALL, "--out", "x.config")
    assert (code, out) == (2, "")
    assert "--out x.config exists" in err
    assert (tmp_path / "x.config").read_text() == SMALL


def test_what_this_version_does_not_take_is_written_and_told(convert, tmp_path):
    text = replaced(SMALL, ('label_name: "buy"', 'label_name: "by"'))
    code, _, err = convert(text, "--out", "ours.config")
    assert code == 2
    assert "it is written, and this version does not take it: 1 problem in ours.config:" in err
    assert 'label_name "by" is not in data_config.label_fields' in err
    assert (tmp_path / "ours.config").exists()


def test_a_mistake_writes_nothing(convert, tmp_path):
    code, out, err = convert(replaced(SMALL, ("num_epochs", "num_epoch")), "--out", "ours.config")
    assert (code, out) == (2, "")
    assert 'x.config:7:3: train_config has no field "num_epoch". Did you mean "num_epochs"?' in err
    assert not (tmp_path / "ours.config").exists()


def test_notes_of_the_check_are_shown(convert):
    text = replaced(SMALL, ('label_fields: ["click", "buy"]', 'label_fields: ["click", "buy", "share"]'))
    assert '"share" is learned by no tower' in convert(text)[2]


def test_it_answers_without_tensorflow(tmp_path):
    (tmp_path / "x.config").write_text(SMALL)
    program = (
        "import sys\nfrom easymtl.cli import main\ncode = main(['convert', 'x.config'])\n"
        "sys.exit(code or ('tensorflow' in sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
