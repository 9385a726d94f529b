import os
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

import easymtl
from easymtl.errors import EXIT_PEER_LOST, Interrupted, PeersError
from easymtl.peers.cluster import Cluster
from easymtl.peers.ending import first_line, is_of_connection
from easymtl.peers.lines import Link
from easymtl.peers.signs import PATIENCE, Signs, SignsOfLife
from easymtl.peers.together import together

ADDRESSES = ("a:1", "b:2", "c:3")


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Three:
    """Three workers whose clocks are one, and whose threads are this test."""

    def __init__(self):
        self.clock, self.ends = Clock(), []
        ours, theirs = zip(*(socket.socketpair() for _ in range(2)))
        links = [{1: Link(ours[0]), 2: Link(ours[1])}, {0: Link(theirs[0])}, {0: Link(theirs[1])}]
        self.workers = [
            SignsOfLife(Cluster(index, 3, ADDRESSES), links[index], self.ends.append, 25.0, self.clock)
            for index in range(3)
        ]

    def pass_(self, seconds, who=(0, 1, 2)):
        """Lets time go by, in which the threads of some of them run; returns the first verdict of each of them."""
        found = {}
        for _ in range(int(seconds * 2)):
            self.clock.now += 0.5
            for index in who:
                verdict = self.workers[index].look()
                if verdict:
                    found.setdefault(index, (verdict, self.clock.now))
            if found:
                break
        return found

    def beat(self, *phases, step=1):
        for worker, phase in zip(self.workers, phases):
            worker.beat(phase, step)


@pytest.fixture
def three():
    return Three()


def test_as_long_as_all_go_on_nothing_is_found(three):
    for step in range(40):
        three.beat("reading", "reading", "evaluating", step=step)
        assert three.pass_(2) == {}


def test_a_process_that_is_stopped_is_missed_by_the_chief(three):
    three.beat("reading", "training", "reading")
    assert three.pass_(2) == {}
    begin, found = three.clock.now, {}
    while not found and three.clock.now < begin + 60:
        three.workers[0].beat("reading", 1)
        three.workers[2].beat("reading", 1)
        found = three.pass_(1, who=(0, 2))
    [(index, (verdict, at))] = found.items()
    assert index == 0 and verdict.index == 1
    assert 22 < at - begin < 27
    assert "has given no sign of life" in verdict.text and "last sign: training, step 1" in verdict.text


def test_a_chief_that_is_stopped_is_missed_by_all_others(three):
    begin, found = three.clock.now, {}
    while not found and three.clock.now < begin + 60:
        found = three.pass_(1, who=(1, 2))
    assert {index: verdict.index for index, (verdict, _) in found.items()} == {1: 0, 2: 0}
    assert three.clock.now - begin < 27


@pytest.mark.parametrize("still", [0, 1, 2])
def test_a_main_thread_that_stands_still_is_found_though_its_process_sends_on(three, still):
    begin, found = three.clock.now, {}
    three.workers[still].beat("reading", 3)
    others = [index for index in range(3) if index != still]
    with ExitStack() as stack:
        for index in others:
            # These wait for it in the step.
            three.workers[index].beat("training", 4)
            stack.enter_context(three.workers[index].waiting())
        while not found and three.clock.now < begin + 60:
            found = three.pass_(1)
    verdict, at = found[0]
    assert verdict.index == still and 25 < at - begin < 28
    assert "last sign: reading, step 3" in verdict.text


def test_long_phases_and_followed_progress_are_no_standstill(three):
    three.beat("tracing", "building", "saving")
    assert three.pass_(100) == {}
    assert set(three.pass_(100)) == {0}, "saving has 120 s"
    assert PATIENCE["tracing"] > 200


def test_what_is_done_in_between_has_its_own_patience_and_the_phase_before_goes_on(three):
    three.beat("training", "training", "training")
    with ExitStack() as stack:
        for worker in three.workers:
            stack.enter_context(worker.doing("exporting"))
        assert three.pass_(PATIENCE["exporting"] - 10) == {}
    assert three.pass_(24) == {}
    verdict, _ = three.pass_(5)[0]
    assert "last sign: training, step 1" in verdict.text


def test_every_patience_is_of_a_phase_that_somebody_tells():
    source = "".join(path.read_text() for path in (Path(easymtl.__file__).parent).rglob("*.py"))
    told = set(re.findall(r'(?:\bbeat|\bdoing|\bgather|\bPhase)\(\s*"([^"]+)"', source))
    assert set(PATIENCE) <= told


def test_steps_that_are_always_slow_are_waited_for(three):
    three.beat("training", "training", "training")
    for seconds in (20, 20, 150):
        with ExitStack() as stack:
            for worker in three.workers:
                stack.enter_context(worker.waiting())
            assert three.pass_(seconds) == {}, "ten times the longest step so far"


def test_what_goes_on_by_small_ticks_is_no_standstill_and_stays_what_it_is(three):
    three.beat("training", "reading", "training")
    with three.workers[0].waiting(), three.workers[2].waiting():
        for _ in range(4):
            assert three.pass_(20) == {}
            three.workers[1].tick()
            # A thread of a worker whose main thread waits for the others.
            three.workers[2].tick()
        verdict, _ = three.pass_(27)[0]
    assert verdict.index == 1 and "last sign: reading" in verdict.text


def test_behind_a_common_step_each_is_asked_for_signs_again(three):
    three.beat("training", "training", "training")
    with three.workers[1].waiting():
        assert three.pass_(5) == {}
    three.workers[0].beat()
    three.workers[2].beat()
    assert three.pass_(21) == {}
    three.workers[0].beat()
    three.workers[2].beat()
    verdict, _ = three.pass_(10)[0]
    assert verdict.index == 1


def test_a_process_that_was_stopped_itself_blames_nobody(three):
    three.pass_(1)
    three.clock.now += 3600
    assert all(worker.look() is None for worker in three.workers)
    three.beat("reading", "reading", "reading")
    assert three.pass_(20) == {}


def test_an_end_without_a_word_is_known_at_once_and_handed_on(three, monkeypatch):
    monkeypatch.setattr("easymtl.peers.signs.end_process", lambda speak: speak())
    three.pass_(2)
    three.workers[1]._links[0].close()
    verdict, _ = three.pass_(2, who=(0,))[0]
    assert verdict.index == 1 and "has ended without a word" in verdict.text
    three.workers[0]._conclude(verdict)
    three.workers[2]._conclude(three.workers[2].look())
    assert len(three.ends) == 2
    for text in three.ends:
        assert text.startswith("worker 1 (b:2) has ended without a word") and "Run the same command again" in text


def test_a_worker_that_is_given_up_is_told_so_itself(three, monkeypatch):
    monkeypatch.setattr("easymtl.peers.signs.end_process", lambda speak: speak())
    three.workers[1].beat("reading", 3)
    found = {}
    while not found:
        three.workers[0].beat("reading", 4)
        three.workers[2].beat("reading", 4)
        found = three.pass_(1)
    three.workers[0]._conclude(found[0][0])
    three.workers[1]._conclude(three.workers[1].look())
    assert three.ends[-1].startswith("worker 1 (b:2), which is this process, does not go on")


def test_what_a_worker_has_failed_of_is_told_to_all(three):
    three.workers[2].fail(ValueError("row 7 is bad\nmore"))
    verdict = three.workers[0].look()
    assert (verdict.index, verdict.text, verdict.is_told) == (2, "has failed: row 7 is bad", True)


def test_who_fails_of_the_same_may_say_so_itself(three, monkeypatch):
    ended = []
    monkeypatch.setattr("easymtl.peers.signs.end_process", ended.append)
    three.workers[2].fail(ValueError("nan"))
    three.workers[0].fail(ValueError("nan"))
    three.workers[0]._conclude(three.workers[0].look())
    assert ended == []


def test_all_wait_for_the_end_of_the_chief(three):
    ended = []

    def finish(index):
        three.workers[index].finish()
        ended.append(index)

    threads = [threading.Thread(target=finish, args=(index,), daemon=True) for index in (1, 2)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    assert three.pass_(3) == {} and ended == []
    three.workers[0].beat("exporting", 9)
    assert three.pass_(600) == {} and ended == []
    last = threading.Thread(target=finish, args=(0,), daemon=True)
    last.start()
    last.join(10)
    for worker in three.workers[1:]:
        worker.look()
    for thread in threads:
        thread.join(10)
    assert sorted(ended) == [0, 1, 2]
    three.workers[0]._links[1].close()
    assert three.workers[1].look() is None, "the chief has ended, and may"


class UnavailableError(Exception):
    pass


UnavailableError.__module__ = "tensorflow.python.framework.errors_impl"


def test_errors_of_connections_are_told_from_all_others():
    assert is_of_connection(UnavailableError("x"))
    assert not is_of_connection(ValueError("x")) and not is_of_connection(ConnectionError("x"))
    assert first_line(UnavailableError("{{function_node a b}} Socket closed\nmore")) == "Socket closed"
    assert first_line(ValueError()) == "ValueError"


def test_when_tensorflow_is_first_the_quietest_is_named(three, monkeypatch):
    monkeypatch.setattr("easymtl.peers.signs._SECONDS_FOR_A_REASON", 0.05)
    three.pass_(1)
    three.pass_(8, who=(0, 2))
    with pytest.raises(PeersError, match="Socket closed"):
        three.workers[0].fail(UnavailableError("Socket closed"))
    assert three.workers[0].look().index == 1


def test_also_when_that_is_the_chief(three, monkeypatch):
    monkeypatch.setattr("easymtl.peers.signs._SECONDS_FOR_A_REASON", 0.05)
    three.pass_(1)
    three.pass_(8, who=(1, 2))
    with pytest.raises(PeersError, match="Socket closed"):
        three.workers[1].fail(UnavailableError("Socket closed"))
    verdict = three.workers[1].look()
    assert verdict.index == 0 and "does not answer TensorFlow" in verdict.text


def test_all_begin_a_phase_when_the_last_one_comes(three):
    begun = []

    def gather(index):
        three.workers[index].gather("joining")
        begun.append(index)

    threads = [threading.Thread(target=gather, args=(index,), daemon=True) for index in range(3)]
    for thread in threads[:2]:
        thread.start()
    time.sleep(0.3)
    three.workers[2].beat("starting TensorFlow")
    assert three.pass_(100) == {} and begun == []
    threads[2].start()
    for _ in range(100):
        three.pass_(1)
        time.sleep(0.05)
        if len(begun) == 3:
            break
    assert sorted(begun) == [0, 1, 2]


def test_a_single_process_has_nobody_to_meet_or_to_tell():
    with together(Cluster(), {}) as signs, signs.follow(lambda: 0.0):
        assert type(signs) is Signs
        signs.beat("reading", 1)


def test_a_worker_that_was_interrupted_has_done_its_work_as_the_others_have(monkeypatch):
    ended, ends = [], []
    monkeypatch.setattr("easymtl.peers.signs.end_process", lambda speak: speak())
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        addresses = tuple(f"127.0.0.1:{server.getsockname()[1]}" for server in (one, two))

    def work(index):
        with suppress(Interrupted), together(Cluster(index, 2, addresses), {}, lambda _: None, ends.append):
            if index == 1:
                raise Interrupted
        ended.append(index)

    threads = [threading.Thread(target=work, args=(index,), daemon=True) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(ended) == [0, 1] and ends == []


_CHILD = """
import os, socket, sys, threading, time
from easymtl.peers.cluster import Cluster
from easymtl.peers.lines import Link
from easymtl.peers.ending import say_on_standard_error
from easymtl.peers.signs import SignsOfLife
link = Link(socket.socket(fileno=int(sys.argv[1])))
signs = SignsOfLife(Cluster(1, 2, ("a:1", "b:2")), {0: link}, say_on_standard_error)
signs.start()
held = threading.Lock()
with held:
    held.acquire()
"""


def test_a_main_thread_that_waits_for_ever_does_not_keep_the_process():
    ours, theirs = socket.socketpair()
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    theirs.close()
    link = Link(ours)
    ours.setblocking(True)
    assert link.receive()[0]["phase"] == "starting"
    link.close()
    _, text = child.communicate(timeout=20)
    assert child.returncode == EXIT_PEER_LOST
    assert text.startswith("easymtl: worker 0 (a:1) has ended without a word")
