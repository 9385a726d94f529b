"""A mistake in a block graph."""

from typing import NamedTuple


class Fault(NamedTuple):
    """What is wrong, and where.

    Attributes:
        path: of the field: `model_config.backbone.blocks[2].inputs[0].block_name`.
        text: a sentence that goes on after the path.
    """

    path: str
    text: str
