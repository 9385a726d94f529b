"""The processes of the workers on this host: started, listened to, and ended together."""

import ctypes
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import IO

from easymtl.errors import EXIT_PEER_LOST

_POLL_SECONDS = 0.2
_PIECE = 1 << 16
_KILL_ON_DEATH_OF_PARENT = 1
SECONDS_TO_FOLLOW = 5.0
"""Workers know of each other's end, and say whose it was, before they are told to end, too."""
SECONDS_TO_END = 10.0
"""Between SIGTERM and SIGKILL."""
_SECONDS_TO_SAVE = 300.0

_prctl = getattr(ctypes.CDLL(None), "prctl", None)

Hear = Callable[[int, str], None]
"""Is told each line of a worker, without its end."""


@dataclass
class _Worker:
    index: int
    process: subprocess.Popen
    output: IO[bytes]
    begun: bytes = b""
    code: int | None = None
    is_told_to_end: bool = False


@dataclass
class Ended:
    """How workers have ended.

    Attributes:
        code: the exit code of the first that failed, 0 where none did; one that ended because of another does not count
            where another one has said why. Of a signal it is 128 and its number, as in a shell.
        index: the worker whose code it is.
        codes: of all workers, in order.
    """

    code: int
    index: int
    codes: list[int] = field(default_factory=list)


class Workers:
    """Some processes that are of no use without each other."""

    def __init__(self, commands: Sequence[Sequence[str]], environs: Sequence[Mapping[str, str]], hear: Hear):
        """Starts them.

        Args:
            commands: of each worker.
            environs: their whole environments.
            hear: is told their lines, of standard output and standard error as they come.
        """
        self._hear = hear
        self._ended: list[_Worker] = []
        self._told_at: float | None = None
        self._followed_at: float | None = None
        self._is_stopping = False
        self._workers: list[_Worker] = []
        try:
            for index, (command, environ) in enumerate(zip(commands, environs)):
                self._workers.append(_start(index, command, environ))
        except BaseException:
            self.kill()
            raise

    def send(self, number: int) -> None:
        """Hands a signal on to all that run, which save and end then."""
        self._is_stopping = True
        self._send(number)

    def _send(self, number: int) -> None:
        for worker in self._workers:
            if worker.code is None:
                worker.process.send_signal(number)

    def kill(self) -> None:
        """Ends all at once."""
        for worker in self._workers:
            if worker.process.poll() is None:
                worker.process.kill()
                worker.process.wait()

    def wait(self, follow: float = SECONDS_TO_FOLLOW, end: float = SECONDS_TO_END) -> Ended:
        """Returns how they have ended, once all have; when one ends badly, the others are ended.

        Args:
            follow: seconds that the others have to end by themselves.
            end: seconds they then have behind SIGTERM. Workers that were told to stop save meanwhile, and a second
                signal would end them at once: they have minutes for that.
        """
        try:
            with selectors.DefaultSelector() as selector:
                for worker in self._workers:
                    selector.register(worker.output, selectors.EVENT_READ, worker)
                while any(worker.code is None for worker in self._workers) or selector.get_map():
                    self._look(selector)
                    self._end_others(follow, end)
        finally:
            self.kill()
        return self._result()

    def _look(self, selector: selectors.BaseSelector) -> None:
        for key, _ in selector.select(_POLL_SECONDS):
            worker: _Worker = key.data
            piece = os.read(worker.output.fileno(), _PIECE)
            *lines, worker.begun = (worker.begun + piece).split(b"\n")
            if not piece:
                selector.unregister(worker.output)
                worker.output.close()
                lines, worker.begun = [worker.begun] if worker.begun else [], b""
            for line in lines:
                self._hear(worker.index, line.decode("utf-8", "replace").rstrip("\r"))
        for worker in self._workers:
            if worker.code is None and worker.process.poll() is not None:
                worker.code = _shell_code(worker.process.returncode)
                worker.is_told_to_end = self._told_at is not None
                self._ended.append(worker)
        if not any(worker.code is None for worker in self._workers):
            # A child of a child may hold the pipe for ever.
            for key in list(selector.get_map().values()):
                os.set_blocking(key.fd, False)
                self._drain(selector, key)

    def _drain(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        worker: _Worker = key.data
        found = worker.begun
        while True:
            try:
                piece = os.read(key.fd, _PIECE)
            except BlockingIOError:
                break
            if not piece:
                break
            found += piece
        worker.begun = b""
        selector.unregister(key.fileobj)
        for line in found.decode("utf-8", "replace").splitlines():
            self._hear(worker.index, line)

    def _end_others(self, follow: float, end: float) -> None:
        now = time.monotonic()
        if self._followed_at is None and any(worker.code for worker in self._ended):
            self._followed_at = now
        follow = follow if not self._is_stopping else max(follow, _SECONDS_TO_SAVE)
        if self._followed_at is None or now - self._followed_at < follow:
            return
        if self._told_at is None:
            self._told_at = now
            self._send(signal.SIGTERM)
        elif now - self._told_at > end:
            self._send(signal.SIGKILL)

    def _result(self) -> Ended:
        failed = [worker for worker in self._ended if worker.code]
        # How those have ended that were told to says nothing of why.
        failed = [worker for worker in failed if not worker.is_told_to_end] or failed
        known = [worker for worker in failed if worker.code != EXIT_PEER_LOST]
        first = (known or failed or self._ended)[0]
        return Ended(first.code or 0, first.index, [worker.code or 0 for worker in self._workers])


def _start(index: int, command: Sequence[str], environ: Mapping[str, str]) -> _Worker:
    process = subprocess.Popen(
        command,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # Ctrl-C at the terminal is for the launcher, which hands it on once.
        start_new_session=True,
        # It takes no lock, which the thread that says what is being done may hold.
        preexec_fn=partial(_end_with_parent, os.getpid()) if _prctl else None,  # noqa: PLW1509
    )
    assert process.stdout
    return _Worker(index, process, process.stdout)


def _end_with_parent(parent: int) -> None:
    """Lets the system end this process with the launcher, also where that is killed; workers alone hold a model_dir."""
    assert _prctl
    _prctl(_KILL_ON_DEATH_OF_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        # It was killed before the system knew.
        os.kill(os.getpid(), signal.SIGKILL)


def _shell_code(code: int) -> int:
    return code if code >= 0 else 128 - code
