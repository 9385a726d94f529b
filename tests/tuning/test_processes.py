"""What is said between a search and the process of a training, with processes that train nothing."""

import io
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor, TimeoutError
from types import SimpleNamespace

import pytest

from easymtl.checkpoints.lock import TrainingLock
from easymtl.errors import StopTraining, UserError
from easymtl.tuning import processes, worker
from easymtl.tuning.processes import ProcessRunner
from easymtl.tuning.trainings import Training
from easymtl.tuning.worker import Told, wait_for_the_one_before
from tests.api.shop import CONFIG

BEGIN = """
import json, os, signal, sys, time
wish = json.loads(sys.stdin.readline())
def say(**record): print(json.dumps(record), flush=True)
"""
EVALUATE = """
say(event="progress", step=5, share=0.5)
say(event="evaluated", step=10, metrics={"auc_click": 0.7}, is_best=True)
answer = sys.stdin.readline().strip()
say(event="ended", is_stopped=answer != "go", evaluations=[{"step": 10, "metrics": wish, "is_best": True}])
"""


def make(tmp_path, program: str, decide=lambda evaluation: True, is_stopped=lambda: False):
    told = []
    training = Training(tmp_path / "x.config", ("a=1",), tmp_path / "trial_000" / "seed_0", {"a": "1"})
    runner = ProcessRunner(is_stopped, [sys.executable, "-c", BEGIN + program])
    return runner(training, decide, lambda step, share: told.append((step, share))), told


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_training_is_told_what_to_train_and_whether_to_go_on(tmp_path, goes_on):
    seen = []
    outcome, told = make(tmp_path, EVALUATE, lambda evaluation: seen.append(evaluation["step"]) or goes_on)
    assert seen == [10] and told == [(5, 0.5)]
    assert outcome.is_stopped is not goes_on and not outcome.error
    wish = outcome.evaluations[0]["metrics"]
    assert wish == {"config": str(tmp_path / "x.config"), "overrides": ["a=1"], "settings": {"a": "1"}}


def test_a_mistake_of_the_user_is_the_reason_and_no_second_try_helps(tmp_path):
    outcome, _ = make(tmp_path, 'say(event="failed", text="x.config:3: wrong"); sys.exit(2)')
    assert (outcome.error, outcome.is_killed) == ("x.config:3: wrong", False)


def test_a_process_that_was_killed_says_by_what_and_shows_the_end_of_its_log(tmp_path):
    outcome, _ = make(tmp_path, 'print("so far", file=sys.stderr, flush=True); os.kill(os.getpid(), signal.SIGKILL)')
    assert outcome.is_killed and "SIGKILL" in outcome.error and "so far" in outcome.error
    assert str(tmp_path / "trial_000" / "seed_0.log") in outcome.error


def test_a_process_that_fails_by_itself_is_not_tried_again(tmp_path):
    outcome, _ = make(tmp_path, 'raise RuntimeError("no memory left")')
    assert not outcome.is_killed and "code 1" in outcome.error and "no memory left" in outcome.error


def test_a_training_is_ended_when_the_search_is(tmp_path):
    polite = (
        "signal.signal(signal.SIGTERM, lambda *_: (say(event='ended', is_stopped=True, evaluations=[]), sys.exit()))"
    )
    ready = tmp_path / "ready"
    program = f"{polite}\nopen({str(ready)!r}, 'w').close()\ntime.sleep(60)"
    outcome, _ = make(tmp_path, program, is_stopped=ready.exists)
    assert outcome.is_stopped and not outcome.error
    rude = f"open({str(ready)!r}, 'w').close()\ntime.sleep(60)"
    ready.unlink()
    outcome, _ = make(tmp_path, rude, is_stopped=ready.exists)
    assert outcome.is_stopped and not outcome.error, "it was told to end, so that its death is no failure"


def test_a_training_that_does_not_end_when_it_is_told_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "_PATIENCE_SECONDS", 0.3)
    ready = tmp_path / "ready"
    deaf = f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\nopen({str(ready)!r}, 'w').close()\ntime.sleep(20)"
    begin = time.monotonic()
    outcome, _ = make(tmp_path, deaf, is_stopped=ready.exists)
    assert outcome.is_stopped and time.monotonic() - begin < 15


def test_no_process_is_left_where_something_goes_wrong_here(tmp_path):
    def fail(evaluation):
        raise MemoryError(evaluation["step"])

    program = 'say(event="evaluated", step=os.getpid(), metrics={}, is_best=True)\ntime.sleep(20)'
    with pytest.raises(MemoryError) as error:
        make(tmp_path, program, fail)
    with pytest.raises(ProcessLookupError):
        os.kill(error.value.args[0], 0)


def evaluated() -> SimpleNamespace:
    from easymtl.training import events

    return events.Evaluated(10, {"auc_click": 0.7, "auc_buy": float("nan")}, 100, 1.0, is_best=True)


def test_a_callback_tells_evaluations_and_does_what_the_answer_says():
    channel = io.StringIO()
    told = Told(io.StringIO("go\nstop\n"), channel)
    told(evaluated())
    with pytest.raises(StopTraining):
        told(evaluated())
    assert told.is_judged
    expected = {"event": "evaluated", "step": 10, "metrics": {"auc_click": 0.7, "auc_buy": None}, "is_best": True}
    assert [json.loads(line) for line in channel.getvalue().splitlines()] == [expected, expected]


def test_a_callback_ends_the_training_when_nobody_is_there_any_more_or_at_a_signal():
    with pytest.raises(StopTraining):
        Told(io.StringIO(""), io.StringIO())(evaluated())
    told = Told(io.StringIO("go\n"), io.StringIO())
    told.end()
    with pytest.raises(StopTraining):
        told(evaluated())
    assert not told.is_judged

    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    with pytest.raises(StopTraining):
        Told(io.StringIO("go\n"), Gone())(evaluated())


def test_a_training_waits_for_the_one_that_a_killed_command_has_left(tmp_path):
    told = Told(io.StringIO(), io.StringIO())
    left = TrainingLock(tmp_path)
    with left, ThreadPoolExecutor(1) as other:
        waits = other.submit(wait_for_the_one_before, tmp_path, told)
        with pytest.raises(TimeoutError):
            waits.result(timeout=0.3)
        left.__exit__()
        waits.result(timeout=10)


@pytest.mark.parametrize("why", ["told to end", "alone"])
def test_a_training_that_nobody_wants_any_more_does_not_begin(tmp_path, monkeypatch, why):
    told = Told(io.StringIO(), io.StringIO())
    if why == "alone":
        monkeypatch.setattr("os.getppid", lambda: 1 - os.getpid())
    else:
        told.end()
    with TrainingLock(tmp_path), pytest.raises(StopTraining):
        wait_for_the_one_before(tmp_path, told)


def test_who_waits_too_long_is_told_who_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr("easymtl.tuning.worker._PATIENCE_SECONDS", 0.0)
    with TrainingLock(tmp_path), pytest.raises(UserError, match=rf"process {os.getpid()} on .* trains since"):
        wait_for_the_one_before(tmp_path, Told(io.StringIO(), io.StringIO()))


@pytest.mark.parametrize(("is_stopped", "is_judged", "is_written"), [(0, 0, 1), (1, 1, 1), (1, 0, 0)])
def test_tensorboard_has_the_settings_of_a_training_that_is_over(
    tmp_path, monkeypatch, capfd, is_stopped, is_judged, is_written
):
    def train(config, told):
        told.is_judged = bool(is_judged)
        return bool(is_stopped)

    written = []
    (tmp_path / "shop.config").write_text(CONFIG)
    wish = {"config": str(tmp_path / "shop.config"), "overrides": ["train_config.seed=7"], "settings": {"a": "1"}}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(wish) + "\n"))
    monkeypatch.setattr("os.dup2", lambda *_: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr(worker, "_train", train)
    monkeypatch.setattr(worker, "evaluations_of", lambda model_dir: [])
    monkeypatch.setattr(worker, "_write_hparams", lambda config, settings, evaluations: written.append(settings))
    assert worker.main() == 0
    assert written == [{"a": "1"}] * is_written
    assert json.loads(capfd.readouterr().out) == {"event": "ended", "is_stopped": bool(is_stopped), "evaluations": []}
