"""How a worker ends because of another one."""

import os
import re
import sys
import threading
from collections.abc import Callable

from easymtl.errors import EXIT_PEER_LOST

_SECONDS_TO_SPEAK = 3.0


def end_process(speak: Callable[[], None]) -> None:
    """Ends this process at once with the exit code of a lost peer, whatever its other threads hold or wait for.

    Without this TensorFlow waits at exit for the worker that is gone, half a minute.

    Args:
        speak: says why; given up where it takes more than 3 s, as with a pipe that nobody reads.
    """
    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    speaker.join(_SECONDS_TO_SPEAK)
    os._exit(EXIT_PEER_LOST)


def say_on_standard_error(text: str) -> None:
    """Says a line without any lock that another thread could hold."""
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"easymtl: {text}\n".encode())


_NODE = re.compile(r"\{\{.*?\}\} *")
_OF_CONNECTIONS = ("UnavailableError", "AbortedError", "CancelledError", "DeadlineExceededError")


def is_of_connection(error: BaseException) -> bool:
    """Returns whether an error is what TensorFlow makes of another worker that is gone."""
    return type(error).__name__ in _OF_CONNECTIONS and type(error).__module__.startswith("tensorflow.")


def first_line(error: BaseException) -> str:
    """Returns what an error says, in a line of bounded length."""
    lines = _NODE.sub("", str(error)).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:500]
