"""What is no answer to untrusted bytes: another error than a refusal, a long time, much memory."""

import hashlib
import os
import resource
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from easymtl.errors import UserError

Try = Callable[[bytes], object]
"""Gives bytes to the code. It raises `UserError` where it refuses them, and whatever else is a finding."""

MOST_SECONDS = 8.0
MOST_GROWTH = 600 << 20
"""Bytes by which the memory of the process may grow for one input of at most a few kilobytes."""


@dataclass
class Judge:
    """Tries inputs one by one, and writes down each kind of finding once, with the input that it was found with.

    Attributes:
        name: of the target.
        folder: where inputs of findings go; None to raise them.
        num_refused: inputs that were refused in words.
        kinds: of findings so far.
    """

    name: str
    attempt: Try
    folder: Path | None = None
    num_refused: int = 0
    kinds: set[str] = field(default_factory=set)

    def __call__(self, data: bytes) -> None:
        """Tries one input.

        Raises:
            AssertionError: it is a finding, and there is no folder for it.
        """
        begin, before = time.process_time(), _most_memory()
        problem = ""
        try:
            self.attempt(data)
        except UserError as error:
            self.num_refused += 1
            problem = "" if str(error).strip() else "a refusal without a word"
        except Exception as error:
            problem = _of_error(error)
        seconds, growth = time.process_time() - begin, _most_memory() - before
        if not problem and seconds > MOST_SECONDS:
            problem = f"slow: {seconds:.0f} s"
        if not problem and growth > MOST_GROWTH:
            problem = f"memory: {growth >> 20} MiB more"
        if problem:
            self._found(problem, data)

    def _found(self, problem: str, data: bytes) -> None:
        if self.folder is None:
            raise AssertionError(f"{self.name}: {problem}\n{data[:2000]!r}")
        kind = problem.split(" ")[0] if problem.startswith(("slow", "memory")) else problem.splitlines()[-1]
        if kind in self.kinds:
            return
        self.kinds.add(kind)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"finding-{hashlib.sha256(data).hexdigest()[:12]}"
        path.write_bytes(data)
        path.with_suffix(".txt").write_text(problem + "\n", encoding="utf-8")
        os.write(2, f"\nFOUND by {self.name}: {problem}\n  input: {path}\n".encode())


def _most_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _of_error(error: Exception) -> str:
    """Returns the traceback of an error, its last line the place of ours that it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}easymtl{os.sep}" in frame.filename] or list(frames)
    place = f"{type(error).__name__} at {Path(ours[-1].filename).name}:{ours[-1].lineno}"
    return "".join(traceback.format_exception(error)) + place
