"""Records over a connection between two workers: lines of JSON, small ones, from whoever is at the other end."""

import json
import socket
import threading
from collections.abc import Mapping
from typing import Any

_MOST_BYTES = 1 << 16
"""Of a line, and of what waits to be sent: more is no record of ours."""
_PIECE = 1 << 14

Record = Mapping[str, Any]


class BrokenLink(Exception):
    """The other end is gone, or sends what is no record."""


class Link:
    """One connection, over which several threads may send; nothing here waits.

    What is read is untrusted: a line is bounded, and JSON, and an object, or the connection is given up.
    """

    def __init__(self, connection: socket.socket):
        connection.setblocking(False)
        self.socket = connection
        self._read = b""
        self._unsent = b""
        self._sending = threading.Lock()

    def fileno(self) -> int:
        """Returns what `selectors` ask for."""
        return self.socket.fileno()

    def send(self, record: Record) -> None:
        """Sends a record, or keeps what of it does not fit for the next call.

        Raises:
            BrokenLink: the other end is gone, or has not read for long.
        """
        with self._sending:
            self._unsent += json.dumps(record).encode() + b"\n"
            if len(self._unsent) > _MOST_BYTES:
                raise BrokenLink("has not read what was sent")
            try:
                sent = self.socket.send(self._unsent)
            except BlockingIOError:
                return
            except OSError as error:
                raise BrokenLink(error.strerror or str(error)) from None
            self._unsent = self._unsent[sent:]

    def receive(self) -> list[Record]:
        """Returns the records that have arrived.

        Raises:
            BrokenLink: nothing more will come, or it was no record. Records before that were returned.
        """
        try:
            piece = self.socket.recv(_PIECE)
        except BlockingIOError:
            return []
        except OSError as error:
            raise BrokenLink(error.strerror or str(error)) from None
        if not piece:
            raise BrokenLink("the connection was closed")
        *lines, self._read = (self._read + piece).split(b"\n")
        if len(self._read) > _MOST_BYTES:
            raise BrokenLink("a line is too long")
        return [_record(line) for line in lines]

    def close(self) -> None:
        """Ends it."""
        self.socket.close()


def _record(line: bytes) -> Record:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise BrokenLink("a line is no JSON") from None
    if not isinstance(record, dict):
        raise BrokenLink("a line is no object")
    return record
