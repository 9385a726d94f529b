"""MMoE as a block: experts and a gate for each task."""

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.dense import Dense
from easymtl.layers.experts import mix_all
from easymtl.layers.gate_weights import numbered_experts
from easymtl.layers.mlp import MLP, mlp_width
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.shapes import Shape, ShapeFault, describe, require_vector, vector
from easymtl.layers.vectors import field_list, field_widths
from easymtl.protos.backbone_pb2 import MMoELayer


class MMoE(NamedLayer):
    """A list with a mixture of experts for each task (Ma et al. 2018, MMoE, equations 6 and 7).

    Without `expert_mlp` its input is the list of the experts' outputs with what the gates read behind them. With
    `num_expert: 0` the input passes.
    """

    def __init__(self, build: Build, name: str, config: MMoELayer, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.experts: list[MLP] = []
        self.scope = name
        self.gates: list[Dense] = []
        if _is_identity(config):
            return
        if config.HasField("expert_mlp"):
            num_expert, num_inputs = config.num_expert, require_vector(inputs)
            for index in range(num_expert):
                self.experts.append(MLP(build, f"{name}/expert_{index}", num_inputs, config.expert_mlp))
        else:
            *experts, num_inputs = field_widths(inputs)
            num_expert = len(experts)
        self.gates = [Dense(build, f"{name}/gate_{task}", num_inputs, num_expert) for task in range(config.num_task)]

    @staticmethod
    def shape(config: MMoELayer, inputs: Shape) -> Shape:
        """Returns a list of num_task times `[batch, width of an expert]`."""
        if _is_identity(config):
            return inputs
        if not config.num_task:
            raise ShapeFault("needs num_task, the number of its results, for example num_task: 2")
        width = _width_of_mlp(config, inputs) if config.HasField("expert_mlp") else _width_of_list(config, inputs)
        return [vector(width) for _ in range(config.num_task)]

    def __call__(self, x: tf.Tensor | list[tf.Tensor], call: Call) -> tf.Tensor | list[tf.Tensor]:
        """Maps `[batch, width]`, or the list of experts and gate input, to num_task times `[batch, expert width]`."""
        if not self.gates:
            return x
        if self.experts:
            outputs, read = [expert(x, call) for expert in self.experts], x
        else:
            *outputs, read = field_list(x, call.dtype)
        stacked = tf.stack(outputs, axis=1)  # [batch, num_expert, width]
        weights = [tf.nn.softmax(tf.cast(gate(read, call), tf.float32)) for gate in self.gates]
        experts = numbered_experts(len(outputs))
        for task, told in enumerate(weights):
            call.add_gate(f"{self.scope}/gate_{task}", experts, told)
        return mix_all(weights, stacked)


def _is_identity(config: MMoELayer) -> bool:
    return config.HasField("num_expert") and config.num_expert == 0


def _width_of_mlp(config: MMoELayer, inputs: Shape) -> int:
    require_vector(inputs)
    if not config.num_expert:
        raise ShapeFault("has expert_mlp; it needs num_expert too, for example num_expert: 3")
    return mlp_width(config.expert_mlp, "expert_mlp")


def _width_of_list(config: MMoELayer, inputs: Shape) -> int:
    if not isinstance(inputs, list | tuple):
        text = "has no expert_mlp { }, so it takes a list: the outputs of experts, then the input of the gates"
        raise ShapeFault(f"{text}. It is given {describe(inputs)}")
    *experts, _ = field_widths(inputs, least=2)
    if config.num_expert and config.num_expert != len(experts):
        text = f"has num_expert {config.num_expert}, but is given {len(experts)} tensors before the input of its gates"
        raise ShapeFault(text)
    if len(set(experts)) > 1:
        raise ShapeFault(f"mixes experts of one width, but is given widths {', '.join(map(str, experts))}")
    return experts[0]
