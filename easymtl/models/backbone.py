"""The network that a `backbone` describes: a graph of blocks over feature groups."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import tensorflow as tf

from easymtl.config import Config
from easymtl.config.block_graph import MAIN, Graph, graph_of
from easymtl.errors import UserError
from easymtl.layers.context import Build, Call
from easymtl.layers.merging import of_one_type
from easymtl.layers.mlp import MLP, mlp_width
from easymtl.models.block_graph import Plan, plan_graph
from easymtl.models.block_graph.calls import GraphCall
from easymtl.models.block_graph.faults import BlockFault, at_block
from easymtl.models.block_graph.keras_layers import ignored_parameters
from easymtl.models.block_graph.plans import require_vectors
from easymtl.models.block_graph.running import Run
from easymtl.models.inputs import Inputs, InputShapes
from easymtl.protos.backbone_pb2 import BackboneTower

TOP_MLP = "backbone_top_mlp"


@contextmanager
def located(config: Config) -> Iterator[None]:
    """Gives what does not fit in a block graph its lines.

    Raises:
        ConfigError: in place of a GraphError.
    """
    try:
        yield
    except GraphError as error:
        raise config.error((fault.path, fault.text) for fault in error.faults) from None


def graph_notes(config: Config) -> list[str]:
    """Returns what deserves a word in the layers of a block graph, which have been planned; empty without one."""
    graph = graph_of(config.pipeline)
    return config.remarks(ignored_parameters(graph)) if graph else []


class GraphError(UserError):
    """Blocks of a graph that do not fit together.

    Attributes:
        faults: each with its path in the config.
    """

    def __init__(self, faults: Sequence[BlockFault]):
        self.faults = list(faults)
        super().__init__("\n".join(f"{fault.path} {fault.text}" for fault in faults))


class Results:
    """What a planned backbone gives.

    Attributes:
        widths: of its results.
        is_list: whether they are a list, one for each task, and not one tensor for all of them.
    """

    def __init__(self, config: BackboneTower, plan: Plan):
        """Asks for the shapes.

        Raises:
            GraphError: the results are no tensors `[batch, width]`.
        """
        path = plan.main.scope.path
        try:
            with at_block(path, ""):
                self.widths = require_vectors(plan.main.shape)
            self.is_list = isinstance(plan.main.shape, list)
            if config.HasField("top_mlp"):
                with at_block(f"{path}.top_mlp", ""):
                    self.widths, self.is_list = [mlp_width(config.top_mlp)], False
        except BlockFault as fault:
            raise GraphError([fault]) from None


class Backbone(tf.Module):
    """A block graph.

        backbone = Backbone(build, config, plan_backbone(graph, shapes))
        results, outputs = backbone(inputs, Call())   # one tensor [batch, width], or one for each task

    Attributes:
        results: the widths of what it gives.
        plan: of its blocks, with the shapes of their values.
    """

    def __init__(self, build: Build, config: BackboneTower, plan: Plan):
        """Makes the layers.

        Args:
            build: seed and norms of the layers.
            config: the backbone.
            plan: of its graph.

        Raises:
            GraphError: the results are no tensors `[batch, width]`.
        """
        super().__init__()
        self.results = Results(config, plan)
        self.plan = plan
        self.layers: list[tf.Module] = [layer for block in plan.input_blocks for layer in block.make(build)]
        self.layers += [layer.make(build) for layer in plan.layers.plans.values()]
        self._top_mlp: MLP | None = None
        if config.HasField("top_mlp"):
            self._top_mlp = MLP(build, TOP_MLP, sum(require_vectors(plan.main.shape)), config.top_mlp)

    def __call__(self, inputs: Inputs, call: Call) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
        """Maps the features of a batch to results, `[batch, width]` each, and outputs by the names of blocks."""
        run = GraphCall.of(call)
        result = Run(self.plan.main, inputs, run).result()
        results = list(result) if isinstance(result, list) else [result]
        if self._top_mlp is not None:
            results = [self._top_mlp(tf.concat(of_one_type(results, call.dtype), axis=1), call)]
        return results, {name.removeprefix(f"{MAIN}/"): value for name, value in run.outputs.items()}


def plan_backbone(graph: Graph, shapes: InputShapes) -> Plan:
    """Returns the plan of a graph, without making anything.

    Args:
        graph: has no faults.
        shapes: of the feature groups.

    Raises:
        GraphError: blocks do not fit together; all of them are told.
    """
    plan = plan_graph(graph, shapes)
    if plan.faults:
        raise GraphError(plan.faults)
    return plan
