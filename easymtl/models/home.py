"""Hierarchy of multi-gate experts: first by groups of tasks, then by task."""

from collections.abc import Mapping

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.experts import Gate, StackedDNN, mix
from easymtl.layers.gate_unit import FeatureGate, SelfGate
from easymtl.models.base import INPUT_GROUP, MultiTaskModel, TaskTowers
from easymtl.protos.layer_pb2 import DNN as DNNConfig
from easymtl.protos.model_pb2 import HoME as HoMEConfig

SHARED = "shared"


class ExpertSets(tf.Module):
    """Sets of experts, each set behind a feature gate of its own: E_set(x * FeatureGate_set(x)).

    Every expert ends in batch norm and swish, so that all of them speak at one volume (expert normalization).
    """

    def __init__(self, build: Build, name: str, num_inputs: int, counts: Mapping[str, int], config: HoMEConfig):
        super().__init__()
        self.gates = [
            FeatureGate(
                build, f"{name}/{key}/feature_gate", num_inputs, config.feature_gate_rank, config.feature_gate_pairs
            )
            for key in counts
        ]
        self.counts = dict(counts)
        self.owners = [index for index, count in enumerate(counts.values()) for _ in range(count)]
        names = [f"{name}/{key}/expert_{index}" for key, count in counts.items() for index in range(count)]
        self.experts = StackedDNN(build, names, num_inputs, _normalized(config.expert_dnn))
        self.width = self.experts.width

    def __call__(self, inputs: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps one input `[batch, num_inputs]` per set to its experts `[batch, count, width]`."""
        gated = [gate(inputs[key], call) for key, gate in zip(self.counts, self.gates)]
        experts = self.experts(tf.stack([gated[owner] for owner in self.owners], axis=1), call)
        return dict(zip(self.counts, tf.split(experts, list(self.counts.values()), axis=1)))


class HomeUnit(tf.Module):
    """z = gate(x) [all experts of the sets it sees] + self_gate(x) [its own experts]."""

    def __init__(
        self, build: Build, name: str, num_inputs: int, own: str, counts: Mapping[str, int], gate_dnn: DNNConfig | None
    ):
        """Makes the layers; `counts` are the experts of each set that the unit sees, `own` its own set."""
        super().__init__()
        self.own, self.seen = own, list(counts)
        self.gate = Gate(build, f"{name}/gate", num_inputs, sum(counts.values()), gate_dnn)
        self.self_gate = SelfGate(build, f"{name}/self_gate", num_inputs, counts[own])

    def __call__(self, x: tf.Tensor, experts: Mapping[str, tf.Tensor], call: Call) -> tf.Tensor:
        """Maps its input `[batch, num_inputs]` and the experts `[batch, count, width]` by set to `[batch, width]`."""
        seen = tf.concat([experts[key] for key in self.seen], axis=1)
        return mix(self.gate(x, call), seen) + mix(self.self_gate(x, call), experts[self.own])


class HoME(MultiTaskModel):
    """HoME: Hierarchy of Multi-Gate Experts for Multi-Task Learning at Kuaishou (Wang et al., 2024, arXiv:2408.05430).

    Meta level, over the features x, for a group of tasks g and for what all share:

        z_g = gate_g(x) [E_g, E_shared] + self_gate_g(x) E_g
        z_shared = gate(x) [E_g of every group, E_shared] + self_gate(x) E_shared

    Task level, for a task t of group g, with c = concat[z_g, z_shared]; E_shared reads z_shared, E_g and E_t read z_g:

        z_t = gate_t(c) [E_shared, E_g, E_t] + self_gate_t(c) E_t

    A task sees no expert of another task, and of other groups only what z_shared brings (the hierarchy mask, section 3
    of the paper with the rest of it). Where the paper is open or writes one case only, every set of experts has one
    feature gate, at both levels; every unit has a self gate, the shared one too; and self gates read what gates read.
    """

    def __init__(
        self, build: Build, config: HoMEConfig, group_widths: Mapping[str, int], num_outputs: Mapping[str, int]
    ):
        super().__init__(build, config, group_widths, num_outputs)
        width = group_widths[INPUT_GROUP]
        gate_dnn = config.gate_dnn if config.HasField("gate_dnn") else None
        self.group_of = {
            task: _group_key(group.group_name) for group in config.task_groups for task in group.tower_names
        }
        keys = [_group_key(group.group_name) for group in config.task_groups]
        tasks = list(num_outputs)

        meta = {SHARED: config.share_num} | dict.fromkeys(keys, config.expert_num_per_group)
        self.meta_experts = ExpertSets(build, "home/meta", width, meta, config)
        self.meta_units = {
            key: HomeUnit(build, f"home/meta/{key}", width, key, _seen(meta, key), gate_dnn) for key in meta
        }

        width = self.meta_experts.width
        own = {task: _task_key(task) for task in tasks}
        counts = meta | dict.fromkeys(own.values(), config.expert_num_per_task)
        self.task_experts = ExpertSets(build, "home/task", width, counts, config)
        self.task_units = {
            task: HomeUnit(
                build,
                f"home/task/{key}",
                2 * width,
                key,
                {name: counts[name] for name in (SHARED, self.group_of[task], key)},
                gate_dnn,
            )
            for task, key in own.items()
        }
        widths = dict.fromkeys(tasks, self.task_experts.width)
        self.towers = TaskTowers(build, config.task_towers, widths, num_outputs, group_widths)

    def __call__(self, groups: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps groups `[batch, width]` to logits `[batch, num_outputs]` by tower name."""
        x = tf.cast(groups[INPUT_GROUP], call.dtype)
        experts = self.meta_experts(dict.fromkeys(self.meta_units, x), call)
        meta = {key: unit(x, experts, call) for key, unit in self.meta_units.items()}
        inputs = meta | {_task_key(task): meta[self.group_of[task]] for task in self.task_units}
        experts = self.task_experts(inputs, call)
        mixtures = {
            task: unit(tf.concat([meta[self.group_of[task]], meta[SHARED]], axis=1), experts, call)
            for task, unit in self.task_units.items()
        }
        return self.towers(mixtures, groups, call)


def _group_key(group: str) -> str:
    return f"group_{group}"


def _task_key(task: str) -> str:
    return f"task_{task}"


def _seen(meta: Mapping[str, int], key: str) -> dict[str, int]:
    """Returns the sets that a unit of the meta level sees: the shared one sees all, a group the shared and its own."""
    return {name: count for name, count in meta.items() if key == SHARED or name in (SHARED, key)}


def _normalized(expert: DNNConfig) -> DNNConfig:
    """Returns the layers of an expert with batch norm and swish."""
    result = DNNConfig()
    result.CopyFrom(expert)
    result.use_bn, result.activation = True, "swish"
    return result
