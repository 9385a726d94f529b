"""Hierarchy of multi-gate experts: first by groups of tasks, then by task."""

from collections.abc import Collection, Mapping

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.experts import Gate, StackedDNN, mix_all
from easymtl.layers.gate_unit import FeatureGate, SelfGate
from easymtl.layers.gate_weights import GateNames, expert_names
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

    def __call__(self, inputs: Mapping[str, tf.Tensor], call: Call) -> tf.Tensor:
        """Maps one input `[batch, num_inputs]` per set to all experts `[batch, num_expert, width]`, set by set."""
        gated = [gate(inputs[key], call) for key, gate in zip(self.counts, self.gates)]
        return self.experts(tf.stack([gated[owner] for owner in self.owners], axis=1), call)


class HomeUnit(tf.Module):
    """The weights of all experts in one unit: gate(x) over the sets it sees, plus self_gate(x) over its own, else 0."""

    def __init__(
        self,
        build: Build,
        name: str,
        num_inputs: int,
        counts: Mapping[str, int],
        seen: Collection[str],
        own: str,
        gate_dnn: DNNConfig | None,
        of: str = "",
    ):
        """Makes the layers.

        Args:
            build: seed and norms of the layers.
            name: of the unit.
            num_inputs: width of what the gates read.
            counts: experts of each set of the level.
            seen: the sets that the unit sees.
            own: its own set.
            gate_dnn: hidden layers of the gate.
            of: whose unit it is, as people are told; default: its name.
        """
        super().__init__()
        sets = [key for key, count in counts.items() for _ in range(count)]
        names = expert_names(counts)
        self.num_expert = len(sets)
        self.seen = [place for place, key in enumerate(sets) if key in seen]
        self.own = [place for place, key in enumerate(sets) if key == own]
        of = of or name
        told_as = GateNames(of, [names[place] for place in self.seen])
        own_told_as = GateNames(f"{of}/self", [names[place] for place in self.own])
        self.gate = Gate(build, f"{name}/gate", num_inputs, len(self.seen), gate_dnn, told_as)
        self.self_gate = SelfGate(build, f"{name}/self_gate", num_inputs, len(self.own), own_told_as)

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, num_inputs]` to weights `[batch, num_expert]`, in float32."""
        mixture = tf.matmul(self.gate(x, call), tf.one_hot(self.seen, self.num_expert))
        return mixture + tf.matmul(self.self_gate(x, call), tf.one_hot(self.own, self.num_expert))


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
            key: HomeUnit(build, f"home/meta/{key}", width, meta, _seen(meta, key), key, gate_dnn, f"meta/{key}")
            for key in meta
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
                counts,
                (SHARED, self.group_of[task], key),
                key,
                gate_dnn,
                task,
            )
            for task, key in own.items()
        }
        widths = dict.fromkeys(tasks, self.task_experts.width)
        self.towers = TaskTowers(build, config.task_towers, widths, num_outputs, group_widths)

    def __call__(self, groups: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps groups `[batch, width]` to logits `[batch, num_outputs]` by tower name."""
        x = tf.cast(groups[INPUT_GROUP], call.dtype)
        experts = self.meta_experts(dict.fromkeys(self.meta_units, x), call)
        weights = [unit(x, call) for unit in self.meta_units.values()]
        meta = dict(zip(self.meta_units, mix_all(weights, experts)))

        inputs = meta | {_task_key(task): meta[self.group_of[task]] for task in self.task_units}
        beside = {key: tf.concat([z, meta[SHARED]], axis=1) for key, z in meta.items() if key != SHARED}
        weights = [unit(beside[self.group_of[task]], call) for task, unit in self.task_units.items()]
        mixtures = mix_all(weights, self.task_experts(inputs, call))
        return self.towers(dict(zip(self.task_units, mixtures)), groups, call)


def _group_key(group: str) -> str:
    return f"group_{group}"


def _task_key(task: str) -> str:
    return f"task_{task}"


def _seen(sets: Collection[str], key: str) -> Collection[str]:
    """Returns the sets that a unit of the meta level sees: the shared one sees all, a group the shared and its own."""
    return sets if key == SHARED else (SHARED, key)


def _normalized(expert: DNNConfig) -> DNNConfig:
    """Returns the layers of an expert with batch norm and swish."""
    result = DNNConfig()
    result.CopyFrom(expert)
    result.use_bn, result.activation = True, "swish"
    return result
