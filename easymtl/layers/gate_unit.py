"""Gates that scale what goes through a network: none of them picks, each one turns up or down."""

from collections.abc import Sequence

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.dense import DNN, Dense
from easymtl.layers.gate_weights import GateNames, numbered_experts

SCALE = 2.0
"""Gates reach from 0 to this, so that an undecided one (sigmoid 0.5) changes nothing."""


class GateUnit(tf.Module):
    """Gate NU: 2 * sigmoid(relu(x W + b) W' + b') (Chang et al. 2023, PEPNet, equations 2 and 3, with gamma = 2)."""

    def __init__(self, build: Build, name: str, num_inputs: int, num_hidden: int, num_outputs: int):
        super().__init__()
        self.hidden = Dense(build, f"{name}/hidden", num_inputs, num_hidden)
        self.output = Dense(build, f"{name}/output", num_hidden, num_outputs)

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, num_inputs]` to factors `[batch, num_outputs]` between 0 and 2."""
        return SCALE * tf.nn.sigmoid(self.output(tf.nn.relu(self.hidden(x, call)), call))


class ScaledDNN(DNN):
    """A DNN the input of whose every layer is scaled (Chang et al. 2023, PEPNet, equation 9)."""

    def scaled(self, x: tf.Tensor, factors: Sequence[tf.Tensor], call: Call) -> tf.Tensor:
        """Maps `[batch, num_inputs]`, and factors of the same width as the input of each layer, to `[batch, width]`."""
        for index in range(len(self.dense)):
            x = self.layer(index, x * factors[index], call)
        return x


class FeatureGate(tf.Module):
    """A gate on every column of x: sum_l softmax(x U)_l * 2 sigmoid(x B_l A_l) (Wang et al. 2024, HoME, section 3).

    B_l `[num_inputs, rank]` and A_l `[rank, num_inputs]` are the paper's low-rank pair; it takes the rank to be the
    width of x over the number of pairs. A single pair has no softmax.
    """

    def __init__(self, build: Build, name: str, num_inputs: int, rank: int, num_pairs: int):
        super().__init__()
        self.num_pairs, self.rank = num_pairs, rank
        self.choice = build.kernel(f"{name}/choice/kernel", num_inputs, num_pairs) if num_pairs > 1 else None
        pairs = [f"{name}/pair_{index}" for index in range(num_pairs)]
        self.down = build.stacked_kernel([f"{pair}/down/kernel" for pair in pairs], num_inputs, rank)
        self.up = build.stacked_kernel([f"{pair}/up/kernel" for pair in pairs], rank, num_inputs)

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, num_inputs]` to the scaled x, of the same shape."""
        x = tf.cast(x, call.dtype)
        low = tf.einsum("bi,pir->pbr", x, tf.cast(self.down, call.dtype))
        factors = SCALE * tf.nn.sigmoid(tf.matmul(low, tf.cast(self.up, call.dtype)))
        if self.choice is None:
            return x * factors[0]
        scores = tf.cast(tf.matmul(x, tf.cast(self.choice, call.dtype)), tf.float32)
        weights = tf.cast(tf.nn.softmax(scores), call.dtype)
        return x * tf.einsum("bp,pbi->bi", weights, factors)


class SelfGate(tf.Module):
    """How much of its own experts a unit adds to its mixture (Wang et al. 2024, HoME, section 3).

    Softmax over several experts, sigmoid for a single one: [batch, num_expert], in float32.
    """

    def __init__(
        self,
        build: Build,
        name: str,
        num_inputs: int,
        num_expert: int,
        told_as: GateNames | None = None,
    ):
        """Makes the layer.

        Args:
            build: seed and norms of the layers.
            name: of the layer.
            num_inputs: width of what it reads.
            num_expert: number of its own experts.
            told_as: what people are told; default: its name, and `expert_0`, `expert_1`, ...
        """
        super().__init__()
        self.told_as = told_as or GateNames(name, numbered_experts(num_expert))
        self.dense = Dense(build, name, num_inputs, num_expert)
        self.is_single = num_expert == 1

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, num_inputs]` to weights `[batch, num_expert]`."""
        scores = tf.cast(self.dense(x, call), tf.float32)
        if self.is_single:
            return tf.nn.sigmoid(scores)  # It scales one expert, and weighs none against another.
        weights = tf.nn.softmax(scores)
        call.add_gate(*self.told_as, weights)
        return weights
