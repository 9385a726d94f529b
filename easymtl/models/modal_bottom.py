"""Networks over images, general features and texts below the towers of a DBMTL."""

from collections.abc import Callable, Container, Mapping
from typing import Any

import tensorflow as tf

from easymtl.config.modalities import ModalityShapes
from easymtl.layers.cmbf import CMBF
from easymtl.layers.context import Build, Call
from easymtl.layers.modalities import Modalities
from easymtl.layers.uniter import Uniter
from easymtl.models.inputs import Inputs, InputShapes
from easymtl.protos.model_pb2 import DBMTL


class ModalBottom(tf.Module):
    """`bottom_cmbf` or `bottom_uniter`: reads the groups `image`, `general`, `text` and `other`, those that there are.

    Attributes:
        width: of the result.
    """

    def __init__(self, build: Build, config: DBMTL, shapes: InputShapes):
        """Makes the network that the config has."""
        super().__init__()
        image, general = (
            list(shapes.vectors(group).values()) if group in shapes else [] for group in ("image", "general")
        )
        text = shapes.sequences("text") if "text" in shapes else {}
        found = ModalityShapes(image, general, text, shapes.get("other", 0))
        self.network: CMBF | Uniter
        if config.HasField("bottom_cmbf"):
            self.network = CMBF(build, config.bottom_cmbf, found)
        else:
            self.network = Uniter(build, config.bottom_uniter, found)
        self.width = self.network.width

    def __call__(self, inputs: Inputs, call: Call) -> tf.Tensor:
        """Maps the features of a batch to `[batch, width]`."""
        image, general = (
            list(inputs.vectors(group).values()) if group in inputs else [] for group in ("image", "general")
        )
        text = inputs.sequences("text") if "text" in inputs else {}
        return self.network(Modalities(image, general, text, inputs.get("other")), call)


def has_modal_bottom(config: Any) -> bool:
    """Returns whether a DBMTL has such a network."""
    return config.HasField("bottom_cmbf") or config.HasField("bottom_uniter")


def _of(read: Callable[[str], Mapping[str, Any]], group: str, groups: Container[str]) -> Mapping[str, Any]:
    return read(group) if group in groups else {}
