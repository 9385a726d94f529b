"""Free ports of this host, kept for the workers that are about to listen there."""

import socket
from types import TracebackType

HOST = "127.0.0.1"


class Ports:
    """As many ports as are asked for, until the `with` statement ends.

    They are bound and not listened to, all the while: nobody else is given them, and workers, which say SO_REUSEADDR as
    servers do, may listen there.
    """

    def __init__(self, number: int):
        self._sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(number)]
        try:
            for one in self._sockets:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind((HOST, 0))
        except BaseException:
            self._close()
            raise
        self.addresses = tuple(f"{HOST}:{one.getsockname()[1]}" for one in self._sockets)

    def __enter__(self) -> "Ports":
        """Returns itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        """Gives them back."""
        self._close()

    def _close(self) -> None:
        for one in self._sockets:
            one.close()
