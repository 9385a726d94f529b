"""Writing a model of ONNX: its tables are put in last, and stand in a file of their own where they are large."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

FILE = "model.onnx"
DATA = "model.onnx.data"
"""Tables too large for `FILE`, which names it: both have to be in one folder."""

MOST_INLINE_BYTES = 1 << 30
"""A file of a message may not have 2 GB."""

# Runtimes map the file into memory, page by page.
_ALIGNMENT = 1 << 16


def write_onnx(
    model: Any, variables: Mapping[str, tf.Variable], shapes: Mapping[str, Sequence[int | str]], folder: Path
) -> None:
    """Writes `FILE` into a folder, and `DATA` where the variables have more than `MOST_INLINE_BYTES`.

    Args:
        model: an `onnx.ModelProto` that takes the variables as inputs, see `conversion.convert`.
        variables: by the name of the input. Each is copied once on its way.
        shapes: of inputs and outputs by name; an axis of any size has a name, which others of this size share.
        folder: where to; it is made.
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
                _add_outside(graph, name, variable.numpy(), file)
    else:
        for name, variable in variables.items():
            values = variable.numpy()
            _add(graph, name, values).raw_data = values.tobytes()
    (folder / FILE).write_bytes(model.SerializeToString(deterministic=True))


def _add(graph: Any, name: str, values: np.ndarray) -> Any:
    from onnx import helper

    return graph.initializer.add(name=name, dims=values.shape, data_type=helper.np_dtype_to_tensor_dtype(values.dtype))


def _add_outside(graph: Any, name: str, values: np.ndarray, file: Any) -> None:
    from onnx import TensorProto

    file.seek(-(-file.tell() // _ALIGNMENT) * _ALIGNMENT)
    tensor = _add(graph, name, values)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": DATA, "offset": file.tell(), "length": values.nbytes}.items():
        tensor.external_data.add(key=key, value=str(value))
    # Types of narrow numbers are none that NumPy lends the memory of.
    file.write(np.ascontiguousarray(values).view(np.uint8).data)


def _set_shape(info: Any, shape: Sequence[int | str]) -> None:
    declared = info.type.tensor_type.shape
    declared.ClearField("dim")
    for size in shape:
        declared.dim.add(**({"dim_param": size} if isinstance(size, str) else {"dim_value": size}))
