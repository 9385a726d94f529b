import os
import threading
from concurrent.futures import CancelledError

import pyarrow as pa
import pytest

from easymtl.data.workers import MOST_THREADS, Workers, num_threads


@pytest.fixture
def one():
    workers = Workers(1, "test-worker")
    yield workers
    workers.close()
    workers.join()


def test_results_and_errors_come_by_their_futures(one):
    def fails():
        raise KeyError("lost")

    failing, adding = one.submit(fails), one.submit(sum, [1, 2])
    with pytest.raises(KeyError):
        failing.result(5)
    assert adding.result(5) == 3


def test_what_is_urgent_is_run_before_what_waits(one):
    hold, begun, order = threading.Event(), threading.Event(), []
    first = one.submit(lambda: begun.set() or hold.wait(5))
    assert begun.wait(5)
    usual = [one.submit(order.append, number) for number in (1, 2)]
    urgent = [one.urgent.submit(order.append, number) for number in (3, 4)]
    hold.set()
    for future in (first, *usual, *urgent):
        future.result(5)
    assert order == [3, 4, 1, 2]


def test_as_many_run_at_the_same_time_as_there_are_threads():
    workers = Workers(3, "test-worker")
    together = threading.Barrier(3)
    for future in [workers.submit(together.wait, 5) for _ in range(3)]:
        future.result(5)
    workers.close()
    workers.join()


def test_what_waits_behind_the_end_is_cancelled(one):
    hold, begun = threading.Event(), threading.Event()
    running = one.submit(lambda: begun.set() or hold.wait(5))
    assert begun.wait(5)
    waiting = one.submit(int)
    one.close()
    hold.set()
    assert running.result(5)
    for future in (waiting, one.submit(int), one.urgent.submit(int)):
        with pytest.raises(CancelledError):
            future.result(5)


@pytest.mark.parametrize("of_arrow", [1, 3, 100])
def test_there_are_as_many_as_arrow_has_as_long_as_each_has_a_processor(of_arrow):
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    before = pa.cpu_count()
    try:
        pa.set_cpu_count(of_arrow)
        assert num_threads() == min(of_arrow, allowed, MOST_THREADS)
    finally:
        pa.set_cpu_count(before)
