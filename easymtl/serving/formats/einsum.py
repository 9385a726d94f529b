"""Einsum as a product of matrices: ONNX Runtime's own ends the process at a request without rows.

Letters that both tensors and the result have stay in front, those that both have and the result has not are summed:
`[front, of x, summed] . [front, summed, of y]`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def convert_einsum(graph: Any, node: Any, name: str, args: Sequence[Any]) -> None:
    """Puts a product in the place of an Einsum of two tensors; tf2onnx calls it with its graph and the node.

    Raises:
        NotImplementedError: the equation is none of a product.
    """
    equation = node.get_attr_str("equation")
    x, y, result = equation.replace("->", ",").split(",")
    front = [one for one in x if one in y and one in result]
    summed = [one for one in x if one in y and one not in result]
    of_x, of_y = ([one for one in own if one not in other] for own, other in ((x, y), (y, x)))
    if sorted([*front, *of_x, *of_y]) != sorted(result) or any(len(set(one)) != len(one) for one in (x, y)):
        raise NotImplementedError(f"no form in ONNX for Einsum {equation} ({node.name})")
    made = _Nodes(graph, graph.get_dtype(node.output[0]))
    sizes = {one: (node.input[0], x.index(one)) for one in x} | {one: (node.input[1], y.index(one)) for one in y}
    left = made.transposed(node.input[0], x, [*front, *of_x, *summed])
    right = made.transposed(node.input[1], y, [*front, *summed, *of_y])
    left = made.reshaped(left, [[one] for one in front] + [of_x, summed], sizes)
    right = made.reshaped(right, [[one] for one in front] + [summed, of_y], sizes)
    order, product = [*front, *of_x, *of_y], made.node("MatMul", left, right)
    if not len(of_x) == len(of_y) == 1:
        product = made.split(product, order, sizes)
    outputs, shape = node.output, graph.get_shape(node.output[0])
    graph.remove_node(node.name)
    perm = [order.index(one) for one in result]
    graph.make_node(
        "Transpose",
        [product],
        attr={"perm": perm},
        name=node.name,
        outputs=outputs,
        shapes=[shape],
        dtypes=[made.dtype],
    )


class _Nodes:
    """Makes nodes of a graph.

    Attributes:
        dtype: of the tensors.
    """

    def __init__(self, graph: Any, dtype: int):
        self._graph, self.dtype = graph, dtype

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        return self._graph.make_node(op, [*inputs], attr=attributes, dtypes=[self.dtype]).output[0]

    def transposed(self, tensor: str, axes: Sequence[str], wanted: Sequence[str]) -> str:
        perm = [list(axes).index(one) for one in wanted]
        return tensor if perm == sorted(perm) else self.node("Transpose", tensor, perm=perm)

    def reshaped(self, tensor: str, axes: Sequence[Sequence[str]], sizes: dict[str, tuple[str, int]]) -> str:
        """Returns a tensor each of whose axes is as long as some letters together; no letters are 1."""
        if all(len(one) == 1 for one in axes):
            return tensor
        return self.split(tensor, axes, sizes)

    def split(self, tensor: str, axes: Sequence[Sequence[str]], sizes: dict[str, tuple[str, int]]) -> str:
        """Returns a tensor reshaped to some axes."""
        shape = self._whole("Concat", (self._product(one, sizes) for one in axes), axis=0)
        return self.node("Reshape", tensor, shape)

    def _product(self, letters: Sequence[str], sizes: dict[str, tuple[str, int]]) -> str:
        if not letters:
            return self._numbers([1])
        found = [self._size(*sizes[one]) for one in letters]
        for other in found[1:]:
            found[0] = self._whole("Mul", (found[0], other))
        return found[0]

    def _size(self, tensor: str, axis: int) -> str:
        return self._whole("Gather", (self._whole("Shape", (tensor,)), self._numbers([axis])), axis=0)

    def _numbers(self, values: list[int]) -> str:
        from tf2onnx import utils

        return self._graph.make_const(utils.make_name("numbers"), np.array(values, np.int64)).output[0]

    def _whole(self, op: str, inputs: Iterable[str], **attributes: Any) -> str:
        from onnx import TensorProto

        return self._graph.make_node(op, [*inputs], attr=attributes, dtypes=[TensorProto.INT64]).output[0]
