"""One level of customized gate control: experts of each task beside shared ones (Tang et al. 2020, section 4)."""

from collections.abc import Sequence
from itertools import chain

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.experts import Experts, Gate, mix_all
from easymtl.layers.gate_weights import GateNames, expert_names, shared_owner
from easymtl.protos.layer_pb2 import DNN as DNNConfig
from easymtl.protos.model_pb2 import CGC as CGCConfig
from easymtl.protos.model_pb2 import ExtractionNetwork


class ExtractionLevel(tf.Module):
    """One level of PLE, and CGC whole (Progressive Layered Extraction, Tang et al., RecSys 2020).

        g_t = sum_k softmax(W_t x_t)_k [experts of t over x_t, shared experts over s]_k     (equations 1 to 3, 5)
        g_s = sum_k softmax(W_s s)_k [experts of every task over its x_t, shared experts over s]_k

    At the first level all x_t and s are the features x, and the experts, if of one shape, are one wide product.
    Nothing above the last level reads g_s, so there it has no gate.
    """

    def __init__(
        self,
        build: Build,
        name: str,
        config: ExtractionNetwork | CGCConfig,
        num_inputs: int,
        tasks: Sequence[str],
        gate_dnn: DNNConfig | None,
        is_first: bool,
        is_last: bool,
    ):
        """Makes the layers.

        Args:
            build: seed and norms of the layers.
            name: of the level; its layers are named as EasyRec does.
            config: numbers and layers of the experts.
            num_inputs: width of each input.
            tasks: names of the towers.
            gate_dnn: hidden layers of each gate.
            is_first: whether all inputs are one.
            is_last: whether nothing reads the shared mixture.
        """
        super().__init__()
        num_own, num_shared = config.expert_num_per_task, config.share_num
        owners = [f"{name}_task_{task}" for task in range(len(tasks))]
        names = [[f"{owner}_expert_{k}/dnn" for k in range(num_own)] for owner in owners]
        names.append([f"{name}_share/dnn_expert_{k}/dnn" for k in range(num_shared)])
        configs = [[config.task_expert_net] * num_own] * len(tasks) + [[config.share_expert_net] * num_shared]
        self.counts = [len(group) for group in names]
        if is_first:
            names, configs = [list(chain(*names))], [list(chain(*configs))]
        self.experts = [Experts(build, group, num_inputs, nets) for group, nets in zip(names, configs)]
        shared = shared_owner(tasks)
        self.gates = [
            Gate(
                build,
                f"{owner}_gate",
                num_inputs,
                num_own + num_shared,
                gate_dnn,
                GateNames(task if is_last else f"{name}/{task}", expert_names({task: num_own, shared: num_shared})),
            )
            for owner, task in zip(owners, tasks)
        ]
        self.shared_gate = None
        if not is_last:
            everyone = expert_names(dict.fromkeys(tasks, num_own) | {shared: num_shared})
            self.shared_gate = Gate(
                build,
                f"{name}_share_gate",
                num_inputs,
                len(everyone),
                gate_dnn,
                GateNames(f"{name}/{shared}", everyone),
            )
        self.width = self.experts[0].width

    def __call__(self, inputs: Sequence[tf.Tensor], call: Call) -> list[tf.Tensor]:
        """Maps the inputs `[batch, num_inputs]` of the tasks and the shared one to as many mixtures `[batch, width]`.

        The last level returns those of the tasks alone.
        """
        weights = [self._among_all(task, gate(x, call)) for task, (gate, x) in enumerate(zip(self.gates, inputs))]
        if self.shared_gate:
            weights.append(self.shared_gate(inputs[-1], call))
        return mix_all(weights, self._experts(inputs, call))

    def _among_all(self, task: int, weights: tf.Tensor) -> tf.Tensor:
        """Returns a task's weights `[batch, own + shared]` among those of all experts; the other tasks' get 0."""
        own, shared = tf.split(weights, [self.counts[task], self.counts[-1]], axis=1)
        padding = [sum(self.counts[:task]), sum(self.counts[task + 1 : -1])]
        return tf.concat([tf.pad(own, [[0, 0], padding]), shared], axis=1)

    def _experts(self, inputs: Sequence[tf.Tensor], call: Call) -> tf.Tensor:
        """Returns the outputs of all experts `[batch, experts, width]`: each task's in their order, then the shared."""
        if len(self.experts) == 1:
            return self.experts[0](inputs[-1], call)
        return tf.concat([experts(x, call) for experts, x in zip(self.experts, inputs)], axis=1)
