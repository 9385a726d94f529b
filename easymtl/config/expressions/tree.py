"""The tree of an expression; every node knows where in the text it begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Constant:
    """A number, `True`, `False` or `None`."""

    value: float | int | bool | None
    position: int


@dataclass(frozen=True)
class Name:
    """A value that the caller gives, or a constant of the vocabulary such as `tf.float32`."""

    name: str
    position: int


@dataclass(frozen=True)
class Items:
    """A list, `[a, b]`, or a tuple, `(a, b)`."""

    items: tuple[Tree, ...]
    is_tuple: bool
    position: int


@dataclass(frozen=True)
class Slice:
    """`begin:end:step` between brackets, each of them perhaps left out."""

    begin: Tree | None
    end: Tree | None
    step: Tree | None
    position: int


@dataclass(frozen=True)
class Ellipsis:
    """`...` between brackets."""

    position: int


Key: TypeAlias = "Tree | Slice | Ellipsis"


@dataclass(frozen=True)
class Index:
    """`value[keys]`."""

    value: Tree
    keys: tuple[Key, ...]
    position: int


@dataclass(frozen=True)
class Call:
    """A function of the vocabulary with its arguments by the name of the parameter.

    Attributes:
        is_by_name: whether some of them are given by name; else they are all that come first, in order.
    """

    function: str
    arguments: tuple[tuple[str, Tree], ...]
    is_by_name: bool
    position: int


@dataclass(frozen=True)
class Unary:
    """`-x`."""

    operand: Tree
    position: int


@dataclass(frozen=True)
class Binary:
    """Two operands and what stands between them."""

    operator: str
    left: Tree
    right: Tree
    position: int


Tree: TypeAlias = "Constant | Name | Items | Index | Call | Unary | Binary"


def children(tree: Key) -> list[Key]:
    """Returns the nodes right below a node."""
    if isinstance(tree, Items):
        return list(tree.items)
    if isinstance(tree, Index):
        return [tree.value, *tree.keys]
    if isinstance(tree, Slice):
        return [part for part in (tree.begin, tree.end, tree.step) if part is not None]
    if isinstance(tree, Call):
        return [argument for _, argument in tree.arguments]
    if isinstance(tree, Unary):
        return [tree.operand]
    return [tree.left, tree.right] if isinstance(tree, Binary) else []


def names_in(tree: Key) -> list[str]:
    """Returns the names that an expression reads, each once, in the order of the text."""
    return list(positions(tree))


def positions(tree: Key) -> dict[str, int]:
    """Returns the names that an expression reads, in the order of the text, each with the place of the first one."""
    found: dict[str, int] = {}
    for node in _name_nodes(tree):
        found.setdefault(node.name, node.position)
    return found


def _name_nodes(tree: Key) -> Iterator[Name]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Name):
            yield node
        waiting += reversed(children(node))
