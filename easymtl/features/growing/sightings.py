"""What has happened to the ids of a growing table in one run."""

from dataclasses import dataclass


@dataclass
class Sightings:
    """What has happened since the map was made or brought back, whichever owner has seen it.

    Attributes:
        num_keys: values seen in training, without missing ones.
        num_unknown: how many of them took the default row.
        num_freed: rows that were taken from ids that were not seen any more.
    """

    num_keys: int = 0
    num_unknown: int = 0
    num_freed: int = 0
