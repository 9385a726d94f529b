import socket
import threading

import pytest

from easymtl.peers.lines import BrokenLink, Link
from easymtl.peers.records import life_of


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    yield Link(ours), theirs
    ours.close()
    theirs.close()


def test_a_record_comes_back_whole_also_in_pieces(pair):
    link, raw = pair
    assert link.receive() == []
    raw.sendall(b'{"a": 1}\n{"b"')
    assert link.receive() == [{"a": 1}]
    raw.sendall(b": 2}\n")
    assert link.receive() == [{"b": 2}]


def test_what_is_sent_is_a_line(pair):
    link, raw = pair
    link.send({"a": "ü\n"})
    assert raw.recv(100) == b'{"a": "\\u00fc\\n"}\n'


class Slow:
    """A connection on which a second thread sends while the first one does."""

    def __init__(self):
        self.sent, self.link, self.others = b"", Link(self), []

    def setblocking(self, _):
        pass

    def send(self, content):
        if not self.others:
            self.others.append(threading.Thread(target=self.link.send, args=({"second": 2},)))
            self.others[0].start()
            self.others[0].join(0.3)
        self.sent += content
        return len(content)


def test_what_two_threads_send_are_two_lines():
    slow = Slow()
    slow.link.send({"first": 1})
    slow.others[0].join()
    assert slow.sent == b'{"first": 1}\n{"second": 2}\n'


@pytest.mark.parametrize(
    "sent",
    [b"\x00\x00\x12\x04\n", b"[1]\n", b"x" * 70_000, b"[" * 60_000 + b"\n"],
    ids=["binary", "list", "long", "deep"],
)
def test_what_is_no_record_breaks_the_connection(pair, sent):
    link, raw = pair
    raw.sendall(sent)
    with pytest.raises(BrokenLink):
        for _ in range(20):
            link.receive()


def test_an_end_is_told_behind_the_last_record(pair):
    link, raw = pair
    raw.sendall(b'{"failed": "x"}\n')
    raw.close()
    assert link.receive() == [{"failed": "x"}]
    with pytest.raises(BrokenLink, match="closed"):
        link.receive()


def test_who_does_not_read_is_given_up(pair):
    link, _ = pair
    with pytest.raises(BrokenLink, match="not read"):
        for _ in range(1000):
            link.send({"text": "x" * 10_000})


@pytest.mark.parametrize(
    "record",
    [{}, {"age": -1, "step": 0, "patience": 1}, {"age": float("nan"), "step": 0, "patience": 1}, {"age": "1"}],
)
def test_words_that_are_no_sign_break_it_too(record):
    with pytest.raises(BrokenLink):
        life_of(record, 0.0)
