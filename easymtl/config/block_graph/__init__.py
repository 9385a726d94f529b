"""Block graphs of a config as graphs: which block reads which, in what order they run, what comes out.

Reading one needs no TensorFlow; `easymtl.models.backbone` makes the layers.
"""

from easymtl.config.block_graph.graph import MAIN, Graph, read_graph
from easymtl.config.block_graph.reading import block_outputs, graph_of, keras_layers, scope_outputs, wiring
from easymtl.config.block_graph.scope import INPUT_KINDS, Node, Scope, Source
from easymtl.config.fault import Fault

__all__ = [
    "INPUT_KINDS",
    "MAIN",
    "Fault",
    "Graph",
    "Node",
    "Scope",
    "Source",
    "block_outputs",
    "graph_of",
    "keras_layers",
    "read_graph",
    "scope_outputs",
    "wiring",
]
