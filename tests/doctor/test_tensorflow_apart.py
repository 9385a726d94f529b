"""What becomes of a process that imports TensorFlow and trains."""

import json
import subprocess
import sys

import pytest

from easymtl.doctor import tensorflow_apart
from easymtl.doctor.finding import BROKEN, OK

IMPORTED = {"stage": "import", "version": "2.21.0", "seconds": 3.0}
DEVICES = {"stage": "devices", "is_built_with_cuda": True, "gpus": ["L4"]}
TRAINED = {"stage": "training", "steps": 90, "examples_per_second": 1e5, "loss": 0.5}


def told(*stages):
    noise = "a line of a library\n"
    return tensorflow_apart.stages(noise + "".join(f"{json.dumps(stage)}\n" for stage in stages))


def test_a_trial_that_goes_well():
    found = list(tensorflow_apart.findings(told(IMPORTED, DEVICES, TRAINED), 5, "", ""))
    assert [one.standing for one in found] == [OK, OK, OK]
    assert found[2].text == "90 steps on made-up rows, 100,000 examples/s, loss 0.50"
    assert len(list(tensorflow_apart.findings(told(IMPORTED, DEVICES), 0, "", ""))) == 2


@pytest.mark.parametrize(
    ("stages", "code", "errors", "name", "says", "advises"),
    [
        ([], -4, "", "importing TensorFlow", "ended by SIGILL", "lacks an instruction"),
        ([IMPORTED, DEVICES], -9, "", "training", "ended by SIGKILL", "memory"),
        ([IMPORTED, DEVICES], 1, "Traceback (most\n  x\nValueError: no\n", "training", "failed: ValueError: no", ""),
        ([IMPORTED, DEVICES], 1, "abort\nfirst\n", "training", "failed: abort | first", ""),
        ([IMPORTED, DEVICES, TRAINED], -11, "", "ending", "ended by SIGSEGV", "virtual environment"),
        ([IMPORTED, DEVICES], 0, "", "training", "nothing was told", ""),
    ],
)
def test_a_trial_that_breaks_says_where_and_why(stages, code, errors, name, says, advises):
    last = list(tensorflow_apart.findings(told(*stages), 5, *tensorflow_apart.why(code, errors)))[-1]
    assert (last.name, last.standing) == (name, BROKEN)
    assert says in last.text and advises in last.advice


@pytest.fixture
def python(tmp_path, monkeypatch):
    """Puts a program in the place of Python, which does what a line of a shell says."""

    def put(line):
        program = tmp_path / "python"
        program.write_text(f"#!/bin/sh\n{line}\n")
        program.chmod(0o755)
        monkeypatch.setattr(tensorflow_apart.sys, "executable", str(program))

    return put


@pytest.mark.skipif(sys.platform == "win32", reason="there is no sh")
def test_a_process_that_ends_itself_is_a_finding(python):
    python(f"echo '{json.dumps(IMPORTED)}'; kill -ILL $$")
    first, last = tensorflow_apart.try_tensorflow(5)
    assert first.standing == OK
    assert (last.name, last.text) == ("asking for devices", "failed: the process was ended by SIGILL")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no sh")
def test_a_process_that_hangs_is_given_up(python, monkeypatch):
    monkeypatch.setattr(tensorflow_apart, "_MOST_SECONDS", 0)
    python(f"echo '{json.dumps(IMPORTED)}'; exec sleep 60")
    first, last = tensorflow_apart.try_tensorflow(1.5)
    assert (first.standing, last.standing) == (OK, BROKEN)
    assert last.text == "failed: it was not over after 2 s"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="PYTHONSAFEPATH is of Python 3.11")
def test_a_module_of_the_current_folder_is_not_taken_for_another(tmp_path):
    (tmp_path / "platform.py").write_text("raise SystemExit(3)")
    command = [sys.executable, "-m", "easymtl.doctor.versions"]
    assert subprocess.run(command, cwd=tmp_path, env=tensorflow_apart._environment(), check=False).returncode == 0


def test_a_loss_that_is_no_number_is_broken():
    line = json.dumps({**TRAINED, "loss": float("nan")})
    found = list(tensorflow_apart.findings(tensorflow_apart.stages(line), 5, "", ""))
    assert found[0].standing == BROKEN
