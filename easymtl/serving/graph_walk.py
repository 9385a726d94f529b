"""Ways through the graph of a SavedModel, which calls functions."""

from collections.abc import Iterator

from tensorflow.core.framework import graph_pb2, node_def_pb2


def reachable(graph: graph_pb2.GraphDef, names: set[str]) -> tuple[set[str], set[str]]:
    """Returns the names of the nodes that the named ones depend on, and of all functions called on the way."""
    functions = {function.signature.name: function for function in graph.library.function}
    nodes = {node.name: node for node in graph.node}
    waiting, seen, called = list(names), set(names), set()
    while waiting:
        node = nodes[waiting.pop()]
        called |= callees(node)
        for name in (input_name(text) for text in node.input):
            if name not in seen:
                seen.add(name)
                waiting.append(name)
    done: set[str] = set()
    while called - done:
        name = (called - done).pop()
        done.add(name)
        called |= {callee for node in functions[name].node_def for callee in callees(node)}
    return seen, called


def callees(node: node_def_pb2.NodeDef) -> set[str]:
    """Returns the names of the functions that a node calls."""
    listed = {one.name for value in node.attr.values() for one in value.list.func}
    return listed | {value.func.name for value in node.attr.values() if value.func.name}


def input_name(text: str) -> str:
    """Returns the name of the node that an input is of."""
    return text.removeprefix("^").split(":")[0]


def reading(graph: graph_pb2.GraphDef, name: str, among: set[str]) -> Iterator[node_def_pb2.NodeDef]:
    """Yields the nodes that read what a node makes, those in functions that it is handed to among them.

    Args:
        graph: with its functions.
        name: of the node.
        among: names of the nodes of the graph that count.
    """
    functions = {function.signature.name: function for function in graph.library.function}
    waiting = [([node for node in graph.node if node.name in among], name)]
    seen = set()
    while waiting:
        nodes, name = waiting.pop()
        for node in nodes:
            data = [text for text in node.input if not text.startswith("^")]
            places = [place for place, text in enumerate(data) if input_name(text) == name]
            if not places:
                continue
            called = [functions[callee] for callee in callees(node) if callee in functions]
            if not called:
                yield node
            # What branches and loops are handed stands at the end of their inputs.
            for function in called:
                arguments = function.signature.input_arg
                first = len(data) - len(arguments)
                for argument in (arguments[place - first].name for place in places if place >= first):
                    if (function.signature.name, argument) not in seen:
                        seen.add((function.signature.name, argument))
                        waiting.append((list(function.node_def), argument))
