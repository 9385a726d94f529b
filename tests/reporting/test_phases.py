"""What is said of what is being done, in a terminal and in a pipe."""

import threading

import pytest

from easymtl.reporting import phases
from easymtl.reporting.output import current, speaking
from easymtl.reporting.phases import LivePhases, PlainPhases, clock_text, live_text, phase, phase_text
from easymtl.reporting.status import StatusLine


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_live_line_says_what_and_for_how_long(make_terminal):
    stream, clock = make_terminal(), Clock()
    line = StatusLine(stream, seconds_between=60.0)
    live = LivePhases(line, clock)
    live.begin("reading", "3 files")
    clock.seconds = 63.0
    line._draw()
    live.close()
    assert "reading: 3 files ...  0:00" in stream.getvalue()
    assert "reading: 3 files ...  1:03" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[2K")


def test_the_time_is_whole_however_long_the_detail():
    assert live_text("reading: " + "x" * 100, 3.0, 30) == "reading: xxxxxxxxxx… ...  0:03"
    assert phase_text("training") == "training"
    assert clock_text(3725.9) == "1:02:05"


@pytest.fixture
def plain(make_pipe):
    clock, pipe = Clock(), make_pipe()
    found = PlainPhases(pipe, patience=2.0, again=30.0, clock=clock)
    # The thread looks at a clock that stands still.
    yield found, clock, pipe
    found.close()


def test_a_pipe_hears_of_a_phase_that_takes_long_once_and_then_rarely(plain):
    found, clock, pipe = plain
    found.begin("starting TensorFlow")
    for clock.seconds in (0.0, 1.9):
        found.look()
    assert pipe.text() == ""
    for clock.seconds in (2.0, 3.0, 31.9):
        found.look()
    assert pipe.text() == "starting TensorFlow ...\n"
    clock.seconds = 65.0
    found.look()
    assert pipe.text().splitlines()[1:] == ["starting TensorFlow ... (1:05)"]


def test_a_pipe_hears_nothing_of_a_phase_that_others_tell_of(plain):
    found, clock, pipe = plain
    found.begin("training")
    for clock.seconds in (1.0, 20.0, 45.0):
        found.put_off()
        clock.seconds += 9.0
        found.look()
    assert pipe.text() == ""
    clock.seconds = 90.0
    found.look()
    assert pipe.text() == "training ... (1:30)\n", "they have fallen silent"


def test_a_pipe_hears_nothing_of_what_is_soon_over(plain):
    found, clock, pipe = plain
    found.begin("reading")
    clock.seconds = 1.0
    found.begin("building")
    clock.seconds = 2.5
    found.look()
    found.end()
    clock.seconds = 90.0
    found.look()
    assert pipe.text() == ""


def test_where_no_command_runs_nothing_is_said(capsys):
    phases.begin("reading")
    with phase("building"):
        pass
    assert capsys.readouterr() == ("", "")
    assert current().verb == ""


def test_a_command_leaves_no_thread(capsys):
    with speaking("check"):
        phases.begin("reading")
    assert not any(thread.name.startswith("easymtl-") for thread in threading.enumerate())


def test_phases_speak_before_anything_heavy_is_imported():
    import subprocess
    import sys

    code = (
        "import sys, easymtl.reporting.output as output\n"
        "from easymtl.training.events import Phase\n"
        "sys.exit(str([n for n in ('tensorflow', 'rich', 'numpy', 'google.protobuf') if n in sys.modules] or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
