"""One training at a time in a model_dir."""

import fcntl
import os
import socket
from datetime import datetime
from pathlib import Path
from typing import IO

from easymtl.errors import UserError

LOCK_NAME = ".training.lock"


class HeldError(UserError):
    """Another process has the lock."""


class TrainingLock:
    """Holds a model_dir for one training, in a `with` statement.

    The lock is the operating system's: it ends with the process, however that ends. The file stays, and what it says
    is only for the message to whoever comes second.
    """

    def __init__(self, model_dir: str | Path):
        self.path = Path(model_dir) / LOCK_NAME
        self._file: IO[str] | None = None

    def __enter__(self) -> "TrainingLock":
        """Takes the lock.

        Raises:
            HeldError: another process trains there.
            UserError: the model_dir cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+", encoding="utf-8")
            self._take(self._file)
        except OSError as error:
            self.__exit__()
            raise UserError(
                f"model_dir: the folder {self.path.parent} cannot be written: {error.strerror}. Name another one "
                "(--set model_dir=...), or see to it that this one may be written."
            ) from None
        except UserError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        """Gives the lock back."""
        if self._file:
            self._file.close()
            self._file = None

    def _take(self, file: IO[str]) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process trains"
            raise HeldError(
                f"{self.path.parent}: {holder} there. Wait for its end, stop it, or train in another model_dir "
                "(--set model_dir=...)."
            ) from None
        except OSError:
            # A file system without locks; those who train there have to look out for themselves.
            return
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()} trains since {datetime.now():%Y-%m-%d %H:%M:%S}")
        file.flush()
