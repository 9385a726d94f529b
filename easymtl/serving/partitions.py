"""The graphs that TensorFlow runs for a signature: optimised, with functions inlined, and cut between CPU and GPU.

There need not be a GPU: a second CPU stands in for it. Nodes that a GPU server may place as it likes are pinned to that
one, and TensorFlow itself optimises and cuts the graph.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2, node_def_pb2, types_pb2
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2, rewriter_config_pb2, saved_model_pb2
from tensorflow.python.framework import op_def_registry

from easymtl.serving.graph_walk import input_name, reachable, reading

STAND_IN = "/device:CPU:1"
"""The CPU that stands in for the GPU."""

_INIT_OP = "__saved_model_init_op"
# More bytes of a variable than these are not written: memory that nobody touches costs nothing.
_MOST_ZEROED = 1 << 20
# Rows of a request and what whole numbers are in it. Without rows there is nothing to be wrong; where that is refused,
# ids may have to be in a range that 0 is not in, and -1 is padding.
_BLANKS = ((0, 0), (1, 0), (1, -1))


def read_meta_graph(folder: str | Path) -> meta_graph_pb2.MetaGraphDef:
    """Returns the graph of a SavedModel."""
    saved = saved_model_pb2.SavedModel.FromString((Path(folder) / "saved_model.pb").read_bytes())
    return saved.meta_graphs[0]


def partitions_of(
    meta: meta_graph_pb2.MetaGraphDef, signature: str, folder: str | Path, texts: Mapping[str, str] | None = None
) -> list[graph_pb2.GraphDef]:
    """Returns the graphs that are run for a request, one for each device.

    A request without rows is run, or of as many as the signature wants. The variables have their shapes and no values:
    a large table costs neither time nor memory.

    Args:
        meta: of a SavedModel.
        signature: name of a signature.
        folder: of the SavedModel, where its vocabularies are.
        texts: what to send in inputs of texts, where that must not be ''.

    Raises:
        tf.errors.OpError: TensorFlow cannot run the signature.
    """
    info = meta.signature_def[signature]
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(_standing_in(meta, signature), name="")
        assignments = [_blank(node) for node in graph.get_operations() if node.type == "VarHandleOp"]
        outputs = sorted({output.name for output in info.outputs.values()})
        with tf.compat.v1.Session(config=_session_config()) as session:
            session.run(assignments)
            if _INIT_OP in meta.signature_def:
                session.run(_init_op(meta), _assets(meta, Path(folder)))
            for num_rows, number in _BLANKS:
                request = {
                    one.name: _blank_input(one, (texts or {}).get(name, ""), num_rows, number)
                    for name, one in info.inputs.items()
                }
                metadata = config_pb2.RunMetadata()
                try:
                    session.run(outputs, request, config_pb2.RunOptions(output_partition_graphs=True), metadata)
                    return list(metadata.partition_graphs)
                except tf.errors.InvalidArgumentError:
                    if (num_rows, number) == _BLANKS[-1]:
                        raise
    raise AssertionError("unreachable")


def _standing_in(meta: meta_graph_pb2.MetaGraphDef, signature: str) -> graph_pb2.GraphDef:
    """Returns what a signature and the start of the model run, with the stand-in where a GPU may be taken."""
    outputs = {input_name(output.name) for output in meta.signature_def[signature].outputs.values()}
    inputs = {input_name(one.name) for one in meta.signature_def[signature].inputs.values()}
    served, called = reachable(meta.graph_def, outputs)
    init = {input_name(_init_op(meta))} if _INIT_OP in meta.signature_def else set()
    started, also_called = reachable(meta.graph_def, init)
    assets = {input_name(asset.tensor_info.name) for asset in meta.asset_file_def}
    kept = graph_pb2.GraphDef(versions=meta.graph_def.versions)
    kept.node.extend(node for node in meta.graph_def.node if node.name in served | started | inputs | assets)
    kept.library.function.extend(
        function for function in meta.graph_def.library.function if function.signature.name in called | also_called
    )
    for node in _nodes(kept, served, called):
        if "CPU" not in node.device and not _is_read_on_cpu(kept, node, served):
            node.device = STAND_IN
    return kept


def _nodes(graph: graph_pb2.GraphDef, names: set[str], functions: set[str]) -> Iterator[node_def_pb2.NodeDef]:
    yield from (node for node in graph.node if node.name in names)
    for function in graph.library.function:
        if function.signature.name in functions:
            yield from function.node_def


def _is_read_on_cpu(graph: graph_pb2.GraphDef, node: node_def_pb2.NodeDef, served: set[str]) -> bool:
    """Returns whether a node makes the handle of what is read on the CPU: it goes where it is read."""
    op = op_def_registry.get(node.op)
    is_handle = op is not None and not node.input and any(arg.type == types_pb2.DT_RESOURCE for arg in op.output_arg)
    return is_handle and any("CPU:0" in reader.device for reader in reading(graph, node.name, served))


def _session_config() -> config_pb2.ConfigProto:
    config = config_pb2.ConfigProto(
        device_count={"CPU": 2}, inter_op_parallelism_threads=1, intra_op_parallelism_threads=1
    )
    # It fuses ops in a way that depends on the kind of device.
    config.graph_options.rewrite_options.remapping = rewriter_config_pb2.RewriterConfig.OFF
    return config


def _blank(handle: tf.Operation) -> tf.Operation:
    shape, dtype = tf.TensorShape(handle.get_attr("shape")), tf.as_dtype(handle.get_attr("dtype"))
    is_small = shape.num_elements() * dtype.size <= _MOST_ZEROED
    value = tf.raw_ops.Empty(shape=shape.as_list(), dtype=dtype, init=is_small)
    return tf.raw_ops.AssignVariableOp(resource=handle.outputs[0], value=value)


def _blank_input(info: meta_graph_pb2.TensorInfo, text: str, num_rows: int, number: int) -> np.ndarray:
    # Of unknown sizes the first is the number of rows; there may have to be a longest value or step in them.
    sizes = [num_rows, *[1] * len(info.tensor_shape.dim)]
    shape = [dim.size if dim.size >= 0 else size for dim, size in zip(info.tensor_shape.dim, sizes)]
    dtype = tf.as_dtype(info.dtype)
    if dtype == tf.string:
        return np.full(shape, text, object)
    return np.full(shape, number if dtype.is_integer and not dtype.is_unsigned else 0, dtype.as_numpy_dtype)


def _init_op(meta: meta_graph_pb2.MetaGraphDef) -> str:
    return meta.signature_def[_INIT_OP].outputs[_INIT_OP].name.split(":")[0]


def _assets(meta: meta_graph_pb2.MetaGraphDef, folder: Path) -> dict[str, str]:
    return {asset.tensor_info.name: str(folder / "assets" / asset.filename) for asset in meta.asset_file_def}
