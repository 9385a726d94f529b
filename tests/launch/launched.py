"""`easymtl launch` as a process, whose workers can be killed."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path


class Launch:
    """`easymtl launch` with two workers, whose lines can be waited for."""

    def __init__(self, folder: Path, *words: str, flags: tuple[str, ...] = ()):
        command = [sys.executable, "-m", "easymtl", "launch", "--workers", "2", *flags, "--", *words]
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "CUDA_VISIBLE_DEVICES": "-1"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder, env=environ
        )
        self.lines: list[str] = []

    def wait_for(self, pattern: str) -> None:
        """Reads lines until one matches."""
        for line in self.process.stdout:
            self.lines.append(line)
            if re.search(pattern, line):
                return
        raise AssertionError(f"{pattern!r} was not printed:\n{''.join(self.lines)}")

    def workers(self) -> list[int]:
        """Returns the numbers of the processes of the workers that there are by now."""
        place = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(number) for number in place.read_text().split()]

    def kill_worker(self, index: int) -> None:
        os.kill(self.workers()[index], signal.SIGKILL)

    def end(self) -> str:
        """Returns all that was printed, once it has ended, well."""
        self.lines += list(self.process.stdout)
        text = "".join(self.lines)
        assert self.process.wait() == 0, text
        return text
