"""Adaptive information transfer: each tower of a chain attends to what the one before it hands on."""

from collections.abc import Mapping, Sequence
from functools import partial
from graphlib import TopologicalSorter

import tensorflow as tf

from easymtl.config import view
from easymtl.layers.context import Build, Call
from easymtl.layers.dense import DNN, Dense
from easymtl.layers.gate_weights import HANDED_ON, GateNames
from easymtl.models.base import INPUT_GROUP, MultiTaskModel, TaskTowers
from easymtl.protos.layer_pb2 import DNN as DNNConfig
from easymtl.protos.model_pb2 import AITM as AITMConfig


class AITM(MultiTaskModel):
    """Modeling the Sequential Dependence among Audience Multi-step Conversions with Multi-task Learning.

    Xi et al., KDD 2021 (arXiv:2105.08489): a shared bottom, a tower q_t per task, and z_t = AIT(g(z_{t-1}), q_t)
    in between tower and output layer; the first task of a chain has z_t = q_t. The calibration term, equation 8, is
    in `easymtl.tasks.funnel`.
    """

    def __init__(
        self, build: Build, config: AITMConfig, group_widths: Mapping[str, int], num_outputs: Mapping[str, int]
    ):
        super().__init__(build, config, group_widths, num_outputs)
        width = group_widths[INPUT_GROUP]
        self.bottom = DNN(build, "bottom_dnn", width, config.bottom_dnn) if config.HasField("bottom_dnn") else None
        widths = dict.fromkeys(num_outputs, self.bottom.width if self.bottom else width)
        transfer = config.transfer_dnn if config.HasField("transfer_dnn") else None
        chains = partial(Chains, build, view.chain(config.task_towers), transfer)
        self.towers = TaskTowers(build, config.task_towers, widths, num_outputs, group_widths, relations=chains)

    def __call__(self, groups: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps groups `[batch, width]` to logits `[batch, num_outputs]` by tower name."""
        x = groups[INPUT_GROUP]
        if self.bottom:
            x = self.bottom(x, call)
        return self.towers(dict.fromkeys(self.towers.outputs, x), groups, call)


class Chains(tf.Module):
    """The towers of chains, each transferred into the next: z_t = AIT(g(z_{t-1}), q_t), equation 3.

    Attributes:
        widths: width of each z_t, that of its tower.
    """

    def __init__(self, build: Build, before: Mapping[str, str], transfer: DNNConfig | None, widths: Mapping[str, int]):
        """Makes the layers.

        Args:
            build: seed and norms of the layers.
            before: the task that hands on to each one, empty for the first of a chain.
            transfer: hidden layers of g; without them g is linear.
            widths: width of each tower, by task.
        """
        super().__init__()
        self.before = dict(before)
        self.widths = dict(widths)
        order = TopologicalSorter({task: {source} - {""} for task, source in before.items()}).static_order()
        self.order = list(order)
        self.transfers = {
            task: Transfer(build, f"{task}/transfer", widths[before[task]], widths[task], transfer)
            for task in self.order
            if before[task]
        }
        self.attentions = {
            task: Attention(build, f"{task}/attention", widths[task], GateNames(task + HANDED_ON, (before[task], task)))
            for task in self.transfers
        }

    def __call__(self, towers: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps one tower output q_t `[batch, width]` per task to its z_t `[batch, width]`."""
        hidden: dict[str, tf.Tensor] = {}
        for task in self.order:
            hidden[task] = towers[task]
            if task in self.transfers:
                transferred = self.transfers[task](hidden[self.before[task]], call)
                hidden[task] = self.attentions[task](transferred, towers[task], call)
        return hidden


class Transfer(tf.Module):
    """g, what a task hands on to the next: hidden layers, if any, and a linear one to the width of the next tower."""

    def __init__(self, build: Build, name: str, num_inputs: int, num_outputs: int, hidden: DNNConfig | None):
        super().__init__()
        self.hidden = DNN(build, f"{name}/hidden", num_inputs, hidden) if hidden else None
        self.dense = Dense(build, f"{name}/dnn", self.hidden.width if self.hidden else num_inputs, num_outputs)

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, num_inputs]` to `[batch, num_outputs]`."""
        return self.dense(self.hidden(x, call) if self.hidden else x, call)


class Attention(tf.Module):
    """AIT, equations 4 to 6: how much of what was transferred, and how much of the own tower, goes on.

        z = sum_u w_u h1(u),  w_u = softmax_u(<h2(u), h3(u)> / sqrt(k)),  u in {transferred, own}

    h1 is the value, h2 the key and h3 the query, each a dense layer that both u share; k is their width.
    """

    def __init__(self, build: Build, name: str, width: int, told_as: GateNames):
        """Makes the layers; people are told the weights as those of a gate, see `Call.add_gate`."""
        super().__init__()
        self.told_as = told_as
        self.value, self.key, self.query = (Dense(build, f"{name}/{part}", width, width) for part in _PARTS)

    def __call__(self, transferred: tf.Tensor, own: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps two `[batch, width]` to `[batch, width]`."""
        both = [transferred, own]
        found = self.weights(both, call)
        call.add_gate(*self.told_as, found)
        weights = tf.unstack(found, axis=1)
        values = [self.value(u, call) for u in both]
        return tf.add_n([tf.cast(weight, value.dtype)[:, tf.newaxis] * value for weight, value in zip(weights, values)])

    def weights(self, both: Sequence[tf.Tensor], call: Call) -> tf.Tensor:
        """Returns the weights of `[transferred, own]`, float32 `[batch, 2]`, which sum to 1."""
        scores = [self._score(u, call) for u in both]
        return tf.nn.softmax(tf.stack(scores, axis=1))

    def _score(self, u: tf.Tensor, call: Call) -> tf.Tensor:
        key, query = (tf.cast(layer(u, call), tf.float32) for layer in (self.key, self.query))
        # With its axis kept: else the gradient would put a shape together on a GPU, for the host.
        product = tf.squeeze(tf.reduce_sum(key * query, axis=1, keepdims=True), axis=1)
        return product / tf.sqrt(tf.cast(key.shape[1], tf.float32))


_PARTS = ("value", "key", "query")
