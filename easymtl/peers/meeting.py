"""How workers meet before TensorFlow does: all of them connect to the chief, at the port that `TF_CONFIG` gives it.

So a worker that does not come is named, and a port that is in use, and a worker that was started with another config;
TensorFlow would wait in silence, or for ever. The connections stay, for the signs of life. The chief stops listening
when all are there: TensorFlow's server then listens at the same port, beside connections that are open already, so that
no further port has to be free or open in a firewall.
"""

import errno
import selectors
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from easymtl.errors import PeersError, UserError
from easymtl.peers.cluster import Cluster, is_loopback, split_address
from easymtl.peers.lines import BrokenLink, Link, Record

JOIN_SECONDS = 600.0
_SECONDS_BETWEEN_WORDS = 10.0
_SECONDS_BETWEEN_TRIES = 0.5
_SECONDS_OF_A_TRY = 5.0
_SECONDS_FOR_A_PORT = 10.0
_GREETING = "easymtl"


def meet(
    cluster: Cluster,
    facts: Mapping[str, str],
    timeout: float = JOIN_SECONDS,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[int, Link]:
    """Waits until all workers are there, and returns the connections: the chief's to each other, another one's to it.

    Args:
        cluster: of several workers.
        facts: what has to be the same on all workers, by what it is called: "the version of easymtl".
        timeout: seconds to wait.
        tell: is told every 10 s whom this worker waits for.

    Raises:
        PeersError: some did not come, or the port of this worker is in use.
        UserError: a fact of theirs is another one.
    """
    if cluster.is_chief:
        return _Chief(cluster, facts, timeout, tell).receive_all()
    _listen(cluster.addresses[cluster.index]).close()
    return {0: _Caller(cluster, facts, timeout, tell).call()}


class _Waiting:
    """Says whom it waits for, and ends the wait."""

    def __init__(self, cluster: Cluster, timeout: float, tell: Callable[[str], None]):
        self._cluster, self._timeout, self._tell = cluster, timeout, tell
        self._begin = self._told_at = time.monotonic()

    def go_on(self, missing: list[int], why: str = "") -> None:
        """Tells who has not come.

        Raises:
            PeersError: it has lasted too long.
        """
        now = time.monotonic()
        seconds = now - self._begin
        names = ", ".join(self._cluster.name(index) for index in missing[:8])
        names += f" and {len(missing) - 8} more" if len(missing) > 8 else ""
        because = f" ({why})" if why else ""
        if seconds > self._timeout:
            raise PeersError(
                f"{names} did not come within {seconds:.0f} s{because}. Look at what became of it there: is it "
                "started, with the same TF_CONFIG but its own index, can its host be resolved and its port be reached "
                "from here, through all firewalls? --join_timeout waits longer."
            )
        if now - self._told_at >= _SECONDS_BETWEEN_WORDS:
            self._told_at = now
            self._tell(f"Waits for {names} since {seconds:.0f} s{because}.")


class _Chief:
    """Worker 0: listens until all others have come."""

    def __init__(self, cluster: Cluster, facts: Mapping[str, str], timeout: float, tell: Callable[[str], None]):
        self._cluster, self._facts = cluster, facts
        self._waiting = _Waiting(cluster, timeout, tell)
        self._links: dict[int, Link] = {}
        self._strangers: dict[Link, float] = {}

    def receive_all(self) -> dict[int, Link]:
        """Returns the connections by worker."""
        others = range(1, self._cluster.size)
        with _listen(self._cluster.addresses[0]) as server:
            server.setblocking(False)
            while missing := [index for index in others if index not in self._links]:
                self._waiting.go_on(missing)
                self._look(server)
        for link in self._strangers:
            link.close()
        for index in others:
            with suppress(BrokenLink):
                # Who is gone by now is missed by the signs of life.
                self._links[index].send({"start": True})
        return self._links

    def _look(self, server: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(server, selectors.EVENT_READ)
            for link in [*self._strangers, *self._links.values()]:
                selector.register(link, selectors.EVENT_READ, link)
            ready = [key.data for key, _ in selector.select(_SECONDS_BETWEEN_TRIES)]
        for link in filter(None, ready):
            self._hear(link)
        if None in ready:
            with suppress(OSError):
                self._strangers[Link(server.accept()[0])] = time.monotonic()
        for link, since in list(self._strangers.items()):
            if time.monotonic() - since > _SECONDS_OF_A_TRY:
                self._drop(link)

    def _hear(self, link: Link) -> None:
        try:
            records = link.receive()
        except BrokenLink:
            self._drop(link)
            return
        if records and link in self._strangers:
            self._greet(link, records[0])

    def _greet(self, link: Link, record: Record) -> None:
        index = record.get("index")
        is_one = record.get("hello") == _GREETING
        if not is_one or not isinstance(index, int) or not 0 < index < self._cluster.size or index in self._links:
            self._drop(link)
            return
        different = _difference(self._facts, record.get("facts"))
        if different:
            text = (
                f"{self._cluster.name(index)} and {self._cluster.name(0)} are not of one training: {different} "
                "differs. Start all workers with the same command, files and versions."
            )
            for one in [link, *self._links.values()]:
                with suppress(BrokenLink):
                    one.send({"refused": text})
            raise UserError(text)
        del self._strangers[link]
        self._links[index] = link

    def _drop(self, link: Link) -> None:
        """Forgets who is gone, and may come again, or is none of us."""
        link.close()
        self._strangers.pop(link, None)
        for index in [index for index, one in self._links.items() if one is link]:
            del self._links[index]


class _Caller:
    """Another worker: connects to the chief, again and again until it is there."""

    def __init__(self, cluster: Cluster, facts: Mapping[str, str], timeout: float, tell: Callable[[str], None]):
        self._cluster = cluster
        self._hello = {"hello": _GREETING, "index": cluster.index, "facts": dict(facts)}
        self._waiting = _Waiting(cluster, timeout, tell)

    def call(self) -> Link:
        """Returns the connection, when the chief says that all are there."""
        why = ""
        while True:
            self._waiting.go_on([0], why)
            try:
                connection = socket.create_connection(
                    split_address(self._cluster.addresses[0]), timeout=_SECONDS_OF_A_TRY
                )
            except OSError as error:
                why = error.strerror or str(error)
                time.sleep(_SECONDS_BETWEEN_TRIES)
                continue
            link = Link(connection)
            try:
                link.send(self._hello)
                self._await_start(link)
                return link
            except BrokenLink as error:
                link.close()
                why = f"it answers, but {error}"
                time.sleep(_SECONDS_BETWEEN_TRIES)

    def _await_start(self, link: Link) -> None:
        while True:
            with selectors.DefaultSelector() as selector:
                selector.register(link, selectors.EVENT_READ)
                is_ready = bool(selector.select(_SECONDS_BETWEEN_TRIES))
            self._waiting.go_on([0], "it is there, and not all others are")
            for record in link.receive() if is_ready else []:
                if "refused" in record:
                    raise UserError(str(record["refused"]))
                if record.get("start"):
                    return


def _difference(ours: Mapping[str, str], theirs: object) -> str:
    """Returns the name of a fact that is not the same; empty where all are."""
    known = theirs if isinstance(theirs, dict) else {}
    return next((name for name in ours if known.get(name) != ours[name]), "")


def _listen(address: str) -> socket.socket:
    """Returns a server at an address of this machine, which TensorFlow's own may follow.

    Raises:
        PeersError: the port is in use, or may not be used.
    """
    host, port = split_address(address)
    begin = time.monotonic()
    while True:
        try:
            if is_loopback(host):
                return socket.create_server((host, port))
            # Names of services are no interfaces of this machine: TensorFlow listens on all of them, too.
            if socket.has_dualstack_ipv6():
                return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
            return socket.create_server(("", port))
        except OSError as error:
            # That of an earlier run may be about to end.
            if error.errno == errno.EADDRINUSE and time.monotonic() - begin < _SECONDS_FOR_A_PORT:
                time.sleep(_SECONDS_BETWEEN_TRIES)
                continue
            what = "is in use by another process" if error.errno == errno.EADDRINUSE else f"cannot be used: {error}"
            raise PeersError(
                f"port {port} of this machine, which TF_CONFIG gives this worker ({address}), {what}. End what uses "
                "it, or name another port in the TF_CONFIG of all workers."
            ) from None
