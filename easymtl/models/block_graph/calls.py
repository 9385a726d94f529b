"""How a block graph is run: a call that takes the results of layers which are outputs of the model."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import tensorflow as tf

from easymtl.layers.context import Call


@dataclass(frozen=True)
class GraphCall(Call):
    """A call of a graph.

    Attributes:
        outputs: takes the results of layers with `add_to_outputs`, by the name of their weights.
    """

    outputs: dict[str, tf.Tensor] = field(default_factory=dict)

    @staticmethod
    def of(call: Call) -> GraphCall:
        """Returns a call that is run as another one is."""
        return GraphCall(**{one.name: getattr(call, one.name) for one in fields(Call)})
