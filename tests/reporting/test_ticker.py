"""The status line goes on while something holds the interpreter's lock: a process of its own draws it."""

import os
import select
import signal
import subprocess
import time

import pytest

from easymtl.reporting import phases, ticker
from easymtl.reporting.status import StatusLine

SECONDS = 60


@pytest.fixture
def terminal():
    """A pseudo-terminal: what reads it, and the stream that writes to it."""
    leader, follower = os.openpty()
    with os.fdopen(follower, "w", encoding="utf-8") as stream:
        yield leader, stream
    os.close(leader)


def read_until(leader: int, words: str) -> str:
    """Returns what is said up to some words."""
    said, until = b"", time.monotonic() + SECONDS
    while words.encode() not in said:
        assert time.monotonic() < until, f"{words!r} is not in {said!r}"
        if select.select([leader], [], [], 0.1)[0]:
            said += os.read(leader, 1 << 16)
    return said.decode("utf-8")


def test_a_process_of_its_own_draws_the_line_with_its_time_and_takes_it_away(terminal, monkeypatch):
    leader, stream = terminal
    made, start = [], subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *given, **named: made.append(start(*given, **named)) or made[0])
    with ticker.ticking("starting TensorFlow", 59.5, stream):
        # Nothing of this process runs but what reads.
        read_until(leader, "starting TensorFlow ...  1:00")
        os.kill(made[0].pid, signal.SIGINT)
        read_until(leader, "starting TensorFlow ...  1:01")
    assert made[0].returncode == 0
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ()), "Ctrl-C is for the command again"
    assert read_until(leader, "\x1b[2K").endswith("\r\x1b[2K")


def test_where_there_is_no_descriptor_or_no_process_the_block_runs(monkeypatch, terminal):
    def none(*_, **__):
        raise OSError("no more processes")

    monkeypatch.setattr(subprocess, "Popen", none)
    done = []
    with ticker.ticking("starting", 0.0, terminal[1]):
        done.append(1)
    assert done


def test_the_phase_that_is_shown_is_the_one_that_is_held(monkeypatch, terminal):
    asked, now = [], iter([0.0, 10.0, 12.5, *[13.0] * 99])
    monkeypatch.setattr(phases, "ticking", lambda *given: asked.append(given))
    live = phases.LivePhases(StatusLine(terminal[1], seconds_between=1000), clock=lambda: next(now))
    live.begin("loading", "a model")
    live.held()
    live.close()
    ((text, seconds, stream),) = asked
    assert (text, stream) == ("loading: a model", terminal[1]) and 0 < seconds < 4
