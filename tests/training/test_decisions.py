"""What workers decide, they decide for the same step."""

import numpy as np
import pytest

from easymtl.peers.peers import ENDS, NUM_FLAGS, ONE, SAVES, STOPS
from easymtl.protos.train_pb2 import TrainConfig
from easymtl.training import decisions
from easymtl.training.answers import Answer
from easymtl.training.decisions import Decisions
from tests.peers.threads import make_devices, together


@pytest.fixture(scope="module", autouse=True)
def devices():
    make_devices()


SETTINGS = TrainConfig(num_steps=10, save_checkpoints_secs=60, dead_line="29991231 23:59:59")


def seen(*flags: int) -> Answer:
    return Answer(False, 1, np.isin(np.arange(NUM_FLAGS), flags))


def test_one_worker_goes_by_its_own_clock_and_signals():
    is_asked = []
    alone = Decisions(SETTINGS, ONE, lambda: bool(is_asked))
    alone.begin()
    alone.before_step(61)
    assert not alone.is_stopping() and alone.is_checkpoint_due(1, 61) and not alone.is_checkpoint_due(1, 59)
    is_asked.append(True)
    assert alone.is_stopping() and alone.ask()


def test_any_worker_may_be_told_to_stop_and_the_clock_is_that_of_the_chief(monkeypatch):
    def work(workers):
        own = Decisions(SETTINGS, workers, lambda: workers.index == 1)
        own.before_step(61 if workers.index == 1 else 59)
        before = workers.flags.numpy().tolist()
        own.before_step(61)
        return before, workers.flags.numpy().tolist(), own.is_stopping(), own.is_checkpoint_due(1, 1e9)

    chief, other = together(2, work)
    assert chief == ([0, 0, 0], [0, 1, 0], False, False)
    assert other == ([1, 0, 0], [1, 0, 0], False, False)
    assert (STOPS, SAVES, ENDS) == (0, 1, 2)


def test_what_was_seen_stays_but_for_a_checkpoint_that_is_due():
    def work(workers):
        own = Decisions(SETTINGS, workers, lambda: False)
        own.after_step(seen(STOPS, SAVES, ENDS))
        first = (own.is_stopping(), own.is_checkpoint_due(1, 0.0), own.is_over(1))
        own.after_step(seen())
        then = (own.is_stopping(), own.is_checkpoint_due(1, 0.0), own.is_over(1))
        own.after_step(seen(SAVES))
        own.saved()
        return first, then, (own.is_stopping(), own.is_checkpoint_due(1, 0.0), own.is_over(1))

    assert together(2, work) == [((True, True, True), (True, False, True), (True, False, True))] * 2


@pytest.mark.parametrize("asked", [None, 0, 1])
def test_between_steps_all_workers_ask(asked):
    assert (
        together(2, lambda workers: Decisions(SETTINGS, workers, lambda: workers.index == asked).ask())
        == [asked is not None] * 2
    )


def test_a_time_that_is_over_before_the_first_step_is_so_for_all(monkeypatch):
    monkeypatch.setattr(decisions, "is_late", lambda settings: True)

    def work(workers):
        own = Decisions(SETTINGS, workers, lambda: False)
        own.begin()
        return own.is_over(0)

    assert together(2, work) == [True, True]
