"""The blocks of one scope, the backbone's own or those of a package, and what their names stand for."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from easymtl.config.fault import Fault
from easymtl.errors import did_you_mean, quoted
from easymtl.protos.backbone_pb2 import BackboneTower, Block, BlockPackage, Input

INPUT_KINDS = ("input_layer", "raw_input", "embedding_layer")
"""The kinds of blocks that read a feature group, and no other block."""


@dataclass(frozen=True)
class Node:
    """A block, or the input layer that reading a group without a block of its name implies.

    Attributes:
        name: unique in its scope.
        path: of the block, or of the input that implies it.
        block: what it does.
        is_implied: whether the config has no such block.
    """

    name: str
    path: str
    block: Block
    is_implied: bool = False

    @property
    def kind(self) -> str:
        """Returns `layers`, a member of the oneof such as `keras_layer`, or an empty string for the identity."""
        return "layers" if self.block.layers else self.block.WhichOneof("layer") or ""

    @property
    def group(self) -> str:
        """Returns the feature group that it reads itself, or an empty string."""
        return self.block.inputs[0].feature_group_name if self.kind in INPUT_KINDS and self.block.inputs else ""


@dataclass(frozen=True)
class Source:
    """Where a value that a block reads comes from.

    Attributes:
        kind: `block` of the same scope, `outer` block of the backbone, `package`, or `package_input`.
        name: of block or package.
    """

    kind: str
    name: str = ""


@dataclass
class Scope:
    """Blocks that can name each other.

    Attributes:
        name: of the package; `backbone` for the main one.
        path: of the message that holds the blocks.
        nodes: the blocks by name, the implied ones last.
        outer: the scope around it: the backbone's, for packages.
        packages: names of all packages.
        groups: names of all feature groups.
        results: the blocks whose values come out.
        is_list: whether they come out as a list.
        order: names of all blocks, each behind those that it reads.
    """

    name: str
    path: str
    groups: Collection[str]
    packages: Collection[str]
    outer: "Scope | None" = None
    nodes: dict[str, Node] = field(default_factory=dict)
    results: list[str] = field(default_factory=list)
    is_list: bool = False
    order: list[str] = field(default_factory=list)

    def source(self, one: Input) -> Source | None:
        """Returns where an input comes from, None if its name stands for nothing."""
        member = one.WhichOneof("name")
        if member == "use_package_input":
            return Source("package_input") if one.use_package_input and self.outer else None
        name = getattr(one, member) if member else ""
        if member == "package_name":
            return Source("package", name) if name in self.packages else None
        return self.block(name)

    def package_input(self, one: Input) -> Source | None:
        """Returns where the input comes from that a package is called with, None if its name stands for nothing."""
        name = one.package_input
        return self.block(name) or (Source("package", name) if name in self.packages else None)

    def block(self, name: str) -> Source | None:
        """Returns the block of a name, of this scope or of the backbone."""
        if name in self.nodes:
            return Source("block", name)
        return Source("outer", name) if self.outer and name in self.outer.nodes else None

    def inputs(self, node: Node) -> Iterator[tuple[str, Input]]:
        """Yields path and message of what a block reads of other blocks."""
        if node.kind not in INPUT_KINDS:
            yield from ((f"{node.path}.inputs[{index}]", one) for index, one in enumerate(node.block.inputs))

    def add_blocks(self, config: BackboneTower | BlockPackage) -> list[Fault]:
        """Adds the blocks of a config and the implied ones; returns what is wrong with their names."""
        faults: list[Fault] = []
        for index, block in enumerate(config.blocks):
            path = f"{self.path}.blocks[{index}]"
            if not block.name:
                faults.append(Fault(path, "has no name."))
            elif block.name in self.nodes:
                faults.append(Fault(f"{path}.name", f'"{block.name}" is taken by another block. Rename one of them.'))
            else:
                self.nodes[block.name] = Node(block.name, path, block)
        for node in list(self.nodes.values()):
            for path, one in self.inputs(node):
                self._imply(f"{path}.feature_group_name", one.feature_group_name)
                self._imply(f"{path}.package_input", one.package_input)
        return [*faults, *self._named_as_groups()]

    def _imply(self, path: str, group: str) -> None:
        if group in self.groups and group not in self.nodes:
            block = Block(name=group, inputs=[Input(feature_group_name=group)])
            block.input_layer.SetInParent()
            self.nodes[group] = Node(group, path, block, is_implied=True)

    def _named_as_groups(self) -> Iterator[Fault]:
        for node in self.nodes.values():
            if node.name in self.groups and node.group != node.name:
                text = (
                    f'"{node.name}" is the name of a feature group, and the block is something else: whoever reads the '
                    "group would get the block. Rename the block."
                )
                yield Fault(f"{node.path}.name", text)

    def faults(self) -> Iterator[Fault]:
        """Yields what is wrong with the names that blocks read."""
        for node in self.nodes.values():
            for path, one in self.inputs(node):
                if self.source(one) is None:
                    yield self._unknown(path, one)
                if one.HasField("package_input") and self.package_input(one) is None:
                    yield self._unknown_name(f"{path}.package_input", one.package_input, {"": self._blocks()})

    def _blocks(self) -> list[str]:
        return [*self.nodes, *(self.outer.nodes if self.outer else ())]

    def _unknown(self, path: str, one: Input) -> Fault:
        member = one.WhichOneof("name")
        if member is None:
            text = "names nothing; write feature_group_name, block_name or package_name."
            return Fault(
                path, text if not self.outer else text.replace(" or", ",").replace(".", " or use_package_input: true.")
            )
        path = f"{path}.{member}"
        if member == "use_package_input":
            if self.outer is None:
                return Fault(path, "stands in no package: name a block or a feature group instead.")
            return Fault(path, "cannot be false: write true, or name a block.")
        name = getattr(one, member)
        lists = {
            "package_name": {"": self.packages},
            "block_name": {"": self._blocks(), "feature_group_name": self.groups, "package_name": self.packages},
            "feature_group_name": {"": [*self.groups, *self._blocks()], "package_name": self.packages},
        }
        return self._unknown_name(path, name, lists[member])

    def _unknown_name(self, path: str, name: str, lists: Mapping[str, Collection[str]]) -> Fault:
        for member, names in lists.items():
            if member and name in names:
                return Fault(path, f'"{name}" is none of the blocks. Write {member}: "{name}".')
        member = path.rpartition(".")[2]
        called = {"package_name": "the packages", "feature_group_name": "the feature groups or blocks"}
        known = lists[""]
        text = f'"{name}" is not in {called.get(member, "the blocks")} ({quoted(known)}).{did_you_mean(name, known)}'
        return Fault(path, text)
