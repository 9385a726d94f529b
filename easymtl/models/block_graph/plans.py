"""A block graph before anything is made: what each block reads, does and gives."""

from __future__ import annotations

from dataclasses import dataclass, field

from easymtl.config.block_graph import Node, Scope, Source
from easymtl.config.expressions import Function
from easymtl.layers.shapes import Array, Shape, ShapeFault, describe
from easymtl.models.block_graph.bodies import Body
from easymtl.models.block_graph.faults import BlockFault
from easymtl.models.block_graph.input_blocks import InputBlock
from easymtl.models.block_graph.keras_layers import Layers


@dataclass
class Read:
    """An input of a block.

    Attributes:
        source: where it comes from.
        functions: what is made of it: `input_slice`, then `input_fn`.
        is_ignored: whether it only has to run before.
        call: the call of the package that it is, if it is one.
        shape: of what is read in the end.
    """

    source: Source
    functions: list[Function]
    is_ignored: bool
    call: PackageCall | None
    shape: Shape = None


@dataclass
class PackageCall:
    """A call of a package.

    Attributes:
        plan: of its blocks, for the shapes of this call.
        package_input: what it is called with.
        index: how many calls of the package come before it.
    """

    plan: ScopePlan
    package_input: Read | None
    index: int


@dataclass
class BlockPlan:
    """A block that reads other blocks.

    Attributes:
        node: the block.
        reads: its inputs.
        extra: `extra_input_fn`.
        inputs: the shape of what its body is given.
        body: what it does.
    """

    node: Node
    reads: list[Read]
    extra: Function | None
    inputs: Shape
    body: Body

    @property
    def shape(self) -> Shape:
        """Returns the shape of its result."""
        return self.body.shape


@dataclass
class InputPlan:
    """A block that reads a feature group."""

    node: Node
    block: InputBlock

    @property
    def shape(self) -> Shape:
        """Returns the shape of its result."""
        return self.block.shape


@dataclass
class ScopePlan:
    """The blocks of the backbone, or of one call of a package, in the order in which they run.

    Attributes:
        scope: whose blocks they are.
        blocks: by name.
        shape: of the result.
    """

    scope: Scope
    blocks: dict[str, BlockPlan | InputPlan] = field(default_factory=dict)
    shape: Shape = None


@dataclass
class Plan:
    """A whole graph before it is made.

    Attributes:
        main: the blocks of the backbone.
        layers: all layers, in the order in which they are made.
        input_blocks: all blocks that read groups, each once.
        faults: what does not fit; with any of them nothing can be made.
    """

    main: ScopePlan
    layers: Layers
    input_blocks: list[InputBlock]
    faults: list[BlockFault]


def require_vectors(shape: Shape) -> list[int]:
    """Returns the widths of one tensor `[batch, width]`, or of a list of such.

    Raises:
        ShapeFault: it is something else.
    """
    parts = shape if isinstance(shape, list) else [shape]
    for part in parts:
        if isinstance(part, list):
            text = "output_blocks make a list of what is named: a block that gives a list is named in concat_blocks"
            raise ShapeFault(f"gives a list within a list ({describe(part)}): {text}")
        if not isinstance(part, Array) or len(part.sizes) != 2 or part.sizes[0] is not None or not part.sizes[1]:
            raise ShapeFault(f"gives {describe(shape)}; it needs tensors [batch, width]")
        if not part.dtype.is_floating:
            raise ShapeFault(f"gives {part} of {part.dtype.name}; it needs floating numbers: tf.cast(x, tf.float32)")
    if not parts:
        raise ShapeFault("gives an empty list; it needs tensors [batch, width]")
    return [part.width for part in parts if isinstance(part, Array)]
