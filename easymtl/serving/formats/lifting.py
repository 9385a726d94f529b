"""Graphs whose variables are inputs: what stands in tables is none of a conversion's business."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import tensorflow as tf
from tensorflow.core.framework import graph_pb2, node_def_pb2, types_pb2
from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2
from tensorflow.python.grappler import tf_optimizer

from easymtl.serving.graph_walk import input_name

Tensors = Mapping[str, tf.Tensor]

_AXIS = "gathered_axis"


@dataclass(frozen=True)
class Lifted:
    """A graph of named inputs and outputs that holds no variable.

    Attributes:
        graph: without calls of functions, but for branches and loops.
        inputs: the tensor of the graph of each input.
        outputs: of each output.
        specs: of the outputs.
        variables: by the name of the node that stands for its value, a placeholder.
    """

    graph: graph_pb2.GraphDef
    inputs: dict[str, str]
    outputs: dict[str, str]
    specs: dict[str, tf.TensorSpec]
    variables: dict[str, tf.Variable]


def lift(function: Callable[[Tensors], Tensors], specs: Mapping[str, tf.TensorSpec]) -> Lifted:
    """Traces a function; the variables that it reads become inputs of the graph.

    The graph of a model with large tables stays small so: no graph may have 2 GB, and every step of a conversion
    would copy them.

    Args:
        function: maps tensors by name to outputs by name.
        specs: the names that it takes and what stands under each.
    """
    names, outputs = list(specs), list[str]()

    def flat(*values: tf.Tensor) -> list[tf.Tensor]:
        result = function(dict(zip(names, values)))
        outputs[:] = list(result)
        # An output may be an input, or what another output is.
        return [tf.identity(result[name]) for name in outputs]

    traced = tf.function(flat, input_signature=list(specs.values()), autograph=False).get_concrete_function()
    handles = {id(variable.handle): variable for variable in traced.graph.variables}
    variables = {
        inner.op.name: handles[id(outer)] for outer, inner in traced.graph.captures if inner.dtype == tf.resource
    }
    given = traced.inputs[: len(names)]
    graph = _without_calls(traced)
    _read_values(graph, variables)
    return Lifted(
        graph,
        dict(zip(names, (tensor.name for tensor in given))),
        dict(zip(outputs, (tensor.name for tensor in traced.outputs))),
        dict(zip(outputs, (tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in traced.outputs))),
        variables,
    )


def _without_calls(function: tf.types.experimental.ConcreteFunction) -> graph_pb2.GraphDef:
    """Returns the graph of a function, with the functions that it calls in place of the calls."""
    config = config_pb2.ConfigProto()
    rewrites = config.graph_options.rewrite_options
    rewrites.min_graph_nodes = -1
    rewrites.optimizers.append("function")
    # A frozen network may hold assertions; only its outputs are of interest.
    rewrites.function_optimization = rewriter_config_pb2.RewriterConfig.AGGRESSIVE
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(function.graph.as_graph_def(), name="")
        meta = tf.compat.v1.train.export_meta_graph(graph_def=graph.as_graph_def(), graph=graph)
    kept = [tensor.name for tensor in (*function.inputs, *function.outputs)]
    meta.collection_def["train_op"].node_list.value.extend(kept)
    return tf_optimizer.OptimizeGraph(config, meta)


def _read_values(graph: graph_pb2.GraphDef, variables: Mapping[str, tf.Variable]) -> None:
    """Puts the value of each variable where its handle was, and reads it as a tensor."""
    handles = _handed_on(graph.node, set(variables))
    for node in graph.node:
        if node.name in variables:
            _set_type(node, "dtype", variables[node.name].dtype)
            node.attr["shape"].shape.CopyFrom(variables[node.name].shape.as_proto())
        elif node.name in handles:
            _set_type(node, "T", variables[handles[node.name]].dtype)
        elif node.op == "ReadVariableOp":
            _become(node, "Identity", {"T": "dtype"})
        elif node.op == "ResourceGather":
            _become(node, "GatherV2", {"Tparams": "dtype", "Tindices": "Tindices", "batch_dims": "batch_dims"})
            _set_type(node, "Taxis", tf.int32)
            node.input.insert(2, _AXIS)
        elif any(input_name(text) in handles for text in node.input if not text.startswith("^")):
            raise NotImplementedError(f"{node.op} ({node.name}) reads a variable in a way that no file can say")
        node.attr.pop("_output_shapes", None)
        _forget_order(node)
    axis = graph.node.add(name=_AXIS, op="Const")
    _set_type(axis, "dtype", tf.int32)
    axis.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(0, tf.int32))


def _forget_order(node: node_def_pb2.NodeDef) -> None:
    """Lets a node wait for its inputs alone: what it would wait for beside them are assertions."""
    inputs = [text for text in node.input if not text.startswith("^")]
    del node.input[:]
    node.input.extend(inputs)


def _handed_on(nodes: Iterable[node_def_pb2.NodeDef], names: set[str]) -> dict[str, str]:
    """Returns the variable of each node that is its handle, or hands it on."""
    waiting = [node for node in nodes if node.op == "Identity" and node.attr["T"].type == types_pb2.DT_RESOURCE]
    found = {name: name for name in names}
    while ready := [node for node in waiting if input_name(node.input[0]) in found]:
        found |= {node.name: found[input_name(node.input[0])] for node in ready}
        waiting = [node for node in waiting if node.name not in found]
    return found


def _become(node: node_def_pb2.NodeDef, op: str, attributes: Mapping[str, str]) -> None:
    """Makes another operation of a node; of the attributes of the old one, those named stay, under new names."""
    kept = {new: node.attr[old].SerializeToString() for new, old in attributes.items()}
    node.op = op
    node.attr.clear()
    for name, value in kept.items():
        node.attr[name].ParseFromString(value)


def _set_type(node: node_def_pb2.NodeDef, attribute: str, dtype: tf.DType) -> None:
    node.attr[attribute].type = dtype.as_datatype_enum
