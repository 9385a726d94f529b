"""Draws the status line from a process of its own, for work that lets no thread of this one run.

Libraries are loaded with Python's lock held: for seconds, on a machine that is busy, in the case of TensorFlow's.

    with ticking("starting TensorFlow"):
        import tensorflow

The process ends with its standard input, so also when whoever began it is killed. It draws what the thread of the
status line draws, on the same line: where that one runs, too, nothing is seen of it.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from easymtl.reporting.status import StatusLine

_PACKAGES = str(Path(__file__).parents[2])
_PROGRAM = "import sys; sys.path.insert(0, sys.argv.pop(1)); from easymtl.reporting.ticker import main; main()"


@contextmanager
def ticking(text: str, seconds: float, terminal: IO[str]) -> Iterator[None]:
    """Has a process draw a phase while the block runs; draws nothing where none can be started.

    Args:
        text: the phase in words.
        seconds: for which it has been going on.
        terminal: where to; has a descriptor.
    """
    # Ctrl-C reaches all processes of a terminal, and is for the command alone.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    process = None
    with suppress(OSError, ValueError):
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM, _PACKAGES, text, f"{seconds:.3f}"],
            stdin=subprocess.PIPE,
            stdout=terminal.fileno(),
            stderr=subprocess.DEVNULL,
        )
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        yield
    finally:
        if process and process.stdin:
            process.stdin.close()
            process.wait()


def main() -> None:
    """Draws until standard input ends."""
    from easymtl.reporting.phases import live_text

    text, seconds = sys.argv[1], float(sys.argv[2])
    begin = time.monotonic() - seconds
    line = StatusLine(sys.stdout)
    line.show(lambda width: live_text(text, time.monotonic() - begin, width))
    sys.stdin.read()
    line.close()
