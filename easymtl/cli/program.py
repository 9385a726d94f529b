"""The program `easymtl`: a command, and a quick end."""

import atexit
import os
import signal
import sys
import traceback
from typing import NoReturn

from easymtl.cli.run import main
from easymtl.features.machine_memory import take_as_needed


def program() -> NoReturn:
    """Runs the command of the command line and ends the process with its exit code.

    To take TensorFlow apart again, object by object, takes a second or more in which nothing is said. What has been
    written is closed by then, so that the process may end at once.
    """
    take_as_needed(os.environ)
    try:
        code = main(is_program=True)
    except Exception:
        # A fault of ours ends as quickly: TensorFlow waits at exit for other workers, half a minute.
        traceback.print_exc()
        code = 1
    # The command has ended; what is left takes no time that is worth an interrupt, which would be a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if "tensorflow" not in sys.modules:
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            # Whoever read it is gone.
            code = code or 1
    atexit._run_exitfuncs()
    os._exit(code)
