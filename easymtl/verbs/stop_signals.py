"""SIGTERM and Ctrl-C: the first one asks a training to save and end, the second one ends it at once."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from easymtl.errors import Interrupted
from easymtl.reporting.output import current

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_SHOW_CURSOR = "\x1b[?25h"


class StopSignals:
    """Listens to both signals inside of a `with` statement."""

    def __init__(self, promise: str = "saving a checkpoint behind this step. Once more ends at once, unsaved.") -> None:
        """Does not listen yet.

        Args:
            promise: what is said behind the name of a signal that arrives.
        """
        self._promise = promise
        self._received: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopSignals":
        """Begins to listen; only the main thread of a process can."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._receive) for number in _SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        """Gives the signals back their earlier meaning."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def is_received(self) -> bool:
        """Returns whether one has arrived."""
        return self._received is not None

    @property
    def name(self) -> str:
        """Returns the name of the signal that has arrived, or an empty text."""
        return self._received.name if self._received else ""

    @property
    def is_interrupt(self) -> bool:
        """Returns whether it was Ctrl-C."""
        return self._received == signal.SIGINT

    def _receive(self, number: int, _: FrameType | None) -> None:
        self._received = signal.Signals(number)
        # From here on the system ends the process, even in the middle of a long operation of TensorFlow.
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        shown = _SHOW_CURSOR if sys.stdout.isatty() else ""
        text = f"{shown}\n{self._received.name}: {self._promise}\n"
        # A print could meet itself here: signals arrive in the middle of one.
        os.write(2, text.encode())


def tell_stop(stop: StopSignals, tell: Callable[[str], None], done: str = "") -> None:
    """Ends a command that was stopped, and that the same command goes on with.

    Args:
        stop: which has received a signal.
        tell: prints a line.
        done: how far it has come; may be empty.

    Raises:
        Interrupted: it was Ctrl-C.
    """
    current().is_unfinished = True
    by = stop.name or "a signal to another worker"
    tell(f"Stopped by {by}{done}. Run the same command again to go on.")
    if stop.is_interrupt:
        raise Interrupted
