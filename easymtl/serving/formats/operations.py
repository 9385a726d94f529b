"""What stands in ONNX for some operations of TensorFlow: the same function, of other operations.

    select     a choice; tf2onnx itself would multiply by 0 and 1, and infinite times 0 is no number
    expm1(x)   exp(x) - 1, and near 0 by t = tanh(x / 2): 2 t / (1 - t), where the difference would lose all digits
    log1p(x)   log(u) x / (u - 1) with u = 1 + x as it is rounded (Kahan)
    erfc(x)    1 - erf(x)

A handler is called by tf2onnx with its graph, the node, the name of the operation and further arguments.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from easymtl.serving.formats.einsum import convert_einsum

# Beyond this exp(x) - 1 loses no more than a bit.
_NEAR = 0.5


class _Arithmetic:
    """Makes nodes of a graph, all of the type of one input."""

    def __init__(self, graph: Any, node: Any):
        self._graph, self._node = graph, node
        self._dtype = graph.get_dtype(node.output[0])
        self._shape = graph.get_shape(node.output[0])

    def number(self, value: float) -> str:
        from tf2onnx import utils

        array = np.array(value, utils.map_onnx_to_numpy_type(self._dtype))
        return self._graph.make_const(utils.make_name("number"), array).output[0]

    def make(self, op: str, *inputs: str, dtype: int | None = None) -> str:
        dtypes = [dtype or self._dtype]
        return self._graph.make_node(op, [*inputs], shapes=[self._shape], dtypes=dtypes).output[0]

    def compare(self, op: str, *inputs: str) -> str:
        from onnx import TensorProto

        return self.make(op, *inputs, dtype=TensorProto.BOOL)

    def finish(self, op: str, *inputs: str) -> None:
        """Puts a node in the place of the one that has no form."""
        name, outputs = self._node.name, self._node.output
        self._graph.remove_node(name)
        self._graph.make_node(op, [*inputs], name=name, outputs=outputs, shapes=[self._shape], dtypes=[self._dtype])


def _expm1(graph: Any, node: Any, name: str, args: Sequence[Any]) -> None:
    x, of = node.input[0], _Arithmetic(graph, node)
    is_near = of.compare("Less", of.make("Abs", x), of.number(_NEAR))
    # Where it is not near, the quotient is left out, and must not have a divisor of 0 either.
    near = of.make("Where", is_near, x, of.number(0))
    t = of.make("Tanh", of.make("Mul", near, of.number(0.5)))
    quotient = of.make("Div", of.make("Add", t, t), of.make("Sub", of.number(1), t))
    of.finish("Where", is_near, quotient, of.make("Sub", of.make("Exp", x), of.number(1)))


def _log1p(graph: Any, node: Any, name: str, args: Sequence[Any]) -> None:
    x, of = node.input[0], _Arithmetic(graph, node)
    u = of.make("Add", x, of.number(1))
    rounded = of.make("Sub", u, of.number(1))
    is_nothing = of.compare("Equal", rounded, of.number(0))
    is_exact = of.compare("Equal", rounded, x)
    divisor = of.make("Where", is_nothing, of.number(1), rounded)
    ratio = of.make("Where", is_exact, of.number(1), of.make("Div", x, divisor))
    of.finish("Where", is_nothing, x, of.make("Mul", of.make("Log", u), ratio))


def _erfc(graph: Any, node: Any, name: str, args: Sequence[Any]) -> None:
    x, of = node.input[0], _Arithmetic(graph, node)
    of.finish("Sub", of.number(1), of.make("Erf", x))


def _select(graph: Any, node: Any, name: str, args: Sequence[Any]) -> None:
    from onnx import TensorProto

    (condition, yes, no), of = node.input, _Arithmetic(graph, node)
    if graph.get_dtype(node.output[0]) != TensorProto.BOOL:
        of.finish("Where", condition, yes, no)
        return
    of.finish("Or", of.make("And", condition, yes), of.make("And", of.make("Not", condition), no))


HANDLERS: dict[str, tuple[Callable[..., None], list[Any]]] = {
    "Einsum": (convert_einsum, []),
    "Erfc": (_erfc, []),
    "Expm1": (_expm1, []),
    "Log1p": (_log1p, []),
    "SelectV2": (_select, []),
}
"""By the name of the operation, as tf2onnx takes them."""
