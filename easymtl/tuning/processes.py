"""Makes each training in a process of its own: its memory goes with it, and no trial can harm another one."""

import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from easymtl.tuning.trainings import Decide, Outcome, Progress, Training
from easymtl.tuning.worker import GO

_POLL_SECONDS = 0.2
_PATIENCE_SECONDS = 60.0
_LAST_LINES = 3
_WORKER = (sys.executable, "-m", "easymtl.tuning.worker")


class ProcessRunner:
    """A `Runner`: starts `easymtl.tuning.worker`, and answers it."""

    def __init__(self, is_stopped: Callable[[], bool], command: Sequence[str] = _WORKER):
        """Starts nothing yet.

        Args:
            is_stopped: whether trainings are to save and end.
            command: what makes a training, and talks as `easymtl.tuning.worker` does.
        """
        self._is_stopped = is_stopped
        self._command = list(command)

    def __call__(self, training: Training, decide: Decide, progress: Progress) -> Outcome:
        """Makes a training; what it prints is in the file beside its model_dir, with the ending `.log`."""
        training.model_dir.parent.mkdir(parents=True, exist_ok=True)
        log = training.model_dir.with_name(f"{training.model_dir.name}.log")
        with log.open("ab") as file:
            worker = _Worker(self._command, training, file)
            try:
                return self._follow(worker, decide, progress, log)
            finally:
                worker.close()

    def _follow(self, worker: "_Worker", decide: Decide, progress: Progress, log: Path) -> Outcome:
        outcome = None
        for record in worker.records(self._is_stopped):
            if record["event"] == "progress":
                progress(record["step"], record["share"])
            elif record["event"] == "evaluated":
                worker.answer(GO if decide(record) else "stop")
            elif record["event"] == "failed":
                outcome = Outcome(error=record["text"])
            else:
                outcome = Outcome(record["evaluations"], record["is_stopped"])
        code = worker.wait()
        if outcome is not None:
            return outcome
        if worker.is_told_to_end:
            return Outcome(is_stopped=True)
        how = f"was ended by {_signal_name(-code)}" if code < 0 else f"ended with code {code}"
        return Outcome(error=f"the training {how}; {log} ends with: {_end_of(log)}", is_killed=code < 0)


class _Worker:
    """The process of one training."""

    def __init__(self, command: Sequence[str], training: Training, log: Any):
        self.is_told_to_end = False
        self._killed_at = 0.0
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
            # Ctrl-C at the terminal is for the command, which tells its trainings.
            start_new_session=True,
        )
        self._records: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        wish = {
            "config": str(training.config),
            "overrides": list(training.overrides),
            "settings": dict(training.settings),
        }
        self.answer(json.dumps(wish))

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            try:
                self._records.put(json.loads(line))
            except ValueError:
                continue
        self._records.put(None)

    def records(self, is_stopped: Callable[[], bool]):
        """Yields what the process tells until it ends; it is told to end once `is_stopped`."""
        while True:
            if is_stopped():
                self._end()
            try:
                record = self._records.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if record is None:
                return
            yield record

    def answer(self, text: str) -> None:
        """Writes a line to the process, if it still reads."""
        assert self._process.stdin
        try:
            self._process.stdin.write(f"{text}\n")
            self._process.stdin.flush()
        except OSError:
            return

    def _end(self) -> None:
        """Lets the training save and end; after a minute it is ended without that."""
        if not self.is_told_to_end:
            self.is_told_to_end = True
            self._killed_at = time.monotonic() + _PATIENCE_SECONDS
            self._process.terminate()
        elif time.monotonic() > self._killed_at:
            self._process.kill()

    def wait(self) -> int:
        """Returns the exit code; below 0 it is the number of the signal that ended the process."""
        return self._process.wait()

    def close(self) -> None:
        """Ends the process, if something has gone wrong here."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                try:
                    stream.close()
                except OSError:
                    continue


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _end_of(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-_LAST_LINES:]
    return " | ".join(lines) or "nothing"
