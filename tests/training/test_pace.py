"""How far a training is: by steps or by passes over the data, whichever ends it."""

import types

import pytest

from easymtl.training import pace as pace_module
from easymtl.training.pace import Pace


class Clock:
    """A clock that tests move."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(pace_module.time, "perf_counter", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def feed(progress: float = 0.0, wait_seconds: float = 0.0):
    return types.SimpleNamespace(progress=progress, wait_seconds=wait_seconds)


def test_examples_per_second_and_time_left(clock):
    source = feed()
    pace = Pace(source, 0, num_steps=10, num_epochs=0)
    for _ in range(4):
        pace.count(50, 0.0)
    clock.now += 8.0
    source.wait_seconds = 2.0
    event = pace.progress(4, {"loss": 1.0}, (0.1, 0.1))
    assert event.examples_per_second == pytest.approx(25.0)
    assert event.wait_share == pytest.approx(0.25)
    assert event.share == pytest.approx(0.4)
    assert event.seconds_left == pytest.approx(12.0)


def test_time_for_evaluation_is_left_out(clock):
    pace = Pace(feed(), 0, num_steps=10, num_epochs=0)
    clock.now += 500.0
    pace.restart()
    pace.count(10, 0.0)
    clock.now += 1.0
    assert pace.progress(1, {}, (0.1, 0.1)).examples_per_second == pytest.approx(10.0)
    assert pace.seconds_since_restart == pytest.approx(1.0)


def test_a_continued_training_counts_from_where_it_began(clock):
    pace = Pace(feed(), 50, num_steps=100, num_epochs=0)
    clock.now += 10.0
    event = pace.progress(60, {}, (0.1, 0.1))
    assert event.share == pytest.approx(0.6)
    assert event.seconds_left == pytest.approx(40.0)


def test_epochs_may_end_it_first(clock):
    # The feed may be further than the steps are.
    source = feed()
    pace = Pace(source, 0, num_steps=1000, num_epochs=2)
    source.progress = 1.9
    pace.count(50, 1.0)
    clock.now += 10.0
    event = pace.progress(10, {}, (0.1, 0.1))
    assert event.share == pytest.approx(0.5)
    assert event.seconds_left == pytest.approx(10.0)


def test_without_an_end_nothing_is_said_about_it(clock):
    pace = Pace(feed(), 0, num_steps=0, num_epochs=0)
    clock.now += 10.0
    event = pace.progress(10, {}, (0.1, 0.1))
    assert event.share is None and event.seconds_left is None
