"""`easymtl board`: TensorBoard on what trainings have written."""

import errno
import logging
import socket
import sys
import threading
from argparse import Namespace
from pathlib import Path

from easymtl.api.model_dirs import model_dir_of
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.errors import UserError
from easymtl.reporting.outcomes_around import Board
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.reporting.streams import say

_PLACE = "the model_dir of a training, or a folder of several"
_SUMMARIES = "summaries"
_EVENTS = "*tfevents*"


def run(options: Namespace) -> None:
    """Serves until Ctrl-C or SIGTERM.

    Raises:
        UserError: the folder holds no summaries, the port is in use or is none, or `--embeddings` names no feature.
    """
    model_dir = Path(model_dir_of(options.model_dir, _PLACE))
    folder, num_runs = find_summaries(model_dir)
    require_address(options.host, options.port)
    if not current().is_quiet:
        _tell(f"Starting TensorBoard on {folder}, {'1 run' if num_runs == 1 else f'{num_runs:,} runs'} ...")
    start_tensorflow()
    embeddings = _embeddings(model_dir, options.embeddings) if options.embeddings else ""
    begin("starting", "TensorBoard")
    address = start_board(folder, options.host, options.port)
    current().phases.end()
    current().result(Board(address, folder, num_runs, embeddings), lambda: _print(address, embeddings))
    try:
        wait()
    except KeyboardInterrupt:
        if not current().is_json:
            _tell("")


def _embeddings(model_dir: Path, feature: str) -> str:
    """Writes the vectors of a feature, and returns what was written, in a sentence."""
    from easymtl.reporting.projector import write_projector

    begin("writing", f'the embeddings of "{feature}"')
    return write_projector(model_dir, feature)


def _print(address: str, embeddings: str) -> None:
    _tell(f"TensorBoard is at {address} - Ctrl-C ends it.")
    if embeddings:
        _tell(f"The embeddings are at {address}#projector: {embeddings}.")


def wait() -> None:
    """Waits until it is interrupted."""
    threading.Event().wait()


def find_summaries(model_dir: Path) -> tuple[Path, int]:
    """Returns the folder that TensorBoard is to look at, and the number of runs below it.

    Args:
        model_dir: of a training, or a folder of several.

    Raises:
        UserError: there are no summaries.
    """
    own = model_dir / _SUMMARIES
    folder = own if own.is_dir() else model_dir
    runs = {path.parent for path in folder.rglob(_EVENTS)}
    if not runs:
        raise UserError(
            f"{model_dir}: there are no summaries. Train first: easymtl train --pipeline_config ... --model_dir "
            f"{model_dir}"
        )
    return folder, len(runs)


def require_address(host: str, port: int) -> None:
    """Checks, before anything slow is done, that one can serve at an address.

    Raises:
        UserError: this machine has no such address, the port is none, or another program listens there.
    """
    if not 0 <= port <= 65535:
        raise UserError(f"--port is {port}: a port is a number from 0, any free one, to 65535.")
    try:
        family, kind, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(place)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise _in_use(port) from None
        raise UserError(f"--host {host} --port {port}: cannot be served at: {error.strerror}.") from None


def _in_use(port: int) -> UserError:
    other = port + 1 if port < 65535 else port - 1
    text = f"something else listens there. Name another one, such as --port {other}, or --port 0 for any free one."
    return UserError(f"--port {port}: {text}")


def start_board(folder: Path, host: str, port: int) -> str:
    """Starts TensorBoard in threads of this process, and returns its address.

    Args:
        folder: with runs below it.
        host: the address to serve at, of which `require_address` holds.
        port: 0 for any free one.

    Raises:
        UserError: it cannot be served there.
    """
    from tensorboard import program

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    board = program.TensorBoard()
    flags = {"logdir": str(folder), "host": host, "port": port, "load_fast": "false", "reload_interval": 5.0}
    board.configure(argv=("easymtl board",), **flags)
    try:
        return board.launch().replace("//0.0.0.0:", "//localhost:")
    except program.TensorBoardPortInUseError:
        raise _in_use(port) from None
    except program.TensorBoardServerException as error:
        raise UserError(f"--host {host} --port {port}: {error.msg}.") from None


def _tell(text: str) -> None:
    say(text, sys.stdout)
    sys.stdout.flush()
