"""Mistakes that show when shapes are walked, each with its place in the config."""

from collections.abc import Iterator
from contextlib import contextmanager

from easymtl.layers.shapes import ShapeFault


class BlockFault(Exception):
    """A block that cannot be built.

    Attributes:
        path: of what is wrong.
        text: a sentence that goes on after the path.
    """

    def __init__(self, path: str, text: str):
        self.path, self.text = path, text
        super().__init__(f"{path} {text}")


@contextmanager
def at_block(path: str, called: str) -> Iterator[None]:
    """Gives what is wrong with shapes its place: a path and what stands there, such as `"deep" (MLP)`."""
    try:
        yield
    except ShapeFault as fault:
        text = f"{called} {fault}".strip()
        raise BlockFault(path, text if text.endswith((".", "?")) else f"{text}.") from None
