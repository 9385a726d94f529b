"""Where the nodes of a signature would run if the server has a GPU, and what is copied to it and from it.

What is looked at is what TensorFlow runs (`partitions`) and what the kernels of a GPU want (`kernels`), on any machine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from easymtl.errors import UserError
from easymtl.serving.crossings import Crossings
from easymtl.serving.partitions import partitions_of, read_meta_graph

REPORTED = ("serving_default", "encoded")
"""The signatures whose placement an export looks at: the one for texts, and the one for a GPU."""

PROMISED = ("encoded",)
"""The signatures that a GPU runs without waiting."""

EXCEPTIONS = ("Where", "SegmentMax", "SegmentSum")
"""Ops that may ask for the size of their output all the same: layers use them to go by the steps that exist."""

_MOST_NAMED = 10


@dataclass(frozen=True)
class Placement:
    """Where the nodes that answer a request run on a server with a GPU. Names are `node (op)`.

    Attributes:
        on_device: how many nodes compute in the memory of the GPU.
        on_host: nodes that go with the GPU and whose outputs are all in the memory of the host: shapes, numbers of
            rows, masks. What the GPU has computed is no input of theirs, or it is among `between`.
        without_kernel: nodes that no GPU has a kernel for, and that are not pinned to the CPU.
        pinned: how many nodes are pinned to the CPU: the encoder.
        up: tensors that are copied to the GPU once, at the beginning.
        down: tensors that are copied from it once, at the end.
        between: tensors that are copied from it and that work on the GPU waits for, or that follow from those: each
            is a time in which the GPU does nothing.
    """

    on_device: int
    on_host: tuple[str, ...]
    without_kernel: tuple[str, ...]
    pinned: int
    up: tuple[str, ...]
    down: tuple[str, ...]
    between: tuple[str, ...]

    def document(self) -> dict[str, int | list[str]]:
        """Returns what `placement.json` says."""
        return {
            "device": self.on_device,
            "host": list(self.on_host),
            "none": list(self.without_kernel),
            "cpu": self.pinned,
            "up": list(self.up),
            "down": list(self.down),
            "between": list(self.between),
        }


def placement_of(folder: str | Path, signature: str, texts: Mapping[str, str] | None = None) -> Placement:
    """Returns where the nodes of a signature of a SavedModel run, and what is copied.

    Args:
        folder: of the SavedModel.
        signature: its name.
        texts: what to send in inputs of texts, where `''` is refused and the number of rows is fixed.

    Raises:
        tf.errors.OpError: TensorFlow cannot run the signature.
    """
    return placement_in(read_meta_graph(folder), signature, folder, texts)


def placement_in(
    meta: meta_graph_pb2.MetaGraphDef, signature: str, folder: str | Path = "", texts: Mapping[str, str] | None = None
) -> Placement:
    """Returns the same of a graph that is in memory."""
    return placement_of_partitions(partitions_of(meta, signature, folder, texts))


def placement_of_partitions(partitions: list[graph_pb2.GraphDef]) -> Placement:
    """Returns the same of graphs as TensorFlow runs them, with the CPU that stands in for a GPU."""
    found = Crossings(partitions)
    up, down, between = found.parted()
    return Placement(
        on_device=len(found.on_device),
        on_host=found.shown(found.on_host),
        without_kernel=found.shown(found.without_kernel),
        pinned=len(found.pinned),
        up=tuple(up),
        down=tuple(down),
        between=tuple(between),
    )


def placements_of(folder: str | Path, texts: Mapping[str, str] | None = None) -> dict[str, Placement]:
    """Returns the placement of each of `REPORTED` that a SavedModel has, by the name of the signature.

    Raises:
        UserError: a node has no GPU kernel, or a signature breaks what it promises; the message names the nodes.
    """
    meta = read_meta_graph(folder)
    result = {}
    for signature in REPORTED:
        if signature not in meta.signature_def:
            continue
        found = result[signature] = placement_in(meta, signature, folder, texts)
        if found.without_kernel:
            nodes = _listed(found.without_kernel)
            raise UserError(f"{folder}: no GPU kernel is registered for {nodes}. It was not published.")
        if signature in PROMISED and (broken := [name for name in found.between if not _is_exception(name)]):
            raise UserError(
                f"{folder}: the signature {signature} keeps a GPU waiting: {_listed(broken)}. It was not "
                "published; please report this with the config."
            )
    return result


def _is_exception(name: str) -> bool:
    return name.endswith(tuple(f"({op}), its size" for op in EXCEPTIONS))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
