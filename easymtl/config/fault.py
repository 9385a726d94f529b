"""A mistake in a part of a config."""

from typing import NamedTuple


class Fault(NamedTuple):
    """What is wrong, and where.

    Attributes:
        path: of the field, from the part on that was looked at: `embedding_dim` in a feature; empty for all of it.
        text: a sentence that goes on after the path.
        reads: paths outside of the part that were looked at.
    """

    path: str
    text: str
    reads: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.path} {self.text}".strip()
