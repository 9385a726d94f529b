"""The process that loads an export and imports nothing of easymtl; it can be begun before there is an export."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from easymtl.features.machine_memory import Room

RELOAD = Path(__file__).with_name("reload.py")

_SPARE_BYTES = 1 << 30
"""Memory that has to be left where a process is begun before it is needed: one that waits has 190 MB of its own."""


class ProofProcess:
    """A process that imports TensorFlow, which takes seconds, then waits for what it is to load.

    When this one ends, however it does, the other one finds its standard input at an end, and ends too.
    """

    def __init__(self, program: Sequence[str] = ()):
        """Begins it.

        Args:
            program: an interpreter and what it runs, which reads what `reload.py` does; this one runs that if none is
                given.
        """
        # -I: neither the current folder nor PYTHONPATH is searched for modules.
        command = program or (sys.executable, "-I", str(RELOAD))
        # A SavedModel needs no Keras, which TensorFlow would import first: this one is not even installed, mostly.
        environ = {"TF_USE_LEGACY_KERAS": "1", **os.environ}
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  `close` closes it.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=self._said, stderr=self._said, env=environ
        )

    @classmethod
    def ahead(cls) -> "ProofProcess | None":
        """Begins one before it is needed; None where memory is short, so that it is begun when tables have gone."""
        return cls() if Room.here().has(_SPARE_BYTES) else None

    @property
    def is_there(self) -> bool:
        """Returns whether it still runs."""
        return self._process.poll() is None

    @property
    def number(self) -> int:
        """Returns the number by which the system knows it."""
        return self._process.pid

    def load(self, folder: Path, requests: Path, scores: Path) -> str | None:
        """Has it load a SavedModel and score requests, and waits until it has ended.

        Args:
            folder: the SavedModel.
            requests: a folder, see `reload.py`.
            scores: likewise.

        Returns:
            What it said if it failed, else None.
        """
        line = json.dumps([str(folder), str(requests), str(scores)])
        # What ends before it has read its line has said why: `communicate` does not mind.
        self._process.communicate(f"{line}\n".encode())
        if self._process.returncode == 0:
            return None
        self._said.seek(0)
        return self._said.read().decode("utf-8", "replace")

    def close(self) -> None:
        """Ends it if it has not ended; may be called again."""
        if self.is_there:
            self._process.kill()
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()
        self._said.close()

    def __enter__(self) -> "ProofProcess":
        """Returns itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Ends it."""
        self.close()


@contextmanager
def begun_ahead() -> Iterator[ProofProcess | None]:
    """Has a process begun for an export, as `ProofProcess.ahead` does, and ends it behind the block."""
    process = ProofProcess.ahead()
    try:
        yield process
    finally:
        if process:
            process.close()
