"""Commands in processes of their own, which can be killed, and what they leave behind."""

import contextlib
import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from easymtl.cli import main
from tests.training.small_runs import small_config, write_rows

_RATE = "exponential_decay_learning_rate { initial_learning_rate: 0.01 decay_steps: 100 decay_factor: 0.9 }"
_LONG = (
    f"train_config.optimizer_config[0].adam_optimizer.learning_rate={_RATE}",
    "train_config.num_steps=6000",
    "train_config.save_checkpoints_steps=150",
    "train_config.keep_checkpoint_max=3",
    "train_config.log_step_count_steps=50",
    "train_config.save_summary_steps=100",
    "export_config.exporter_type=none",
    "export_config.exports_to_keep=2",
)
"""What makes the small training of the tests long enough to be broken off anywhere."""


def make_project(folder: Path) -> Path:
    """Writes a config, three training files and evaluation data, and returns the path of the config."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, rows) in enumerate({"part-0": 900, "part-1": 500, "part-2": 700, "eval": 200}.items()):
        write_rows(folder / f"{name}.csv", rows, seed)
    path = folder / "faults.config"
    path.write_text(small_config(folder, f"train_input_path={folder}/part-*.csv", *_LONG).text())
    return path


class Run:
    """One command in a forked process, its output in a file.

    A fork of a process that has imported TensorFlow, and has not used it, starts in no time.
    """

    def __init__(
        self,
        log: Path,
        verb: str,
        config: Path,
        *overrides: str,
        flags: tuple[str, ...] = (),
        prepare: Callable[[], None] | None = None,
    ):
        """Starts a command; `prepare` is done in its process before."""
        self.log = log
        self.code: int | None = None
        words = [verb, "--pipeline_config", str(config), *flags]
        words += [word for override in overrides for word in ("--set", override)]
        log.unlink(missing_ok=True)
        self.process = os.fork()
        if not self.process:
            _become(words, log, prepare)

    @property
    def text(self) -> str:
        """Returns what has been printed."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def is_running(self) -> bool:
        """Returns whether it has not ended."""
        if self.code is None:
            process, status = os.waitpid(self.process, os.WNOHANG)
            if process:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is None

    def wait(self, seconds: float = 300.0) -> int | None:
        """Waits for the end, at most some seconds, and returns the exit code."""
        end = time.monotonic() + seconds
        while self.is_running() and time.monotonic() < end:
            time.sleep(0.01)
        return self.code

    def wait_for(self, text: str, seconds: float = 120.0) -> bool:
        """Waits until something is printed, and returns whether it was."""
        end = time.monotonic() + seconds
        while text not in self.text and self.is_running() and time.monotonic() < end:
            time.sleep(0.01)
        return text in self.text

    def send(self, number: int) -> None:
        """Sends a signal."""
        if self.is_running():
            os.kill(self.process, number)

    def kill(self) -> bool:
        """Kills it, and returns whether it was still running."""
        self.send(signal.SIGKILL)
        return self.wait() == -signal.SIGKILL


def _become(words: list[str], log: Path, prepare: Callable[[], None] | None) -> None:
    """Runs a command in place of the forked process, and never returns."""
    code = 70
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.default_int_handler)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        # What a test captures stands in their place.
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
        if prepare:
            prepare()
        code = main(words)
    except BaseException as error:
        os.write(2, f"Traceback: {error!r}\n".encode())
    finally:
        os._exit(code)


def state_of_training(model_dir: Path) -> dict[str, str]:
    """Returns a fingerprint of each file that a training must leave exactly as an uninterrupted one does."""
    found = [path for path in sorted((model_dir / "checkpoints").glob("*/**/*")) if path.is_file()]
    files = [*found, *model_dir.glob("eval_result.json")]
    return {str(path.relative_to(model_dir)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def differences(expected: dict[str, str], found: dict[str, str]) -> list[str]:
    """Returns the names of files that differ, or that only one of two trainings has."""
    return sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))


def newest_step(model_dir: Path) -> int | None:
    """Returns the step of the newest checkpoint whose state can be read."""
    paths = sorted((model_dir / "checkpoints").glob("step-*/state.json"))
    return json.loads(paths[-1].read_text())["step"] if paths else None


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path | None]:
    """Gives a file system of some bytes, or None where this user cannot have one."""
    import subprocess

    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        is_mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        is_mounted = False
    try:
        yield folder if is_mounted else None
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False)
