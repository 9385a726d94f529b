"""Running a server: ports first, then the model, then requests; at SIGTERM no further ones, and the last answers."""

import asyncio
import contextlib
import errno
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import uvicorn

from easymtl.errors import UserError
from easymtl.server.desk import Desk, Options
from easymtl.server.grpc_services import server_of
from easymtl.server.rest import application
from easymtl.server.versions import Tell, Versions

_BACKLOG = 1024


@dataclass(frozen=True)
class Address:
    """Where a server listens.

    Attributes:
        host: a name or number of this machine; 0.0.0.0 is all of its networks.
        rest_port: of REST and the page; 0 is any that is free.
        grpc_port: of gRPC; 0 is any that is free.
    """

    host: str
    rest_port: int
    grpc_port: int


Ready = Callable[[Desk, Address], None]


async def serve(folder: Path, options: Options, address: Address, ready: Ready, tell: Tell) -> None:
    """Serves an export until SIGTERM or Ctrl-C.

    Args:
        folder: the export, or a folder of numbered ones.
        options: how.
        address: where.
        ready: is told when requests are answered, and the ports.
        tell: is told what happens later.

    Raises:
        UserError: a port is in use, or no export can be loaded.
    """
    versions = Versions(folder, tell)
    desk = Desk(versions, options)
    stopping = asyncio.Event()
    _listen_to_signals(stopping)
    with _bound("--rest_port", address.host, address.rest_port) as listener:
        grpc_server, grpc_port = _grpc_server(desk, address)
        await versions.load()
        desk.batcher.start()
        await grpc_server.start()
        rest_server = Server(_config(desk))
        rest = asyncio.create_task(rest_server.serve(sockets=[listener]))
        watching = asyncio.create_task(versions.watch())
        ready(desk, Address(address.host, listener.getsockname()[1], grpc_port))
        await stopping.wait()
        tell("Stopping: requests that have come are answered. Once more ends at once.")
        desk.is_stopping = True
        watching.cancel()
        rest_server.should_exit = True
        await asyncio.gather(rest, grpc_server.stop(options.limits.seconds))
        await desk.batcher.stop()
        versions.close()


class Server(uvicorn.Server):
    """uvicorn without its own handling of signals: two protocols end together."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to others."""
        yield


def _config(desk: Desk) -> uvicorn.Config:
    return uvicorn.Config(
        application(desk),
        lifespan="off",
        access_log=False,
        log_level=logging.WARNING,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=max(1, round(desk.options.limits.seconds)),
        server_header=False,
    )


def _listen_to_signals(stopping: asyncio.Event) -> None:
    """Sets an event at the first SIGTERM or Ctrl-C; the second one ends the process."""
    loop = asyncio.get_running_loop()

    def receive() -> None:
        stopping.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, receive)


@contextmanager
def _bound(flag: str, host: str, port: int) -> Iterator[socket.socket]:
    """Gives a listening socket; `flag` is named where there is none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, place = found[0]
    except OSError as error:
        raise UserError(f"--host: {host}: {error.strerror}.") from None
    with contextlib.closing(socket.socket(family, kind, protocol)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(place)
            listener.listen(_BACKLOG)
        except OSError as error:
            raise UserError(_not_free(flag, host, port, error)) from None
        listener.setblocking(False)
        yield listener


def _grpc_server(desk: Desk, address: Address) -> tuple[grpc.aio.Server, int]:
    server = server_of(desk)
    host = f"[{address.host}]" if ":" in address.host else address.host
    # gRPC's own message is a dump of its internals: the port is tried here first.
    with _bound("--grpc_port", address.host, address.grpc_port):
        pass
    try:
        port = server.add_insecure_port(f"{host}:{address.grpc_port}")
    except RuntimeError:
        port = 0
    if not port:
        raise UserError(f"--grpc_port: {address.host}:{address.grpc_port} cannot be listened at.")
    return server, port


def _not_free(flag: str, host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{flag}: {host}:{port} is in use. Name another port, or 0 for any that is free."
    if error.errno == errno.EACCES:
        return f"{flag}: port {port} is for the system's own servers. Name one above 1023, or 0 for any that is free."
    return f"{flag}: {host}:{port}: {error.strerror}."
