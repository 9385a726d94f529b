"""Batch norms that follow a product at once, as part of its kernel: x W s + b is x (W s) + b.

What a norm in evaluation multiplies with and adds is known when the weights are. W s is rounded once more than W is:
scores differ by what another order of sums would change in them, too. Where x W is far from zero and hardly moves, as
behind a year that is a number, b is large and takes most of it away; what rounding W s has changed then is no longer
small next to what is left, and the norm stays.

b is added as -b that is taken away. Of a product and a sum TensorFlow makes one kernel when it loads the model, which
on a processor takes more than twice the time of both where a request has one row, and no less at 128.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2, node_def_pb2, types_pb2
from tensorflow.python.framework import op_def_registry

from easymtl.serving.graph_walk import callees, input_name

Nodes = dict[str, node_def_pb2.NodeDef]
_PRODUCTS = ("MatMul", "BatchMatMulV2")
_TRANSPOSED = ("transpose_a", "transpose_b", "adj_x", "adj_y")
# What may stand between a product and its norm: the same values in the same order, but for products of several kernels,
# which are put side by side.
_HANDS_ON = ("Identity", "Reshape", "Transpose")
_SIDE_BY_SIDE = [1, 0, 2]
# Of b, root of the mean square. Norms behind others and behind vectors have about 1, those behind a year 2,000; what
# rounding changes in their results grows with it, from 6e-8 on, and once more in the layers behind.
_MOST_OFFSET = 4.0
_READS_NO_VALUE = ("Shape", "ShapeN", "Size", "Rank")


def fold_norms(function: Any) -> Any:
    """Returns a function of the same values in which no product with a norm's scale follows a matrix product.

    Args:
        function: a concrete function that is frozen: it reads no variable.
    """
    graph = function.graph.as_graph_def()
    nodes = {node.name: node for node in graph.node}
    constants = _Constants(graph)
    outputs = [tensor.name for tensor in function.outputs]
    readers = Counter(input_name(text) for node in graph.node if node.op not in _READS_NO_VALUE for text in node.input)
    readers.update(input_name(name) for name in outputs)
    found = list(_norms(nodes, constants, readers))
    if not found:
        return function
    values = constants.values(
        name for one in found for name in (one.scale, one.kernel, one.offset, *one.transpositions) if name
    )
    for one in found:
        if not (one.offset and _is_far(values[one.offset])):
            _fold(graph, nodes, one, values)
    return _rebuilt(function, graph)


@dataclass(frozen=True)
class _Norm:
    """A norm behind a product; inputs are named as nodes name them.

    Attributes:
        product: the node of the matrix product.
        kernel: its second input.
        multiplication: the node of the product with the scale.
        inner: its other input.
        scale: `[columns]`.
        transpositions: the orders of axes of what stands between them.
        addition: the node that adds the offset.
        offset: `[columns]`.
        is_at_once: whether the product is of rank 2 and nothing stands between it and the norm.
    """

    product: str
    kernel: str
    multiplication: str
    inner: str
    scale: str
    transpositions: tuple[str, ...]
    addition: str = ""
    offset: str = ""
    is_at_once: bool = False


def _norms(nodes: Nodes, constants: "_Constants", readers: Mapping[str, int]) -> Iterator[_Norm]:
    for node in nodes.values():
        if node.op != "Mul" or node.attr["T"].type != types_pb2.DT_FLOAT:
            continue
        for inner, scale in (node.input[:2], node.input[1::-1]):
            if scale not in constants or inner in constants:
                continue
            transpositions: list[str] = []
            product = _product(nodes, inner, readers, transpositions)
            if product is not None and product.input[1] in constants:
                found = _Norm(product.name, product.input[1], node.name, inner, scale, tuple(transpositions))
                yield _with_addition(found, nodes, constants, readers)
                break


def _product(
    nodes: Nodes, name: str, readers: Mapping[str, int], transpositions: list[str]
) -> node_def_pb2.NodeDef | None:
    """Returns the matrix product whose values a tensor has, if nothing else reads them."""
    node = nodes[input_name(name)]
    while node.op in _HANDS_ON and readers[node.name] == 1:
        if node.op == "Transpose":
            transpositions.append(node.input[1])
        node = nodes[input_name(node.input[0])]
    if node.op not in _PRODUCTS or readers[node.name] != 1:
        return None
    return None if any(node.attr[one].b for one in _TRANSPOSED if one in node.attr) else node


def _with_addition(norm: _Norm, nodes: Nodes, constants: "_Constants", readers: Mapping[str, int]) -> _Norm:
    if readers[norm.multiplication] != 1:
        return norm
    adding = next((one for one in nodes.values() if norm.multiplication in map(input_name, one.input)), None)
    if adding is None:
        # It is an output.
        return norm
    offset = next((text for text in adding.input if input_name(text) != norm.multiplication), "")
    is_bias = adding.op == "AddV2" and offset in constants
    is_at_once = input_name(norm.inner) == norm.product and nodes[norm.product].op == "MatMul"
    return replace(norm, addition=adding.name, offset=offset, is_at_once=is_at_once) if is_bias else norm


def _is_far(offset: np.ndarray) -> bool:
    return not np.sqrt(np.mean(np.square(offset, dtype=np.float64))) <= _MOST_OFFSET


def _fold(graph: graph_pb2.GraphDef, nodes: Nodes, norm: _Norm, values: Mapping[str, np.ndarray]) -> None:
    kernel, scale = values[norm.kernel], values[norm.scale]
    orders = [values[one].tolist() for one in norm.transpositions]
    if kernel.ndim == 2 and not orders:
        columns = kernel.shape[1]
    elif kernel.ndim == 3 and orders == [_SIDE_BY_SIDE]:
        columns = kernel.shape[0] * kernel.shape[2]
    else:
        return
    if scale.shape != (columns,):
        return
    with np.errstate(all="ignore"):
        # Of several kernels, the columns of one stand behind those of another.
        folded = kernel * (scale if kernel.ndim == 2 else scale.reshape(len(kernel), 1, -1))
    if not np.isfinite(folded).all():
        return
    nodes[norm.product].input[1] = _constant(graph, f"{norm.product}/normed", folded)
    _become(nodes[norm.multiplication], "Identity", [norm.inner])
    if norm.is_at_once and values[norm.offset].shape == (columns,):
        taken = _constant(graph, f"{norm.addition}/taken", -values[norm.offset])
        _become(nodes[norm.addition], "Sub", [norm.inner, taken])


def _become(node: node_def_pb2.NodeDef, op: str, inputs: list[str]) -> None:
    dtype = node.attr["T"].type
    node.op = op
    node.input[:] = [*inputs, *(text for text in node.input if text.startswith("^"))]
    node.attr.clear()
    node.attr["T"].type = dtype


def _constant(graph: graph_pb2.GraphDef, name: str, value: np.ndarray) -> str:
    node = graph.node.add(name=name, op="Const")
    node.attr["dtype"].type = types_pb2.DT_FLOAT
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value, tf.float32))
    return name


class _Constants:
    """The tensors of a graph that follow from constants alone."""

    def __init__(self, graph: graph_pb2.GraphDef):
        self._graph = graph
        self._names: set[str] = set()
        for node in _in_order(graph):
            is_known = all(input_name(text) in self._names for text in node.input)
            if node.op == "Const" or (node.input and is_known and not callees(node) and not _is_stateful(node)):
                self._names.add(node.name)

    def __contains__(self, text: str) -> bool:
        return input_name(text) in self._names

    def values(self, names: Iterator[str]) -> dict[str, np.ndarray]:
        """Returns the values of tensors by the name that an input has."""
        wanted = list(dict.fromkeys(names))
        graph = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(self._graph, name=""), [])
        fetched = graph.prune([], [text if ":" in text else f"{text}:0" for text in wanted])()
        return {name: value.numpy() for name, value in zip(wanted, fetched)}


def _is_stateful(node: node_def_pb2.NodeDef) -> bool:
    definition = op_def_registry.get(node.op)
    return definition is None or definition.is_stateful


def _in_order(graph: graph_pb2.GraphDef) -> Iterator[node_def_pb2.NodeDef]:
    """Yields nodes behind those that they read."""
    nodes = {node.name: node for node in graph.node}
    done: set[str] = set()
    waiting = [(node, False) for node in graph.node]
    while waiting:
        node, is_ready = waiting.pop()
        if node.name in done:
            continue
        if is_ready:
            done.add(node.name)
            yield node
            continue
        waiting.append((node, True))
        waiting += [(nodes[input_name(text)], False) for text in node.input if input_name(text) not in done]


def _rebuilt(function: Any, graph: graph_pb2.GraphDef) -> Any:
    """Returns a function of another graph with the inputs and outputs of one."""
    imported = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
    inputs, outputs = (
        [imported.graph.as_graph_element(one.name) for one in tensors]
        for tensors in (function.inputs, function.outputs)
    )
    result = imported.prune(inputs, outputs)
    for before, after in zip(function.outputs, result.outputs):
        after.set_shape(before.shape)
    return result
