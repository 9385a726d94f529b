"""What goes between the memory of a GPU and that of the host in the graphs of a request."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from tensorflow.core.framework import graph_pb2, node_def_pb2, types_pb2
from tensorflow.python.framework.function_def_to_graph import function_def_to_graph_def

from easymtl.serving.graph_walk import callees, input_name
from easymtl.serving.kernels import Memory, has_gpu_kernel, memory_of, size_is_data
from easymtl.serving.partitions import STAND_IN

_SENT = ("_Send", "_HostSend")
_RECEIVED = ("_Recv", "_HostRecv")
# They compute nothing: what they hold is made once, or they are the borders of a graph.
_NO_WORK = (*_SENT, *_RECEIVED, "Const", "VarHandleOp", "NoOp", "Placeholder", "_Arg", "_Retval")
_ON_HOST = (types_pb2.DT_INT32, types_pb2.DT_STRING, types_pb2.DT_RESOURCE)


class Key(NamedTuple):
    """A node: the number of its graph, and its name there."""

    graph: int
    name: str


class Tensor(NamedTuple):
    """An output of a node; output -1 says that the node is done."""

    key: Key
    output: int


class Reader(NamedTuple):
    """A node that reads a tensor, and as which of its inputs."""

    key: Key
    place: int


class Copy(NamedTuple):
    """A tensor that is copied, up to the GPU or down from it, and who reads the copy."""

    tensor: Tensor
    is_up: bool
    readers: list[Key]


class Crossings:
    """The graphs of a request, and of functions that are called there, with the memory of each tensor.

    Attributes:
        on_device: nodes that compute in the memory of the GPU.
        on_host: nodes of the GPU's part whose outputs, or inputs if there are none, are all in the memory of the host.
        without_kernel: nodes of the GPU's part that no GPU has a kernel for.
        pinned: nodes that compute on the CPU.
        copies: what is copied.
    """

    def __init__(self, partitions: Sequence[graph_pb2.GraphDef]):
        self._nodes: dict[Key, node_def_pb2.NodeDef] = {}
        self._functions = {one.signature.name for graph in partitions for one in graph.library.function}
        for number, graph in enumerate(_with_functions(partitions)):
            self._nodes |= {Key(number, node.name): node for node in graph.node}
        self._memory = {key: _memory(node) for key, node in self._nodes.items() if _is_gpu(node)}
        self._ties: set[Key] = set()
        self._readers = self._all_readers()
        self.on_device: list[Key] = []
        self.on_host: list[Key] = []
        self.without_kernel: list[Key] = []
        self.pinned: list[Key] = []
        for key, node in self._nodes.items():
            if node.op not in _NO_WORK and key not in self._ties and node.attr["T"].type != types_pb2.DT_RESOURCE:
                self._list_of(key).append(key)
        self.copies = list(self._copies())

    def parted(self) -> tuple[list[str], list[str], list[str]]:
        """Returns what is copied up, down and between, each as `name:output (op)`.

        Between is what is copied down and work of the GPU depends on, and what is copied up of it; and what a kernel
        copies down by itself, since the size of its output is data.
        """
        device = set(self.on_device)
        returning = [one for one in self.copies if not one.is_up and self._behind(one.readers) & device]
        behind = self._behind([key for one in returning for key in one.readers])
        between = [one for one in self.copies if one in returning or (one.is_up and one.tensor.key in behind)]
        rest = [one for one in self.copies if one not in between]
        sizes = [f"{self._shown(key)}, its size" for key in self.on_device if size_is_data(self._nodes[key])]
        sizes += [f"{self._shown(key)}, which is not looked into" for key in self._memory if self._is_closed(key)]
        return (
            [self._shown(*one.tensor) for one in rest if one.is_up],
            [self._shown(*one.tensor) for one in rest if not one.is_up],
            [self._shown(*one.tensor) for one in between] + sizes,
        )

    def shown(self, keys: Iterable[Key]) -> tuple[str, ...]:
        """Returns `name (op)` of nodes."""
        return tuple(self._shown(key) for key in keys)

    def _is_closed(self, key: Key) -> bool:
        """Returns whether a node calls functions that TensorFlow has not inlined, and has optimised apart."""
        return bool(callees(self._nodes[key]) - self._functions)

    def _shown(self, key: Key, output: int | None = None) -> str:
        place = "" if output is None else f":{output}"
        return f"{key.name}{place} ({self._nodes[key].op})"

    def _all_readers(self) -> dict[Tensor, list[Reader]]:
        """Returns who reads each tensor; of one that is sent these are the readers of what is received."""
        sent = {
            node.attr["tensor_name"].s: _source(key, node.input[0])
            for key, node in self._nodes.items()
            if node.op in _SENT
        }
        result: dict[Tensor, list[Reader]] = defaultdict(list)
        for key, node in self._nodes.items():
            if node.op in _SENT:
                continue
            for place, text in enumerate(node.input):
                tensor = _source(key, text)
                source = self._nodes.get(tensor.key)
                if source is not None and source.op in _RECEIVED:
                    origin = sent[source.attr["tensor_name"].s]
                    tensor = Tensor(origin.key, -1) if text.startswith("^") else origin
                if _says_done(self._nodes.get(tensor.key)):
                    self._ties.add(key)
                    tensor = Tensor(tensor.key, -1)
                result[tensor].append(Reader(key, place))
        return result

    def _list_of(self, key: Key) -> list[Key]:
        node = self._nodes[key]
        if key not in self._memory:
            return self.pinned
        if not has_gpu_kernel(node):
            return self.without_kernel
        inputs, outputs = self._memory[key]
        # What has no output, such as an assertion, is where it reads.
        return self.on_host if all(outputs or inputs) else self.on_device

    def _copies(self) -> Iterator[Copy]:
        """Yields each tensor that is wanted in the other memory, once."""
        for tensor, readers in self._readers.items():
            if tensor.output < 0 or tensor.key not in self._nodes:
                continue
            is_up = self._is_on_host(tensor)
            copied = [reader.key for reader in readers if self._wants_on_host(reader) != is_up]
            is_constant = self._nodes[tensor.key].op == "Const"
            # The real placer puts a constant beside who reads it.
            if copied and not (is_constant and all(key not in self._memory for key in copied)):
                yield Copy(tensor, is_up, copied)

    def _is_on_host(self, tensor: Tensor) -> bool:
        memory = self._memory.get(tensor.key)
        return memory is None or (tensor.output < len(memory.outputs) and memory.outputs[tensor.output])

    def _wants_on_host(self, reader: Reader) -> bool:
        memory = self._memory.get(reader.key)
        return memory is None or (reader.place < len(memory.inputs) and memory.inputs[reader.place])

    def _behind(self, keys: Iterable[Key]) -> set[Key]:
        """Returns nodes and all that depends on them."""
        waiting = list(keys)
        seen = set(waiting)
        while waiting:
            new = self._following[waiting.pop()] - seen
            seen |= new
            waiting += new
        return seen

    @cached_property
    def _following(self) -> dict[Key, set[Key]]:
        """Returns who waits for each node."""
        result: dict[Key, set[Key]] = defaultdict(set)
        for tensor, readers in self._readers.items():
            result[tensor.key] |= {reader.key for reader in readers}
        return result


def _with_functions(partitions: Sequence[graph_pb2.GraphDef]) -> Iterator[graph_pb2.GraphDef]:
    """Yields the graphs, and behind each those of the functions that it calls; their nodes are where the caller is."""
    for graph in partitions:
        bodies = {one.signature.name: one for one in graph.library.function}
        device = graph.node[0].device if graph.node else ""
        waiting = [graph]
        seen: set[str] = set()
        while waiting:
            one = waiting.pop()
            for node in one.node:
                node.device = node.device or device
            yield one
            called = {name for node in one.node for name in callees(node) if name in bodies} - seen
            seen |= called
            waiting += [function_def_to_graph_def(bodies[name])[0] for name in sorted(called)]


def _is_gpu(node: node_def_pb2.NodeDef) -> bool:
    return node.device.endswith(STAND_IN)


def _memory(node: node_def_pb2.NodeDef) -> Memory:
    if node.op == "Placeholder":
        # The argument of a function.
        return Memory([], [node.attr["dtype"].type in _ON_HOST])
    return memory_of(node)


def _says_done(node: node_def_pb2.NodeDef | None) -> bool:
    """Returns whether a node is the empty tensor that TensorFlow sends to say that another node is done."""
    if node is None or node.op != "Const" or not node.input or not all(text.startswith("^") for text in node.input):
        return False
    return [dim.size for dim in node.attr["value"].tensor.tensor_shape.dim] == [0]


def _source(reader: Key, text: str) -> Tensor:
    """Returns the tensor that an input of a node is."""
    if text.startswith("^"):
        return Tensor(Key(reader.graph, text[1:]), -1)
    output = int(text.split(":")[1]) if ":" in text else 0
    return Tensor(Key(reader.graph, input_name(text)), output)
