"""The process that proves an export: it waits without holding anybody up, and outlives nobody."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from easymtl.features.machine_memory import Room
from easymtl.serving.parity import ask_apart
from easymtl.serving.proof_process import ProofProcess, begun_ahead

WAITING = (sys.executable, "-I", "-S", "-c", "import sys; sys.stdin.readline()")


@pytest.fixture
def copying(tmp_path):
    """A program that gives back what it is asked, once it has been told to."""
    program = tmp_path / "copies"
    lines = [f"#!{sys.executable} -IS", "import json, shutil, sys", "line = sys.stdin.readline()"]
    copy = "_, asked, given = json.loads(line)\nshutil.copytree(asked, given, dirs_exist_ok=True)\n"
    program.write_text("\n".join([*lines, copy]))
    program.chmod(0o700)
    return str(program)


def is_running(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{number}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_process_that_was_begun_before_is_asked_and_ends(copying):
    process = ProofProcess([copying])
    assert process.is_there
    found = ask_apart(Path("anywhere"), {"serving_default": {"x": pa.array([1, 2])}}, process)
    assert found["serving_default"]["x"].tolist() == [1, 2]
    assert not process.is_there


def test_one_that_is_gone_is_replaced(copying, monkeypatch):
    gone = ProofProcess(["/bin/false"])
    while gone.is_there:
        time.sleep(0.01)
    monkeypatch.setattr(sys, "executable", copying)
    assert list(ask_apart(Path("anywhere"), {"encoded": {"x": pa.array([1])}}, gone)) == ["encoded"]
    gone.close()


def test_one_that_nothing_comes_for_is_ended(copying, monkeypatch):
    monkeypatch.setattr(sys, "executable", copying)
    with pytest.raises(KeyboardInterrupt), begun_ahead() as process:
        assert process.is_there
        raise KeyboardInterrupt
    assert not is_running(process.number)
    process.close()


def test_none_is_begun_before_it_is_needed_where_memory_is_short(monkeypatch):
    monkeypatch.setattr(Room, "here", lambda: Room(available=1 << 29))
    with begun_ahead() as process:
        assert process is None


def test_it_ends_when_the_process_that_began_it_is_killed():
    program = (
        "import os, signal\n"
        "from easymtl.serving.proof_process import ProofProcess\n"
        f"process = ProofProcess({WAITING!r})\n"
        "print(process.number, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 60
    while is_running(int(done.stdout)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(int(done.stdout))
