"""The memory that all of some workers have."""

import math
from dataclasses import astuple

from easymtl.features.machine_memory import Room
from easymtl.peers.peers import Peers


def least_room(peers: Peers) -> Room:
    """Returns the least memory that any worker finds; all of them have to ask.

    They look before they meet here, and take memory behind it, so that what one of them takes is not missing for
    another one of its machine.
    """
    rooms = [Room(*one) for one in peers.share(astuple(Room.here(peers.num_on_host)))]
    return min(rooms, key=lambda one: math.inf if one.available is None else one.available)
