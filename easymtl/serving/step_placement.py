"""Where the nodes of a training step would run on a machine with a GPU, and what is copied in each step.

The step is looked at as exports are (`placement`): TensorFlow optimises and cuts the traced graph, with the CPU that
stands in for a GPU, and the registry of kernels says what a GPU wants in the memory of the host.
"""

from collections.abc import Sequence

import tensorflow as tf
from tensorflow.core.framework import node_def_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow.python.ops.handle_data_util import get_resource_handle_data

from easymtl.features.encoder import batch_signature, to_tensors
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.ends_on_cpu import CPU
from easymtl.serving.placement import Placement, placement_in
from easymtl.tasks.ranker import Ranker
from easymtl.training.balancing.choice import make_descent
from easymtl.training.inputs import TrainingInput
from easymtl.training.optimizers import Optimizers
from easymtl.training.precision import dtype_of, rule
from easymtl.training.step import make_train_step

_STEP, _DONE = "step", "done"
_NUM_ROWS = 16


def placement_of_step(pipeline: Pipeline, is_ahead: bool = True) -> Placement:
    """Returns where the nodes of the training step of a config run, and what is copied in each step.

    Args:
        pipeline: the config; its data need not be there. `AUTO` precision is taken for that of a GPU.
        is_ahead: whether steps are begun before the host knows what the one before has come to, as on a GPU; never
            where tables grow.

    Raises:
        tf.errors.OpError: TensorFlow cannot run the step on a batch of one row.
    """
    return placement_in(meta_graph_of(traced_step(pipeline, is_ahead)), _STEP)


def traced_step(pipeline: Pipeline, is_ahead: bool = True) -> tf.types.experimental.ConcreteFunction:
    """Returns the traced step of a config, in the form that it has on a GPU."""
    settings, ranker = pipeline.train_config, Ranker(pipeline)
    descent = make_descent(pipeline, ranker)
    dense = [*ranker.dense_variables, *descent.trained]
    embeddings = ranker.embeddings
    tables = list(embeddings.variables_by_width.values())
    optimizers = Optimizers(settings.optimizer_config, tables, dense, embeddings.device)
    with TrainingInput(_with_made_up_rows(pipeline), ranker, None).feed as feed:
        rows = next(feed).rows
    growing = ranker.feature_set.growing
    tensors = to_tensors(growing.assign(rows) if growing else rows)
    choice = settings.mixed_precision or rule(float("inf"), has_matrix_units=True).choice
    update = make_train_step(
        ranker,
        optimizers,
        tf.Variable(0, dtype=tf.int64, trainable=False),
        settings,
        dtype_of(choice),
        batch_signature(tensors),
        descent,
        is_ahead=is_ahead and not growing,
    )
    return update.traced(0)


def _with_made_up_rows(pipeline: Pipeline) -> Pipeline:
    changed = Pipeline()
    changed.CopyFrom(pipeline)
    changed.data_config.input_type = DatasetConfig.DummyInput
    changed.data_config.batch_size = _NUM_ROWS
    return changed


def meta_graph_of(function: tf.types.experimental.ConcreteFunction) -> meta_graph_pb2.MetaGraphDef:
    """Returns a traced function as a graph with variables of its own, and the signature `step`.

    What is fed comes from the host. What the function returns stays where it is made, and everything that it does is
    done.
    """
    meta = meta_graph_pb2.MetaGraphDef(graph_def=function.graph.as_graph_def())
    graph, signature = meta.graph_def, meta.signature_def[_STEP]
    captured = {inner.op.name: (outer, inner) for outer, inner in function.graph.captures}
    for node in graph.node:
        if node.name in captured:
            _hold(node, *captured[node.name])
        elif node.op == "Placeholder":
            node.device = CPU
    for tensor in function.inputs:
        if tensor.op.name not in captured:
            _describe(signature.inputs[tensor.op.name], tensor)
    done = graph.node.add(name=_DONE, op="Identity", device=CPU)
    fed = next(tensor for tensor in function.inputs if tensor.op.name not in captured)
    done.attr["T"].type = fed.dtype.as_datatype_enum
    made = dict.fromkeys([*(tensor.op.name for tensor in function.outputs), *_names(function.graph.control_outputs)])
    done.input.extend([fed.name, *(f"^{name}" for name in made)])
    _describe(signature.outputs[_DONE], fed)
    signature.outputs[_DONE].name = f"{_DONE}:0"
    return meta


def _names(operations: Sequence[tf.Operation]) -> list[str]:
    return [operation.name for operation in operations]


def _hold(node: node_def_pb2.NodeDef, value: tf.Tensor, inner: tf.Tensor) -> None:
    """Makes a node that was handed a variable, or a constant, hold one.

    Args:
        node: of the graph.
        value: what it was handed.
        inner: its output.
    """
    node.ClearField("attr")
    if value.dtype != tf.resource:
        node.op = "Const"
        node.attr["dtype"].type = value.dtype.as_datatype_enum
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value.numpy()))
        return
    [held] = get_resource_handle_data(inner).shape_and_type
    node.op = "VarHandleOp"
    node.attr["dtype"].type = held.dtype
    node.attr["shape"].shape.CopyFrom(held.shape)
    node.attr["shared_name"].s = node.name.encode()


def _describe(info: meta_graph_pb2.TensorInfo, tensor: tf.Tensor) -> None:
    info.name = tensor.name
    info.dtype = tensor.dtype.as_datatype_enum
    info.tensor_shape.CopyFrom(tensor.shape.as_proto())
