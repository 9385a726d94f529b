"""What a GPU would do with a node, asked of TensorFlow's registry of kernels on any machine.

The wheel registers its GPU kernels whether or not there is a GPU. A kernel may keep inputs and outputs in the memory
of the host: those of int32 do, mostly, since they are shapes.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from tensorflow.core.framework import attr_value_pb2, kernel_def_pb2, node_def_pb2, op_def_pb2, types_pb2
from tensorflow.python.framework import op_def_registry
from tensorflow.python.framework.kernels import get_registered_kernels_for_op

# A kernel for DEFAULT serves every device that has none of its own, GPUs among them.
_GPU_DEVICES = ("GPU", "DEFAULT")
_ALWAYS_ON_HOST = (types_pb2.DT_STRING, types_pb2.DT_RESOURCE)
_CPU_PREFIXES = ("_MklNativeFused", "_MklNative", "_MklFused", "_Mkl")
_SIZE_IS_DATA = (
    "DynamicPartition",
    "SegmentMax",
    "SegmentMean",
    "SegmentMin",
    "SegmentProd",
    "SegmentSum",
    "SparseFillEmptyRows",
    "SparseSegmentMean",
    "SparseSegmentSqrtN",
    "SparseSegmentSum",
    "Unique",
    "UniqueWithCounts",
    "Where",
)


class Memory(NamedTuple):
    """Which inputs and outputs of a node a GPU's kernel wants in the memory of the host."""

    inputs: list[bool]
    outputs: list[bool]


def has_gpu_kernel(node: node_def_pb2.NodeDef) -> bool:
    """Returns whether a GPU kernel is registered for the op and the types of a node.

    The ops that TensorFlow makes of others on a CPU alone are looked at as what they are made of.
    """
    if node.op == "_UnaryOpsComposition":
        return all(has_gpu_kernel(_with_op(node, op.decode())) for op in node.attr["op_names"].list.s)
    return gpu_kernel(node) is not None or _cpu_variant_of(node.op) is not None


def gpu_kernel(node: node_def_pb2.NodeDef) -> kernel_def_pb2.KernelDef | None:
    """Returns the kernel that a GPU would take, None if there is none."""
    fitting = [kernel for kernel in _kernels(node.op) if not kernel.label and _fits(kernel, node)]
    return min(fitting, key=lambda kernel: (_GPU_DEVICES.index(kernel.device_type), -kernel.priority), default=None)


def memory_of(node: node_def_pb2.NodeDef) -> Memory:
    """Returns in which memory a node that runs on a GPU wants its inputs, and leaves its outputs.

    As in TensorFlow's memory_types.cc: texts and handles are on the host, and so is what the kernel says; of calls of
    functions, int32. What only a CPU has an op for is taken to stay on the device.
    """
    op = op_def_registry.get(node.op)
    if op is None or _cpu_variant_of(node.op):
        count = len([name for name in node.input if not name.startswith("^")])
        return Memory([False] * count, [False] * (len(op.output_arg) if op else 1))
    kernel = gpu_kernel(node)
    named = set(kernel.host_memory_arg) if kernel else set()
    calls = any(value.func.name for value in node.attr.values())

    def is_on_host(arg: op_def_pb2.OpDef.ArgDef, kind: int) -> bool:
        return arg.name in named or kind in _ALWAYS_ON_HOST or (calls and kind == types_pb2.DT_INT32)

    return Memory(_expanded(node, op.input_arg, is_on_host), _expanded(node, op.output_arg, is_on_host))


def size_is_data(node: node_def_pb2.NodeDef) -> bool:
    """Returns whether a GPU has to be waited for before the size of a node's output is known."""
    return node.op in _SIZE_IS_DATA and not all(memory_of(node).outputs)


def _expanded(
    node: node_def_pb2.NodeDef,
    args: list[op_def_pb2.OpDef.ArgDef],
    is_on_host: Callable[[op_def_pb2.OpDef.ArgDef, int], bool],
) -> list[bool]:
    """Returns one value for each tensor of arguments, of which some stand for several tensors."""
    result = []
    for arg in args:
        if arg.type_list_attr:
            kinds = list(_attribute(node, arg.type_list_attr).list.type)
        else:
            kind = arg.type or _attribute(node, arg.type_attr).type
            kinds = [kind] * (_attribute(node, arg.number_attr).i if arg.number_attr else 1)
        result += [is_on_host(arg, kind) for kind in kinds]
    return result


@cache
def _kernels(op: str) -> list[kernel_def_pb2.KernelDef]:
    return [kernel for kernel in get_registered_kernels_for_op(op).kernel if kernel.device_type in _GPU_DEVICES]


def _fits(kernel: kernel_def_pb2.KernelDef, node: node_def_pb2.NodeDef) -> bool:
    return all(
        _kinds(node, constraint.name) <= set(constraint.allowed_values.list.type)
        for constraint in kernel.constraint
        if constraint.allowed_values.list.type
    )


def _kinds(node: node_def_pb2.NodeDef, name: str) -> set[int]:
    """Returns the types that an attribute holds: one, or those of a list."""
    value = _attribute(node, name)
    return set(value.list.type) if value.WhichOneof("value") == "list" else {value.type}


def _attribute(node: node_def_pb2.NodeDef, name: str) -> attr_value_pb2.AttrValue:
    """Returns an attribute of a node; a SavedModel leaves out those that have their default."""
    if name in node.attr:
        return node.attr[name]
    return next(one.default_value for one in op_def_registry.get(node.op).attr if one.name == name)


def _cpu_variant_of(op: str) -> str | None:
    """Returns what is behind the prefix of an op that oneDNN takes the place of another one with."""
    if op == "_UnaryOpsComposition":
        return op
    return next((op.removeprefix(prefix) for prefix in _CPU_PREFIXES if op.startswith(prefix)), None)


def _with_op(node: node_def_pb2.NodeDef, op: str) -> node_def_pb2.NodeDef:
    made = node_def_pb2.NodeDef()
    made.CopyFrom(node)
    made.op = op
    return made
