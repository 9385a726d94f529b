"""What a signature of an export takes and gives, from its SignatureDef and what the export says of itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from easymtl.serving.signatures import SIGNATURE

Shape = tuple[int | None, ...]
Arrays = dict[str, np.ndarray]

NO_PADDING = object()
_NAN = float("nan")
_TOLD = ("missing", "padding")


@dataclass(frozen=True)
class Tensor:
    """An input or output.

    Attributes:
        name: its key in the SignatureDef.
        graph_name: what it is called in the graph.
        dtype: its type.
        shape: its axes, None for any number; None as a whole if the graph does not say.
        missing: what a client sends in place of a missing value; None if nothing is said.
        padding: what stands behind the values of a row of a list, on each axis of any length; `NO_PADDING` if
            nothing may.
    """

    name: str
    graph_name: str
    dtype: tf.DType
    shape: Shape | None
    missing: Any = None
    padding: Any = NO_PADDING

    @cached_property
    def numpy_dtype(self) -> np.dtype:
        """Returns the type of arrays that hold its values."""
        return np.dtype(self.dtype.as_numpy_dtype)

    @property
    def axes(self) -> str:
        """Returns the axes as a person reads them: `[rows, 8]`; `...` for any number."""
        if self.shape is None:
            return "of any shape"
        names = ["rows" if place == 0 else "any" for place in range(len(self.shape))]
        return f"[{', '.join(name if size is None else str(size) for name, size in zip(names, self.shape))}]"

    def may_differ(self, axis: int) -> bool:
        """Returns whether rows may differ in the length of an axis: those that are shorter are padded."""
        if self.padding is NO_PADDING or axis == 0:
            return False
        return axis == 1 if self.shape is None else axis < len(self.shape) and self.shape[axis] is None

    @property
    def is_by_row(self) -> bool:
        """Returns whether the first axis has a place for each row, however many there are."""
        return self.shape is not None and len(self.shape) > 0 and self.shape[0] is None

    def __str__(self):
        return f"{self.dtype.name} {self.axes}"


@dataclass(frozen=True)
class Signature:
    """A function of an export, by the names of its tensors."""

    name: str
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]

    @cached_property
    def is_batched(self) -> bool:
        """Returns whether rows of several requests can be computed at once, and the answers be cut apart again.

        All inputs and outputs need an axis of rows. An output with another axis of any length would be as wide as the
        rows of others make it.
        """
        of_rows = all(tensor.is_by_row for tensor in (*self.inputs.values(), *self.outputs.values()))
        return of_rows and all(None not in (output.shape or ())[1:] for output in self.outputs.values())

    @cached_property
    def is_flat(self) -> bool:
        """Returns whether each input is one value for each row, as nearly all are: what is checked quickest."""
        return all(tensor.shape == (None,) for tensor in self.inputs.values())

    @property
    def fixed_rows(self) -> int | None:
        """Returns how many rows each request has to have; None for any number."""
        sizes = {tensor.shape[0] if tensor.shape else None for tensor in self.inputs.values()}
        return sizes.pop() if len(sizes) == 1 else None

    def num_rows(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """Returns the rows of a request, from the shapes of its inputs."""
        if self.is_flat:
            return next(iter(shapes.values()))[0]
        sizes = [shape[0] for name, shape in shapes.items() if shape and self.inputs[name].is_by_row]
        return max(sizes or [shape[0] for shape in shapes.values() if shape], default=1)


def signatures_of(
    defined: Mapping[str, meta_graph_pb2.SignatureDef],
    description: Mapping[str, Any],
    told: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> dict[str, Signature]:
    """Returns all signatures that take and give something.

    Args:
        defined: the SignatureDefs by name.
        description: `assets.extra/easymtl.json`, or nothing.
        told: what `assets.extra/signatures.json` says of the inputs of each signature, or nothing.
    """
    result = {}
    for name, one in defined.items():
        if one.inputs and one.outputs:
            inputs = {**told.get(name, {}), **(_told_of_default(description) if name == SIGNATURE else {})}
            result[name] = Signature(name, _tensors(one.inputs, inputs), _tensors(one.outputs, {}))
    return result


def _told_of_default(description: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns what `easymtl.json` says of the inputs of `serving_default`, as `signatures.json` would."""
    return {
        name: {key: description[key][name] for key in _TOLD if name in description.get(key, {})}
        for name in description.get("inputs", ())
    }


def _tensors(
    infos: Mapping[str, meta_graph_pb2.TensorInfo], told: Mapping[str, Mapping[str, Any]]
) -> dict[str, Tensor]:
    result = {}
    for name in _ordered(infos, told):
        info, said = infos[name], told.get(name, {})
        # NaN is null in JSON.
        padding = NO_PADDING if "padding" not in said else _NAN if said["padding"] is None else said["padding"]
        result[name] = Tensor(
            name, info.name, tf.as_dtype(info.dtype), _shape(info.tensor_shape), said.get("missing"), padding
        )
    return result


def _ordered(names: Iterable[str], first: Iterable[str]) -> list[str]:
    """Returns the names in the order in which the export tells them, which is the config's."""
    names = sorted(names)
    return [*(name for name in first if name in names), *(name for name in names if name not in first)]


def _shape(shape) -> Shape | None:
    return None if shape.unknown_rank else tuple(None if dim.size < 0 else dim.size for dim in shape.dim)
