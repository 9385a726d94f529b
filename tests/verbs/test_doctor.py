"""`easymtl doctor` as a user runs it."""

import json
import subprocess
import sys

import pytest

from easymtl.cli import main
from easymtl.doctor import examination
from easymtl.doctor.finding import BROKEN, NOTE, Finding


@pytest.fixture
def no_tensorflow(monkeypatch):
    """Leaves the process with TensorFlow out, and returns the seconds that it was asked to train."""
    asked = []

    def trial(seconds):
        asked.append(seconds)
        return iter(())

    monkeypatch.setattr(examination, "try_tensorflow", trial)
    return asked


def test_the_report_can_be_pasted(capsys, no_tensorflow, tmp_path):
    code = main(["doctor", "--model_dir", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    titles = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert titles == ["versions:", "machine:", "protobuf:", "extras:", "extensions:", "TensorFlow:", "Next:"]
    assert all(line.isascii() for line in lines)
    assert no_tensorflow == [5]
    assert (code == 0) == any(line.startswith("Nothing is broken") for line in lines)


def test_json_is_one_object(capsys, no_tensorflow):
    main(["doctor", "--json", "--seconds", "0"])
    record = json.loads(capsys.readouterr().out)
    assert {"versions", "machine", "protobuf", "extras"} == {one["section"] for one in record["findings"]}
    assert {one["standing"] for one in record["findings"]} <= {"ok", "note", "broken"}
    assert no_tensorflow == [0]


def test_a_quiet_one_tells_what_is_not_right_and_the_verdict(capsys, monkeypatch):
    found = [Finding("easymtl", "fine"), Finding("rich", "old", NOTE)]
    monkeypatch.setattr(examination, "find_versions", lambda: found)
    for name in ("find_machine", "find_protobuf", "find_extras", "find_extensions", "try_tensorflow"):
        monkeypatch.setattr(examination, name, lambda *_: [])
    assert main(["doctor", "--quiet"]) == 0
    assert capsys.readouterr().out.splitlines() == ["versions:", "  note    rich: old", "Nothing is broken; 1 note."]


def test_as_lines_of_json(capsys, no_tensorflow):
    main(["doctor", "--log_format", "json"])
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {record["event"] for record in records} == {"phase", "result"}
    assert records[-2]["name"] == "importing TensorFlow"
    assert records[-1]["of"] == "examined" and records[-1]["findings"][0]["name"] == "easymtl"


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
    assert "  broken  protobuf: could not be looked at" in done.stdout and "  ok      memory: " in done.stdout
    assert "  ok      processor: " in done.stdout and done.stdout.splitlines()[-1].startswith("1 is broken")


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
