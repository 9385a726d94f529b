"""The graph of a SavedModel without the kernels that an older one has too.

Kernels of a frozen network are constants of the graph, and most of its bytes: 71 to 82 of 100 in three sample models.
Training changes nearly all of them with each step, and deflated, all of the graph takes fewer bytes than its constants
do as they are. So a delta has the graph, deflated, without those constants that its base has bit by bit: layers that
are frozen in training, and all of them where only tables have changed.
"""

import zlib
from collections.abc import Iterator, Sequence

from tensorflow.core.protobuf import saved_model_pb2

# Smaller ones are not worth to be looked for.
_LEAST_BYTES = 1 << 10
# The least effort: numbers hardly get smaller by more.
_LEVEL = 1

Copies = list[list[int]]


def cut(new: bytes, base: bytes | None) -> tuple[bytes, Copies]:
    """Returns what is left of a graph, deflated, and where the rest is in the base.

    Args:
        new: the content of `saved_model.pb`.
        base: that of the base; None if nothing may be taken from it.

    Returns:
        The rest, and for each piece that was taken out where it was, where it is in the base, and its size.
    """
    there = {content: at for at, content in _constants(base)} if base else {}
    copies = (
        [[at, there[content], len(content)] for at, content in _constants(new) if content in there] if there else []
    )
    rest, place = [], 0
    for at, _, size in copies:
        rest.append(new[place:at])
        place = at + size
    return zlib.compress(b"".join([*rest, new[place:]]), _LEVEL), copies


def whole(rest: bytes, copies: Sequence[Sequence[int]], base: bytes) -> bytes:
    """Returns the graph that `cut` was given.

    Raises:
        zlib.error: the rest is damaged.
    """
    data = zlib.decompress(rest)
    parts, place, taken = [], 0, 0
    for at, there, size in copies:
        begin = at - taken
        parts += [data[place:begin], base[there : there + size]]
        place, taken = begin, taken + size
    return b"".join([*parts, data[place:]])


def _constants(graph: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields where each large constant is in the file, and its bytes, in the order in which they stand there."""
    place = 0
    for meta in saved_model_pb2.SavedModel.FromString(graph).meta_graphs:
        definition = meta.graph_def
        for nodes in (definition.node, *(function.node_def for function in definition.library.function)):
            for node in nodes:
                content = node.attr["value"].tensor.tensor_content if node.op == "Const" else b""
                at = graph.find(content, place) if len(content) >= _LEAST_BYTES else -1
                if at >= 0:
                    yield at, content
                    place = at + len(content)
