import socket

import pytest

from easymtl.launch.ports import Ports
from easymtl.peers.cluster import split_address


def test_ports_are_apart_and_nobody_else_gets_them_while_a_worker_may_listen():
    with Ports(4) as ports:
        assert len(set(ports.addresses)) == 4
        for address in ports.addresses:
            with pytest.raises(OSError), socket.socket() as other:
                other.bind(split_address(address))
        # TensorFlow listens on all interfaces, with SO_REUSEADDR.
        numbers = [split_address(address)[1] for address in ports.addresses]
        with socket.create_server(("", numbers[0])), socket.create_server(split_address(ports.addresses[1])):
            pass


def test_they_are_given_back():
    with Ports(1) as ports:
        pass
    with socket.socket() as other:
        other.bind(split_address(ports.addresses[0]))
