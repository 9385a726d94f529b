"""Units that mix the experts of several tasks and keep their own, all units of a level in one product."""

from collections.abc import Sequence

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.experts import Gate
from easymtl.layers.gate_weights import GateNames
from easymtl.protos.layer_pb2 import DNN as DNNConfig


class FusionUnit(tf.Module):
    """The weights of all experts in one unit, pad(v) + g(x): a gated mixture plus a linear one of its own experts.

    AdaTT (Li et al. 2023), equations 7 to 11: AllExpertGF is g(x) E with g = softmax(W x), NativeExpertLF is v E_own
    with weights v that do not depend on the input. A single own expert has weight 1, which is not trained. The paper
    leaves the start of v open: here it is the mean of the own experts.
    """

    def __init__(
        self,
        build: Build,
        name: str,
        num_inputs: int,
        num_expert: int,
        own: Sequence[int],
        hidden: DNNConfig | None = None,
        told_as: GateNames | None = None,
    ):
        """Makes the layers.

        Args:
            build: seed and norms of the layers.
            name: of the unit.
            num_inputs: width of what the gate reads.
            num_expert: number of all experts.
            own: the places of its own experts among them, side by side.
            hidden: hidden layers of the gate.
            told_as: what people are told, see `Gate`.
        """
        super().__init__()
        self.gate = Gate(build, f"{name}/gate", num_inputs, num_expert, hidden, told_as)
        self.before, self.after = own[0], num_expert - own[-1] - 1
        share = tf.fill([len(own)], 1.0 / len(own))
        self.native = build.variable([f"{name}/native"], share) if len(own) > 1 else None

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, num_inputs]` to weights `[batch, num_expert]`, in float32."""
        native = tf.ones([1]) if self.native is None else self.native
        return self.gate(x, call) + tf.pad(native, [[self.before, self.after]])
