import pytest

from easymtl.launch.restarts import run_with_restarts, signal_text
from easymtl.launch.workers import Ended


def run(codes, restarts, stopped_at=None):
    told, slept, left = [], [], list(codes)

    def is_stopped():
        return stopped_at is not None and len(codes) - len(left) >= stopped_at

    def once():
        return Ended(left.pop(0), 1)

    code = run_with_restarts(once, restarts, is_stopped, told.append, slept.append)
    return code, told, slept, left


def test_what_ends_well_is_not_started_again():
    assert run([0], 3) == (0, [], [], [])


def test_what_fails_is_started_again_later_each_time():
    code, told, slept, left = run([75, 137, 0], 5)
    assert (code, sum(slept), left) == (0, 3.0, [])
    assert told[0] == (
        "Worker 1 has ended with exit code 75. All workers start again in 1 s, from the newest checkpoint "
        "(restart 1 of 5)."
    )
    assert "exit code 137 (SIGKILL, as when the system is out of memory)" in told[1]


def test_no_more_often_than_allowed():
    code, told, slept, _ = run([75, 75, 76], 2)
    assert (code, sum(slept)) == (76, 3.0)
    assert told[-1].startswith("Worker 1 has ended with exit code 76, after 2 restarts.")
    assert run([75], 0)[0] == 75


@pytest.mark.parametrize("code", [2, 130])
def test_what_would_be_the_same_the_next_time_is_not_started_again(code):
    found, told, slept, _ = run([code], 5)
    assert (found, slept) == (code, [])
    assert "Worker 1" in told[0]


def test_nothing_starts_behind_a_signal():
    assert run([75, 0], 5, stopped_at=1)[0] == 75


def test_a_signal_ends_the_wait():
    slept = []
    code = run_with_restarts(lambda: Ended(75, 1), 9, lambda: len(slept) == 3, lambda _: None, slept.append)
    assert code == 75 and slept == [0.5, 0.5, 0.5]


def test_waits_are_bounded():
    seconds = [int(text.split("start again in ")[1].split()[0]) for text in run([75] * 20, 19)[1][:-1]]
    assert seconds == [1, 2, 4, 8, 16, 32, *[60] * 13] and sum(run([75] * 20, 19)[2]) == sum(seconds)


def test_only_signals_are_named():
    assert signal_text(143) == " (SIGTERM)" and signal_text(1) == ""
