"""Devices for the ends of a saved graph: what is fed and what is fetched is in the memory of the host.

TensorFlow hands the inputs of a function on, and its outputs back, through identities without a device, which a server
with a GPU places there: an input would go up to the GPU and down again to the encoder, and a score that the CPU
computed up and down once more.
"""

from collections.abc import Iterator

from tensorflow.core.framework import function_pb2, graph_pb2, node_def_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from easymtl.serving.graph_walk import callees, input_name, reachable, reading

CPU = "/device:CPU:0"


def keep_ends_on_cpu(meta: meta_graph_pb2.MetaGraphDef) -> None:
    """Pins inputs, outputs and handed-on values to the CPU, and the tables that are read there.

    Each output of a signature is read through an identity of its own, `fetched/<signature>/<number>`, since the node of
    the call itself would be one that a GPU server copies all outputs to.
    """
    graph = meta.graph_def
    fetched = {one.name for signature in meta.signature_def.values() for one in signature.outputs.values()}
    served, _ = reachable(graph, {input_name(name) for name in fetched})
    for node in graph.node:
        is_read_there = node.op == "VarHandleOp" and any(
            "CPU" in one.device for one in reading(graph, node.name, served)
        )
        if node.op == "Placeholder" or is_read_there:
            node.device = CPU
    for place, name in enumerate(sorted(meta.signature_def)):
        outputs = meta.signature_def[name].outputs
        keys = [key for key in sorted(outputs) if outputs[key].dtype]
        if not keys:
            # What starts the model has no outputs.
            continue
        calls = sorted({input_name(outputs[key].name) for key in keys})
        # A call with side effects is inlined, and so optimised with what is around it, if something waits for it.
        done = graph.node.add(name=f"fetched/{place}/done", op="NoOp", device=CPU)
        done.input.extend(f"^{call}" for call in calls)
        for number, key in enumerate(keys):
            node = graph.node.add(name=f"fetched/{place}/{number}", op="Identity", device=CPU)
            node.input.extend([outputs[key].name, f"^{done.name}"])
            node.attr["T"].type = outputs[key].dtype
            outputs[key].name = f"{node.name}:0"
    _pin_identities(graph)
    for function in graph.library.function:
        _wait_for_checks(function)


def _wait_for_checks(function: function_pb2.FunctionDef) -> None:
    """Makes a function done only when what it checks is: a frozen one forgets that, and would not be inlined."""
    waited_for = set(function.control_ret.values())
    for node in function.node_def:
        if node.op == "Assert" and node.name not in waited_for:
            name = f"checked/{node.name}"
            function.control_ret[name] = node.name
            function.signature.control_output.append(name)


def _pin_identities(graph: graph_pb2.GraphDef) -> None:
    """Gives each identity in a function that reads something on the CPU the same device."""
    functions = {function.signature.name: function for function in graph.library.function}
    bodies = {name: {node.name: node for node in function.node_def} for name, function in functions.items()}

    def is_on_cpu(nodes: dict[str, node_def_pb2.NodeDef], text: str) -> bool:
        node = nodes.get(input_name(text))
        if node is None:
            return False
        if not node.device and node.op == "Identity" and is_on_cpu(nodes, node.input[0]):
            node.device = CPU
        called = [name for name in callees(node) if name in functions]
        if len(called) == 1 and node.op in ("PartitionedCall", "StatefulPartitionedCall"):
            returned = functions[called[0]]
            output = returned.signature.output_arg[int(text.split(":")[-1])]
            return is_on_cpu(bodies[called[0]], returned.ret[output.name])
        return "CPU" in node.device

    for nodes in bodies.values():
        for node in _identities(nodes):
            is_on_cpu(nodes, node.name)


def _identities(nodes: dict[str, node_def_pb2.NodeDef]) -> Iterator[node_def_pb2.NodeDef]:
    yield from (node for node in nodes.values() if node.op == "Identity")
