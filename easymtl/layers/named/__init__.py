"""The layers that block graphs call by name: one file per layer, one row in this table."""

from dataclasses import dataclass

from google.protobuf.message import Message

from easymtl.layers.named.base import NamedLayer

__all__ = ["LAYERS", "NamedLayer", "Row"]


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        layer: the class.
        message: the type of its parameters, in which `st_params` are read too.
    """

    layer: type[NamedLayer]
    message: type[Message]


LAYERS: dict[str, Row] = {}
"""`keras_layer.class_name` -> its layer."""
