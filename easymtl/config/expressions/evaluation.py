"""Computes a tree over whatever a table of operations works on: numbers, arrays, tensors."""

from collections.abc import Callable, Mapping
from typing import Any

from easymtl.config.expressions import tree as nodes
from easymtl.config.expressions.tree import Key, Tree

Operations = Mapping[str, Callable[..., Any]]
"""What computes: operators by their sign (`**` for both powers, `-x` for the sign), functions by their name.

`[]` takes a value and its keys; lists and tuples are Python's own.
"""


def evaluate(tree: Tree, values: Mapping[str, Any], operations: Operations) -> Any:
    """Returns the value of an expression.

    Args:
        tree: the expression.
        values: what its names stand for, constants of the vocabulary included.
        operations: what computes.
    """
    if isinstance(tree, nodes.Constant):
        return tree.value
    if isinstance(tree, nodes.Name):
        return values[tree.name]
    if isinstance(tree, nodes.Items):
        items = [evaluate(item, values, operations) for item in tree.items]
        return tuple(items) if tree.is_tuple else items
    if isinstance(tree, nodes.Unary):
        return operations["-x"](evaluate(tree.operand, values, operations))
    if isinstance(tree, nodes.Binary):
        left = evaluate(tree.left, values, operations)
        return operations[tree.operator](left, evaluate(tree.right, values, operations))
    if isinstance(tree, nodes.Index):
        value = evaluate(tree.value, values, operations)
        return operations["[]"](value, evaluate_keys(tree.keys, values, operations))
    assert isinstance(tree, nodes.Call), tree
    given = {name: evaluate(argument, values, operations) for name, argument in tree.arguments}
    return operations[tree.function](**given) if tree.is_by_name else operations[tree.function](*given.values())


def evaluate_keys(keys: tuple[Key, ...], values: Mapping[str, Any], operations: Operations) -> tuple[Any, ...]:
    """Returns what stands between brackets: numbers, slices and `...`."""
    return tuple(_key(key, values, operations) for key in keys)


def _key(key: Key, values: Mapping[str, Any], operations: Operations) -> Any:
    if isinstance(key, nodes.Ellipsis):
        return ...
    if isinstance(key, nodes.Slice):
        parts = (key.begin, key.end, key.step)
        return slice(*(None if part is None else evaluate(part, values, operations) for part in parts))
    return evaluate(key, values, operations)
