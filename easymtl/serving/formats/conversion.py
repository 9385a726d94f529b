"""From a graph of TensorFlow to one of ONNX, by tf2onnx."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from easymtl.serving.formats.lifting import Lifted
from easymtl.serving.formats.operations import HANDLERS

OPSET = 18
"""Servers of the last years know it: ONNX Runtime from 1.14 on."""


def convert(lifted: Lifted) -> Any:
    """Returns a graph as an `onnx.ModelProto`, whose inputs and outputs are called by their names.

    Variables are inputs of it, too, called as in `Lifted.variables`.

    Raises:
        NotImplementedError: an operation has no form in ONNX; the message names it.
    """
    from tf2onnx import tf_loader
    from tf2onnx.tfonnx import process_tf_graph

    variables = {name: f"{name}:0" for name in lifted.variables}
    inputs, outputs = {**lifted.inputs, **variables}, lifted.outputs
    with _quiet(), tf.Graph().as_default():
        graph = tf_loader.tf_optimize([*inputs.values()], [*outputs.values()], lifted.graph)
        tf.import_graph_def(graph, name="")
        made = process_tf_graph(
            tf.compat.v1.get_default_graph(),
            opset=OPSET,
            input_names=[*inputs.values()],
            output_names=[*outputs.values()],
            tensors_to_rename={tensor: name for name, tensor in (*inputs.items(), *outputs.items())},
            custom_op_handlers=HANDLERS,
        )
        model = _simplified(made).make_model("easymtl")
    _require_known(model)
    _keep_empty_axes(model)
    return model


def _simplified(graph: Any) -> Any:
    """Returns the graph with constants folded and equal nodes once; what else there is to do, runtimes do."""
    from tf2onnx import optimizer

    # Another one, of reshapes, takes the sizes of axes from tensors that have others.
    kept = ("fold_constants", "merge_duplication", "remove_identity")
    chosen = {name: one for name, one in optimizer._get_optimizers().items() if name in kept}
    return optimizer.optimize_graph(graph, catch_errors=False, optimizers=chosen)


def _require_known(model: Any) -> None:
    """Refuses operations that tf2onnx has left as they are."""
    from onnx import defs

    unknown = {
        node.op_type: node.name
        for node in model.graph.node
        if not node.domain and not defs.has(node.op_type, max_inclusive_version=OPSET)
    }
    if unknown:
        told = ", ".join(f"{op} ({name})" for op, name in sorted(unknown.items()))
        raise NotImplementedError(f"no form in ONNX for {told}")


def _keep_empty_axes(model: Any) -> None:
    """Lets a size of 0 that is computed be one: by itself, ONNX reads it as the size of the axis before the reshape.

    A request may have no rows, and histories no steps.
    """
    from onnx import helper

    constants = {one.name for one in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Reshape" and node.input[1] not in constants:
            node.attribute.append(helper.make_attribute("allowzero", 1))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps tf2onnx from telling of what it does; what it cannot do is an error."""
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
