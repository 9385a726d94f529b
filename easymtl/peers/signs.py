"""Signs of life: each worker knows within half a minute that another one is gone, hangs or has failed, and ends.

A thread of each process sends a word each second, and what its main thread has last done. Words go by way of the chief,
who judges: a connection that breaks is an end without a word, a silence is a process that was stopped or a host that is
gone, and a main thread that stands still while its process lives is a worker that hangs. A collective operation that
waits for such a worker would wait for ever, so it is this thread that ends the process. Nothing is half-written by
that: files appear whole (`checkpoints/publishing.py`), and the next start sweeps drafts.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from easymtl.errors import PeersError
from easymtl.peers.cluster import Cluster
from easymtl.peers.ending import end_process, first_line, is_of_connection
from easymtl.peers.judging import PATIENCE, SILENCE_SECONDS, Life, Verdict, hanging, silent, suspect
from easymtl.peers.lines import BrokenLink, Link, Record
from easymtl.peers.records import life_of, record_of

_TICK = 0.25
_SECONDS_BETWEEN_WORDS = 1.0
_PAUSE = 5.0
"""A tick that comes so late tells that this process itself was stopped: others are not to blame for their silence."""
_SECONDS_TO_END_BY_ITSELF = 5.0
_SECONDS_FOR_A_REASON = 3.0
_TIMES_THE_LONGEST_STEP = 10.0

GO_ON = "Run the same command again to go on from the newest checkpoint."


class Signs:
    """Those of a process that works alone: nobody asks for them."""

    def beat(self, phase: str = "", step: int = 0) -> None:
        """Tells that the main thread goes on; cheap enough for each step.

        Args:
            phase: what it begins to do, a name as of `training.events.Phase`; empty for more of the same.
            step: updates made; 0 for as many as before.
        """

    def tick(self) -> None:
        """Tells that what is being done goes on, whoever does it: a thread may that the main thread waits for."""

    @contextmanager
    def doing(self, phase: str) -> Iterator[None]:
        """Tells that the block is a phase, one of `PATIENCE` as a rule, behind which the one before it goes on."""
        yield

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Tells, while the block runs, that all workers do it together, and each may have to wait for the others."""
        yield

    @contextmanager
    def follow(self, progress: Callable[[], float]) -> Iterator[None]:
        """Takes each change of a number for a sign while a block runs: of what threads read, of what is written.

        Args:
            progress: returns the number; called once a second by a thread of its own.
        """
        yield

    def gather(self, phase: str) -> None:
        """Waits until all workers are about to begin a phase; sooner or later than others they come."""

    def finish(self) -> None:
        """Waits until all workers have done their work, so that none of them misses another one."""

    def fail(self, error: BaseException) -> None:
        """Tells the others why this worker ends."""


class SignsOfLife(Signs):
    """Those of one of several workers, and the watch over those of the others."""

    def __init__(
        self,
        cluster: Cluster,
        links: Mapping[int, Link],
        end: Callable[[str], None],
        silence: float = SILENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Watches nothing yet: see `start`.

        Args:
            cluster: who works together.
            links: as `meet` returns them.
            end: is told why this process has to end, by the thread that watches, and then it ends.
            silence: seconds without a word, or without a step of the main thread, behind which a worker is lost.
            clock: seconds.
        """
        self._cluster, self._links, self._end, self._silence, self._clock = cluster, dict(links), end, silence, clock
        now = clock()
        self._own = Life(now, now, patience=silence)
        self._others = {index: Life(now, now) for index in links}
        self._lock = threading.Lock()
        self._longest = 0.0
        self._suspected: Verdict | None = None
        self._is_ending = threading.Event()
        self._is_over = threading.Event()
        self._probes: list[Callable[[], float]] = []
        self._sent_at = self._ticked_at = now
        self._thread = threading.Thread(target=self._watch, daemon=True, name="easymtl-signs")

    def start(self) -> None:
        """Begins to send and to watch."""
        self._thread.start()

    def beat(self, phase: str = "", step: int = 0) -> None:
        """Tells that the main thread goes on; see `Signs`."""
        now, before = self._clock(), self._own
        name = phase or before.phase
        patience = max(PATIENCE.get(name, 0.0), self._silence)
        with self._lock:
            self._own = Life(now, now, name, max(step, before.step), patience=patience)

    def tick(self) -> None:
        """Tells that what is being done goes on; see `Signs`."""
        with self._lock:
            self._own = replace(self._own, beat_at=self._clock())

    @contextmanager
    def doing(self, phase: str) -> Iterator[None]:
        """Tells that the block is a phase; see `Signs`."""
        before = self._own.phase
        self.beat(phase)
        try:
            yield
        finally:
            self.beat(before)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Tells that all workers do together what the block does; see `Signs`."""
        begin, before = self._clock(), self._own
        # Slow machines make slow steps.
        patience = max(before.patience, _TIMES_THE_LONGEST_STEP * self._longest)
        with self._lock:
            self._own = replace(before, beat_at=begin, is_together=True, patience=patience)
        yield
        now = self._clock()
        self._longest = max(self._longest, now - begin)
        with self._lock:
            self._own = replace(before, beat_at=now)

    @contextmanager
    def follow(self, progress: Callable[[], float]) -> Iterator[None]:
        """Takes each change of a number for a sign while the block runs; see `Signs`."""
        is_over = threading.Event()

        def look() -> None:
            last = progress()
            while not is_over.wait(_SECONDS_BETWEEN_WORDS):
                now = progress()
                if now != last:
                    last = now
                    self.tick()

        # A thread of its own: a disk that is lost holds whoever looks at it.
        thread = threading.Thread(target=look, daemon=True, name="easymtl-progress")
        thread.start()
        try:
            yield
        finally:
            is_over.set()

    def gather(self, phase: str) -> None:
        """Waits until all workers are about to begin a phase: the chief for all others, and these for its word."""
        if not self._cluster.is_chief:
            self.beat(phase)
        with self.waiting():
            while not all(life.phase == phase for life in self._others.values()):
                self._is_over.wait(_TICK)
        if self._cluster.is_chief:
            self.beat(phase)
            self._send_all(record_of(self._own, self._clock()))

    def finish(self) -> None:
        """Waits until all have done their work; the chief, whose work is the longest, is the last one."""
        if self._cluster.is_chief:
            self._tell_own(is_together=True, patience=self._silence)
            while not all(life.is_done for life in self._others.values()):
                self._is_over.wait(_TICK)
        self._tell_own(is_done=True)
        self._send_all(record_of(self._own, self._clock()))
        if not self._cluster.is_chief:
            while not self._others[0].is_done and not self._is_over.is_set():
                self._is_over.wait(_TICK)
        self._is_over.set()

    def _tell_own(self, **changes: Any) -> None:
        """Changes what this worker says of itself; other threads of it do so, too."""
        with self._lock:
            self._own = replace(self._own, **changes)

    def fail(self, error: BaseException) -> None:
        """Tells the others why this worker ends.

        Raises:
            PeersError: it is another worker that has failed; the thread that watches may know better, and ends the
                process then.
        """
        if is_of_connection(error):
            self._await_reason(error)
        self._is_ending.set()
        self._send_all({"failed": first_line(error)})
        self._is_over.set()

    def _await_reason(self, error: BaseException) -> None:
        """Lets the thread end the process, which knows or hears in a moment whose connection it is that broke.

        Raises:
            PeersError: nobody knows.
        """
        # The chief hears of all of them, so that the others give it time to say whom it suspects.
        self._is_over.wait(_SECONDS_FOR_A_REASON * (1 if self._cluster.is_chief else 2))
        self._suspected = suspect(self._others, self._clock())
        self._is_over.wait(_SECONDS_FOR_A_REASON)
        self._is_ending.set()
        text = f"the connection with another worker broke: {first_line(error)}"
        self._send_all({"failed": text})
        self._is_over.set()
        raise PeersError(f"{text} All workers end. {GO_ON}") from error

    def _watch(self) -> None:
        while not self._is_over.wait(_TICK):
            try:
                verdict = self.look()
            except Exception as error:
                # Whatever this is, a training that nobody watches may not go on.
                verdict = Verdict(self._cluster.index, f"cannot watch the others: {first_line(error)}", is_told=True)
            if verdict and not self._is_over.is_set():
                self._conclude(verdict)

    def look(self) -> Verdict | None:
        """Sends what is due, hears what has come, and returns who is lost; the thread calls this all the time."""
        now = self._clock()
        gap, self._ticked_at = now - self._ticked_at, now
        if gap > _PAUSE:
            self._others = {index: replace(life, heard_at=now, beat_at=now) for index, life in self._others.items()}
            with self._lock:
                self._own = replace(self._own, beat_at=min(self._own.beat_at + gap, now))
        if now - self._sent_at >= _SECONDS_BETWEEN_WORDS:
            self._sent_at = now
            self._send_all(record_of(self._own, now))
        verdict = self._hear_all(now) or silent(self._others, self._cluster.index, now, self._silence)
        if not verdict and self._cluster.is_chief and gap <= _PAUSE:
            verdict = hanging({0: self._own, **self._others}, now)
        return verdict or self._suspected

    def _hear_all(self, now: float) -> Verdict | None:
        for index, link in self._links.items():
            try:
                for record in link.receive():
                    verdict = self._hear(index, record, now)
                    if verdict:
                        return verdict
            except BrokenLink as error:
                life = self._others[index]
                if not life.is_done:
                    return Verdict(index, f"has ended without a word: {error} ({life.what(now)})")
        return None

    def _hear(self, index: int, record: Record, now: float) -> Verdict | None:
        if "failed" in record:
            return Verdict(index, f"has failed: {record['failed']}", is_told=True)
        if "lost" in record:
            lost = record["lost"]
            is_known = isinstance(lost, int) and 0 <= lost < self._cluster.size
            return Verdict(lost if is_known else index, str(record.get("why", "")), bool(record.get("told")))
        self._others[index] = life_of(record, now)
        return None

    def _send_all(self, record: Record) -> None:
        for link in self._links.values():
            with suppress(BrokenLink):
                # Reading from it tells the same, after what it has sent before.
                link.send(record)

    def _conclude(self, verdict: Verdict) -> None:
        """Tells the others, and ends this process; one that ends by itself already says its own reason."""
        if self._cluster.is_chief:
            self._send_all({"lost": verdict.index, "why": verdict.text, "told": verdict.is_told})
        if verdict.is_told and self._is_ending.wait(_SECONDS_TO_END_BY_ITSELF):
            return
        name = self._cluster.name(verdict.index)
        own = ", which is this process," if verdict.index == self._cluster.index else ""
        text = f"{name}{own} {verdict.text}. It cannot be done without: all workers end. {GO_ON}"
        end_process(lambda: self._end(text))
