"""Whether every node of a SavedModel can run on a GPU, told on any machine.

The TensorFlow wheel registers its GPU kernels whether or not there is a GPU, so the registry can be asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tensorflow.core.framework import graph_pb2, kernel_def_pb2, node_def_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry
from tensorflow.python.framework.kernels import get_registered_kernels_for_op

from easymtl.serving.signatures import SIGNATURE

# Calls of functions: what they call is looked at in its turn.
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
# Where a request comes in, and the encoder's vocabularies, which are made when the model is loaded.
_HOST_ONLY = ("Placeholder", "HashTableV2")
# A kernel for DEFAULT serves every device that has none of its own, GPUs among them.
_GPU_DEVICES = ("GPU", "DEFAULT")


@dataclass(frozen=True)
class Placement:
    """Where the nodes that answer a request can run.

    Attributes:
        on_gpu: nodes with a GPU kernel.
        pinned: nodes of the encoder, which are pinned to the CPU.
        without_kernel: `node (op)` of all others: they would make a GPU server copy tensors to and fro.
    """

    on_gpu: int
    pinned: int
    without_kernel: tuple[str, ...]


def check_placement(folder: str | Path) -> Placement:
    """Looks at every node that the serving signature of a SavedModel runs."""
    model = saved_model_pb2.SavedModel()
    model.ParseFromString((Path(folder) / "saved_model.pb").read_bytes())
    graph = model.meta_graphs[0]
    outputs = graph.signature_def[SIGNATURE].outputs.values()
    on_gpu = pinned = 0
    without_kernel = []
    for node in _reachable(graph.graph_def, {output.name.split(":")[0] for output in outputs}):
        if node.op in _HOST_ONLY or node.op in _CALLS:
            continue
        if "CPU" in node.device:
            pinned += 1
        elif has_gpu_kernel(node):
            on_gpu += 1
        else:
            without_kernel.append(f"{node.name} ({node.op})")
    return Placement(on_gpu, pinned, tuple(without_kernel))


def has_gpu_kernel(node: node_def_pb2.NodeDef) -> bool:
    """Returns whether a GPU kernel is registered for the op and the types of a node."""
    return any(_fits(kernel, node) for kernel in _gpu_kernels(node.op))


@cache
def _gpu_kernels(op: str) -> list[kernel_def_pb2.KernelDef]:
    return [kernel for kernel in get_registered_kernels_for_op(op).kernel if kernel.device_type in _GPU_DEVICES]


def _fits(kernel: kernel_def_pb2.KernelDef, node: node_def_pb2.NodeDef) -> bool:
    return all(
        _type(node, constraint.name) in constraint.allowed_values.list.type
        for constraint in kernel.constraint
        if constraint.allowed_values.list.type
    )


def _type(node: node_def_pb2.NodeDef, name: str) -> int:
    """Returns a type attribute of a node; a SavedModel leaves out those that have their default."""
    if name in node.attr:
        return node.attr[name].type
    return next(
        attribute.default_value.type for attribute in op_def_registry.get(node.op).attr if attribute.name == name
    )


def _reachable(graph: graph_pb2.GraphDef, names: set[str]) -> Iterator[node_def_pb2.NodeDef]:
    """Yields the nodes that the named ones depend on, and those of all functions called on the way."""
    functions = {function.signature.name: function for function in graph.library.function}
    nodes = {node.name: node for node in graph.node}
    waiting, seen, called = list(names), set(names), set()
    while waiting:
        node = nodes[waiting.pop()]
        yield node
        called |= _callees(node)
        for name in (_input_name(text) for text in node.input):
            if name not in seen:
                seen.add(name)
                waiting.append(name)
    done: set[str] = set()
    while called - done:
        name = (called - done).pop()
        done.add(name)
        for node in functions[name].node_def:
            yield node
            called |= _callees(node)


def _callees(node: node_def_pb2.NodeDef) -> set[str]:
    return {value.func.name for value in node.attr.values() if value.func.name}


def _input_name(text: str) -> str:
    return text.removeprefix("^").split(":")[0]
