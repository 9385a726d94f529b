import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from easymtl.launch.workers import Workers, _end_with_parent

WAITS = "import signal, time\nprint('here', flush=True)\ntime.sleep(60)"
SAVES = """
import signal, sys, time
def stop(*_):
    print("saved", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("here", flush=True)
time.sleep(60)
"""
DEAF = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('here', flush=True)\ntime.sleep(60)"
ENDS = "import sys\nsys.exit({code})"


class Heard(list):
    def __call__(self, index, line):
        self.append((index, line))

    def wait_for(self, *lines):
        for _ in range(1000):
            if all(line in self for line in lines):
                return
            time.sleep(0.02)
        raise AssertionError(f"{lines} are not among {self}")


def started(heard, *programs):
    commands = [[sys.executable, "-c", program] for program in programs]
    return Workers(commands, [dict(os.environ)] * len(programs), heard)


def test_lines_of_both_streams_arrive_whole_with_their_worker():
    heard = Heard()
    program = "import sys\nsys.stdout.write('a\\nb')\nsys.stdout.flush()\nprint('c', file=sys.stderr)"
    ended = started(heard, program, "print('x' * 200_000)").wait()
    assert (ended.code, ended.codes) == (0, [0, 0])
    assert (0, "a") in heard and (0, "bc") in heard and (1, "x" * 200_000) in heard


def test_a_last_line_without_an_end_is_heard():
    heard = Heard()
    started(heard, "import sys\nsys.stdout.write('end')").wait()
    assert heard == [(0, "end")]


def test_one_that_ends_badly_ends_all_and_its_code_is_that_of_all():
    heard = Heard()
    begin = time.monotonic()
    ended = started(heard, WAITS, ENDS.format(code=7)).wait(follow=0.2)
    assert (ended.code, ended.index, ended.codes) == (7, 1, [128 + signal.SIGTERM, 7])
    assert time.monotonic() - begin < 20


def test_one_that_ends_well_ends_nobody():
    ended = started(Heard(), "import time\ntime.sleep(1)\nprint('done')", ENDS.format(code=0)).wait(follow=0.1)
    assert ended.codes == [0, 0]


def test_one_that_does_not_listen_is_killed():
    heard = Heard()
    workers = started(heard, DEAF, "import time\ntime.sleep(1.5)\nraise SystemExit(3)")
    ended = workers.wait(follow=0.1, end=0.3)
    assert (ended.code, ended.codes) == (3, [137, 3])


def test_the_code_of_a_lost_peer_is_told_only_where_nobody_knows_better():
    ended = started(Heard(), ENDS.format(code=75), "import time\ntime.sleep(1)\nraise SystemExit(2)").wait()
    assert (ended.code, ended.index) == (2, 1)
    assert started(Heard(), ENDS.format(code=75), ENDS.format(code=0)).wait().code == 75


def test_one_that_is_stopped_is_killed_and_is_not_what_has_failed():
    heard = Heard()
    workers = started(heard, "import time\ntime.sleep(1)\nraise SystemExit(75)", WAITS)
    workers._workers[1].process.send_signal(signal.SIGSTOP)
    ended = workers.wait(follow=0.1, end=0.3)
    assert (ended.code, ended.index, ended.codes) == (75, 0, [75, 137])


def test_a_signal_is_told_as_a_shell_does():
    ended = started(Heard(), "import os\nos.kill(os.getpid(), 9)", ENDS.format(code=75)).wait()
    assert (ended.code, ended.index) == (137, 0)


def test_a_signal_is_handed_on_and_all_have_time_to_save():
    heard = Heard()
    workers = started(heard, SAVES, SAVES)
    ended = []
    thread = threading.Thread(target=lambda: ended.append(workers.wait()))
    thread.start()
    heard.wait_for((0, "here"), (1, "here"))
    workers.send(signal.SIGTERM)
    thread.join(20)
    assert ended[0].codes == [0, 0]
    assert (0, "saved") in heard and (1, "saved") in heard


@pytest.mark.skipif(sys.platform != "linux", reason="the system has to tell")
def test_workers_end_with_a_launcher_that_is_killed():
    program = (
        "import os, sys\nfrom easymtl.launch.workers import Workers\n"
        f"Workers([[sys.executable, '-c', {WAITS!r}]], [dict(os.environ)], lambda i, line: None)\n"
        "import easymtl.launch.workers as w, subprocess\n"
        "print(open(f'/proc/self/task/{os.getpid()}/children').read(), flush=True)\n"
        "import time; time.sleep(60)"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    launcher = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environ)
    worker = int(launcher.stdout.readline())
    launcher.kill()
    launcher.wait()
    launcher.stdout.close()
    for _ in range(500):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.02)
    os.kill(worker, 9)
    raise AssertionError("it lives on")


@pytest.mark.skipif(sys.platform != "linux", reason="the system has to tell")
def test_a_worker_whose_launcher_was_killed_before_it_began_ends():
    process = os.fork()
    if not process:
        _end_with_parent(os.getpid())  # Of some other process, as that of a launcher that is gone.
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
