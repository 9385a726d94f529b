"""What workers print, told apart: each line with the worker it is of, on the terminal and in files."""

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO

from easymtl.errors import UserError


def prefixed(index: int, size: int, line: str) -> str:
    """Returns a line behind the name of its worker; lines of all workers begin in one column."""
    return f"[worker {index:>{len(str(size - 1))}}] {line}"


def with_worker(index: int, line: str) -> str:
    """Returns a line of JSON that also says of which worker it is; another line becomes a note."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        record = {"event": "note", "text": line}
    return json.dumps({**record, "worker": index})


class WorkerLines:
    """Shows the lines of workers, and keeps those of each in a file: `worker-0.log`, in `--log_dir`."""

    def __init__(self, size: int, is_json: bool, show: Callable[[str], None], log_dir: str | None):
        """Opens the files.

        Args:
            size: number of workers.
            is_json: whether they print lines of JSON.
            show: prints a line.
            log_dir: where files are added to; None for none.

        Raises:
            UserError: they cannot be written.
        """
        self._size, self._is_json, self._show = size, is_json, show
        self._stack = ExitStack()
        self._files: list[IO[str]] = []
        try:
            for index in range(size if log_dir else 0):
                self._files.append(self._stack.enter_context(_opened(log_file(log_dir or "", index))))
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> "WorkerLines":
        """Returns itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        """Closes the files."""
        self._stack.close()

    def hear(self, index: int, line: str) -> None:
        """Shows and keeps a line."""
        if line.strip():
            self._show(with_worker(index, line) if self._is_json else prefixed(index, self._size, line))
        if self._files:
            try:
                self._files[index].write(f"{line}\n")
                self._files[index].flush()
            except OSError as error:
                # A full disk of logs ends no training.
                print(f"--log_dir: {error.strerror}; nothing more is kept there.", file=sys.stderr)
                self._files = []


def log_file(log_dir: str, index: int) -> Path:
    """Returns the file that keeps the lines of a worker."""
    return Path(log_dir) / f"worker-{index}.log"


def _opened(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a", encoding="utf-8")
    except OSError as error:
        raise UserError(f"--log_dir: {path} cannot be written: {error.strerror}.") from None
