"""`easymtl doctor` as a user runs it."""

import json
import subprocess
import sys

import pytest

from easymtl.cli import main
from easymtl.doctor import examination
from easymtl.doctor.finding import BROKEN, Finding


@pytest.fixture
def no_tensorflow(monkeypatch):
    """Leaves the process with TensorFlow out, and returns the seconds that it was asked to train."""
    asked = []

    def trial(seconds, waiting):
        asked.append(seconds)
        return iter(())

    monkeypatch.setattr(examination, "try_tensorflow", trial)
    return asked


def test_the_report_can_be_pasted(capsys, no_tensorflow, tmp_path):
    code = main(["doctor", "--model_dir", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    titles = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert titles == ["versions:", "machine:", "protobuf:", "extras:", "TensorFlow:"]
    assert all(line.isascii() for line in lines)
    assert no_tensorflow == [5]
    assert (code == 0) == lines[-1].startswith("Nothing is broken")


def test_json_is_one_object(capsys, no_tensorflow):
    main(["doctor", "--json", "--seconds", "0"])
    record = json.loads(capsys.readouterr().out)
    assert {"versions", "machine", "protobuf", "extras"} == {one["section"] for one in record["findings"]}
    assert {one["standing"] for one in record["findings"]} <= {"ok", "note", "broken"}
    assert no_tensorflow == [0]


def test_a_terminal_is_told_how_long_it_takes_and_a_pipe_is_not(capsys, monkeypatch):
    def trial(_, waiting):
        waiting(1.2)
        return [Finding("TensorFlow", "fine")]

    monkeypatch.setattr(examination, "try_tensorflow", trial)
    main(["doctor"])
    assert "\r" not in capsys.readouterr().out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    main(["doctor"])
    assert "\r\x1b[K  1 s\r\x1b[KTensorFlow:\n" in capsys.readouterr().out


def test_what_is_broken_ends_with_1(capsys, monkeypatch):
    monkeypatch.setattr(examination, "try_tensorflow", lambda *_: [Finding("training", "failed", BROKEN)])
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "  broken  training: failed" in out
    assert out.splitlines()[-1].startswith("1 is broken")


@pytest.mark.parametrize("seconds", ["-1", "601"])
def test_seconds_have_a_range(capsys, seconds):
    assert main(["doctor", "--seconds", seconds]) == 2
    assert f"--seconds is {seconds}: it must be from 0 to 600." in capsys.readouterr().err


def test_it_runs_where_the_protos_cannot_be_imported():
    # Neither protobuf nor anything above it may be needed on the way to the report.
    program = (
        "import sys\nfrom easymtl.doctor import examination\nfrom easymtl.cli import main\n"
        "for name in ('google', 'numpy', 'pyarrow', 'tensorflow', 'rich'): sys.modules[name] = None\n"
        "examination.try_tensorflow = lambda *_: []\nsys.exit(main(['doctor']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr == ""
    assert "  broken  machine: could not be looked at" in done.stdout
    assert "  ok      processor: " in done.stdout and done.stdout.splitlines()[-1].startswith("2 are broken")


@pytest.mark.slow
def test_it_trains_in_a_process_of_its_own(capsys, tmp_path, monkeypatch):
    # A module of the current folder must not be taken for another one.
    (tmp_path / "random.py").write_text("raise SystemExit('taken from the current folder')")
    monkeypatch.chdir(tmp_path)
    main(["doctor", "--json", "--seconds", "1"])
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)["findings"]}
    assert found["TensorFlow"]["standing"] == found["training"]["standing"] == "ok", found
    assert "steps on made-up rows" in found["training"]["text"]
    assert {path.name for path in tmp_path.iterdir()} == {"random.py"}
