import socket
import threading

import pytest

from easymtl.errors import PeersError, UserError
from easymtl.peers import meeting
from easymtl.peers.cluster import Cluster, split_address
from easymtl.peers.meeting import meet

FACTS = {"the config": "abc"}


@pytest.fixture
def addresses():
    """Ports that were free a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    found = tuple(f"127.0.0.1:{one.getsockname()[1]}" for one in sockets)
    for one in sockets:
        one.close()
    return found


class Meeting(threading.Thread):
    """A worker that meets the others."""

    def __init__(self, index, addresses, facts=FACTS, timeout=20.0):
        super().__init__(daemon=True)
        self.cluster = Cluster(index, len(addresses), addresses)
        self.facts, self.timeout = facts, timeout
        self.links, self.error, self.told = None, None, []
        self.start()

    def run(self):
        try:
            self.links = meet(self.cluster, self.facts, self.timeout, self.told.append)
        except (PeersError, UserError) as error:
            self.error = error

    def end(self):
        self.join(30)
        assert not self.is_alive()
        return self


def test_all_meet_at_the_chief_in_whatever_order_they_come(addresses):
    workers = [Meeting(index, addresses) for index in (2, 1, 0)]
    others, chief = [worker.end() for worker in workers[:2]], workers[2].end()
    assert sorted(chief.links) == [1, 2]
    for worker in others:
        worker.links[0].send({"from": worker.cluster.index})
    for index, link in chief.links.items():
        link.socket.setblocking(True)
        assert link.receive() == [{"from": index}]


def test_the_port_is_free_again_for_tensorflow_while_the_connections_stay(addresses):
    workers = [Meeting(index, addresses[:2]) for index in (1, 0)]
    for worker in workers:
        worker.end()
    with socket.create_server(("", split_address(addresses[0])[1])):
        workers[0].links[0].send({"a": 1})
        workers[1].links[1].socket.setblocking(True)
        assert workers[1].links[1].receive() == [{"a": 1}]


def test_who_does_not_come_is_named_every_while_and_at_the_end(addresses, monkeypatch):
    monkeypatch.setattr(meeting, "_SECONDS_BETWEEN_WORDS", 0.3)
    present = Meeting(1, addresses, timeout=20.0)
    chief = Meeting(0, addresses, timeout=2.0).end()
    assert f"worker 2 ({addresses[2]}) did not come within 2 s" in str(chief.error)
    assert "worker 1" not in str(chief.error) and "firewalls" in str(chief.error)
    assert f"Waits for worker 2 ({addresses[2]}) since" in chief.told[-1]
    assert isinstance(chief.error, PeersError)
    del present


def test_a_chief_that_does_not_come_is_named_with_the_reason(addresses):
    worker = Meeting(1, addresses, timeout=1.0).end()
    assert f"worker 0 ({addresses[0]}) did not come within 1 s (Connection refused)" in str(worker.error)


def test_workers_of_other_commands_are_refused_on_both_sides(addresses):
    worker = Meeting(1, addresses[:2], {"the config": "other"})
    chief = Meeting(0, addresses[:2]).end()
    for error in (chief.error, worker.end().error):
        assert isinstance(error, UserError)
        assert f"worker 1 ({addresses[1]}) and worker 0 ({addresses[0]}) are not of one training" in str(error)
        assert "the config differs" in str(error)


def test_a_port_in_use_is_told(addresses, monkeypatch):
    monkeypatch.setattr(meeting, "_SECONDS_FOR_A_PORT", 0.0)
    for index in (0, 1):
        with socket.create_server(split_address(addresses[index])):
            error = Meeting(index, addresses[:2]).end().error
        assert f"port {split_address(addresses[index])[1]} of this machine" in str(error)
        assert "is in use by another process" in str(error)


def test_strangers_at_the_port_do_no_harm(addresses):
    chief = Meeting(0, addresses[:2])
    strangers = []
    for sent in (
        b"GET / HTTP/1.1\r\n\r\n",
        b'{"hello": "easymtl", "index": 7}\n',
        b'{"hello": "easymtl", "index": 0}\n',
        b"",
    ):
        for _ in range(100):
            try:
                strangers.append(socket.create_connection(split_address(addresses[0])))
                break
            except OSError:
                threading.Event().wait(0.05)
        strangers[-1].sendall(sent)
    worker = Meeting(1, addresses[:2]).end()
    assert sorted(chief.end().links) == [1] and sorted(worker.links) == [0]
    for one in strangers:
        one.close()


def test_a_worker_that_is_killed_while_all_wait_may_come_again(addresses):
    chief = Meeting(0, addresses)
    for _ in range(100):
        try:
            first = socket.create_connection(split_address(addresses[0]))
            break
        except OSError:
            threading.Event().wait(0.05)
    first.sendall(b'{"hello": "easymtl", "index": 1, "facts": {"the config": "abc"}}\n')
    threading.Event().wait(1.0)
    first.close()
    threading.Event().wait(1.0)
    again, last = Meeting(1, addresses), Meeting(2, addresses)
    assert sorted(chief.end().links) == [1, 2]
    assert again.end().error is None and last.end().error is None
