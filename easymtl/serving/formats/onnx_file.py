"""Writing a model of ONNX: its tables are put in last, and stand in a file of their own where they are large."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tensorflow as tf

from easymtl.serving.streamed_tables import bytes_of

FILE = "model.onnx"
DATA = "model.onnx.data"
"""Tables too large for `FILE`, which names it: both have to be in one folder."""

MOST_INLINE_BYTES = 1 << 26
"""A message is made, and read by runtimes, as a whole in memory, and may not have 2 GB."""

BlocksOf = Callable[[tf.Variable], Iterator[tf.Tensor]]
"""Returns the numbers of a variable in blocks, one after the other."""

# Runtimes map the file into memory, page by page.
_ALIGNMENT = 1 << 16


def write_onnx(
    model: Any,
    variables: Mapping[str, tf.Variable],
    shapes: Mapping[str, Sequence[int | str]],
    folder: Path,
    blocks_of: BlocksOf,
) -> None:
    """Writes `FILE` into a folder, and `DATA` where the variables have more than `MOST_INLINE_BYTES`.

    Args:
        model: an `onnx.ModelProto` that takes the variables as inputs, see `conversion.convert`.
        variables: by the name of the input.
        shapes: of inputs and outputs by name; an axis of any size has a name, which others of this size share.
        folder: where to; it is made.
        blocks_of: the numbers of the variables, of which no more than a block is in memory where they are many.
    """
    folder.mkdir(parents=True, exist_ok=True)
    graph = model.graph
    kept = [one for one in graph.input if one.name not in variables]
    del graph.input[:]
    graph.input.extend(kept)
    for info in (*graph.input, *graph.output):
        _set_shape(info, shapes[info.name])
    is_large = sum(one.dtype.size * one.shape.num_elements() for one in variables.values()) > MOST_INLINE_BYTES
    if is_large:
        with (folder / DATA).open("wb") as file:
            for name, variable in variables.items():
                _add_outside(_add(graph, name, variable), blocks_of(variable), file)
    else:
        for name, variable in variables.items():
            _add(graph, name, variable).raw_data = b"".join(bytes_of(block).tobytes() for block in blocks_of(variable))
    (folder / FILE).write_bytes(model.SerializeToString(deterministic=True))


def _add(graph: Any, name: str, variable: tf.Variable) -> Any:
    from onnx import helper

    kind = helper.np_dtype_to_tensor_dtype(np.dtype(variable.dtype.as_numpy_dtype))
    return graph.initializer.add(name=name, dims=variable.shape.as_list(), data_type=kind)


def _add_outside(tensor: Any, blocks: Iterator[tf.Tensor], file: BinaryIO) -> None:
    from onnx import TensorProto

    begin = file.seek(-(-file.tell() // _ALIGNMENT) * _ALIGNMENT)
    for block in blocks:
        file.write(bytes_of(block).data)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": DATA, "offset": begin, "length": file.tell() - begin}.items():
        tensor.external_data.add(key=key, value=str(value))


def _set_shape(info: Any, shape: Sequence[int | str]) -> None:
    declared = info.type.tensor_type.shape
    declared.ClearField("dim")
    for size in shape:
        declared.dim.add(**({"dim_param": size} if isinstance(size, str) else {"dim_value": size}))
