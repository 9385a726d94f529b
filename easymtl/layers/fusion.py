"""What stands between the experts of several tasks: units that mix all experts and keep their own."""

from collections.abc import Sequence

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.experts import Gate, mix
from easymtl.protos.layer_pb2 import DNN as DNNConfig


class FusionUnit(tf.Module):
    """A gated mixture of all experts plus a linear one of its own: f = (pad(v) + g(x)) E.

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
    ):
        """Makes the layers.

        Args:
          build: seed and norms of the layers.
          name: of the unit.
          num_inputs: width of what the gate reads.
          num_expert: number of all experts.
          own: the places of its own experts among them, side by side.
          hidden: hidden layers of the gate.
        """
        super().__init__()
        self.gate = Gate(build, f"{name}/gate", num_inputs, num_expert, hidden)
        self.before, self.after = own[0], num_expert - own[-1] - 1
        share = tf.fill([len(own)], 1.0 / len(own))
        self.native = build.variable([f"{name}/native"], share) if len(own) > 1 else None

    def __call__(self, x: tf.Tensor, experts: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps the input `[batch, num_inputs]` and all experts `[batch, num_expert, width]` to `[batch, width]`."""
        native = tf.ones([1]) if self.native is None else self.native
        return mix(self.gate(x, call) + tf.pad(native, [[self.before, self.after]]), experts)
