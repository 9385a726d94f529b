"""Walks a block graph once before anything is made: what each block reads, does, and gives."""

from __future__ import annotations

from easymtl.config.block_graph import INPUT_KINDS, MAIN, Graph, Node, Scope, Source
from easymtl.config.expressions import Function, parse_lambda, parse_slice
from easymtl.config.input_groups import group_read
from easymtl.layers.block_functions import function_shape
from easymtl.layers.merging import merged_shape
from easymtl.layers.shapes import Shape, describe, require_few_values
from easymtl.models.block_graph.bodies import plan_body
from easymtl.models.block_graph.faults import BlockFault, at_block
from easymtl.models.block_graph.input_blocks import Columns, Histories, InputBlock, Vectors
from easymtl.models.block_graph.keras_layers import Layers
from easymtl.models.block_graph.plans import BlockPlan, InputPlan, PackageCall, Plan, Read, ScopePlan
from easymtl.models.inputs import InputShapes
from easymtl.protos.backbone_pb2 import Input, InputLayer


class _Broken(Exception):
    """Something is read that could not be planned itself; that is reported already."""


def plan_graph(graph: Graph, shapes: InputShapes) -> Plan:
    """Returns the plan of a graph.

    Args:
        graph: has no faults.
        shapes: of the feature groups.
    """
    assert not graph.faults, graph.faults
    planner = _Planner(graph, shapes)
    main = planner.scope(graph.main, {}, None, None)
    return Plan(main, planner.layers, list(planner.input_blocks.values()), planner.faults)


class _Planner:
    def __init__(self, graph: Graph, shapes: InputShapes):
        self.graph, self.shapes = graph, shapes
        self.layers = Layers()
        self.input_blocks: dict[tuple[str, str, bytes], InputBlock] = {}
        self.faults: list[BlockFault] = []
        self.num_calls: dict[str, int] = {}

    def scope(
        self, scope: Scope, outer: dict[str, Shape], package_input: Read | None, reset: InputLayer | None
    ) -> ScopePlan:
        """Plans the blocks of a scope; a block that does not fit is reported, and what reads it left out."""
        plan = ScopePlan(scope)
        walk = _Walk(self, plan, outer, package_input, reset)
        for name in scope.order:
            node = scope.nodes[name]
            try:
                plan.blocks[name] = walk.input_block(node) if node.kind in INPUT_KINDS else walk.block(node)
            except BlockFault as fault:
                self.report(fault)
            except _Broken:
                continue
        try:
            plan.shape = self.result(plan)
        except BlockFault as fault:
            self.report(fault)
        except _Broken:
            if scope is not self.graph.main:
                raise
        return plan

    def report(self, fault: BlockFault) -> None:
        if str(fault) not in map(str, self.faults):
            self.faults.append(fault)

    def result(self, plan: ScopePlan) -> Shape:
        if not all(name in plan.blocks for name in plan.scope.results):
            raise _Broken
        shapes = [plan.blocks[name].shape for name in plan.scope.results]
        if plan.scope.is_list:
            return list(shapes)
        with at_block(plan.scope.path, f"joins {', '.join(plan.scope.results)}: it"):
            return merged_shape(shapes)


class _Walk:
    """The walk through the blocks of one scope."""

    def __init__(
        self,
        planner: _Planner,
        plan: ScopePlan,
        outer: dict[str, Shape],
        package_input: Read | None,
        reset: InputLayer | None,
    ):
        self.planner, self.plan, self.outer = planner, plan, outer
        self.package_input, self.reset = package_input, reset

    @property
    def scope(self) -> Scope:
        return self.plan.scope

    def input_block(self, node: Node) -> InputPlan:
        options = self.reset or node.block.input_layer
        blocks = self.planner.input_blocks
        key = (self.scope.name, node.name, options.SerializeToString() if node.kind == "input_layer" else b"")
        if key not in blocks:
            with at_block(node.path, f'"{node.name}"'):
                blocks[key] = self.planned_input(node, options)
        return InputPlan(node, blocks[key])

    def planned_input(self, node: Node, options: InputLayer) -> InputBlock:
        shapes, group = self.planner.shapes, group_read(self.scope, node)
        if node.kind == "raw_input":
            return Columns(group, list(shapes.columns(group).values()))
        if node.kind == "embedding_layer":
            options = InputLayer(only_output_feature_list=not node.block.embedding_layer.concat)
        if options.output_seq_and_normal_feature:
            return Histories.plan(shapes, group, node.group, options.concat_seq_feature)
        return Vectors.plan(shapes, group, node.group, options, f"{self.scope.name}/{node.name}")

    def block(self, node: Node) -> BlockPlan:
        reads = [self.read(path, one) for path, one in self.scope.inputs(node)]
        block = node.block
        given = [read.shape for read in reads if not read.is_ignored]
        inputs: Shape = list(given)
        with at_block(node.path, f'"{node.name}"'):
            require_few_values(inputs)
            if not block.merge_inputs_into_list:
                inputs = merged_shape(given, block.input_concat_axis)
        extra = parse_lambda(block.extra_input_fn) if block.HasField("extra_input_fn") else None
        if extra:
            with at_block(f"{node.path}.extra_input_fn", f'"{node.name}"'):
                inputs = function_shape(extra, [inputs])
        prefix = MAIN if self.scope.outer is None else f"{MAIN}/{self.scope.name}"
        body = plan_body(self.planner.layers, prefix, node.name, node.path, block, inputs)
        with at_block(node.path, f'"{node.name}"'):
            require_few_values(body.shape)
        return BlockPlan(node, reads, extra, inputs, body)

    def read(self, path: str, one: Input) -> Read:
        source = self.scope.source(one)
        assert source is not None, path
        call = self.call(path, one, source.name) if source.kind == "package" else None
        functions = [] if one.ignore_input else _functions(one, "input_slice", "input_fn")
        read = Read(source, [function for _, function in functions], one.ignore_input, call)
        read.shape = self.shape_of(source, call)
        for name, function in functions:
            with at_block(f"{path}.{name}", f"reads {describe(read.shape)} and"):
                read.shape = function_shape(function, [read.shape])
        return read

    def shape_of(self, source: Source, call: PackageCall | None) -> Shape:
        if call is not None:
            return call.plan.shape
        if source.kind == "package_input":
            assert self.package_input is not None, self.scope.name
            return self.package_input.shape
        if source.kind == "outer":
            if source.name not in self.outer:
                raise _Broken
            return self.outer[source.name]
        if source.name not in self.plan.blocks:
            raise _Broken
        return self.plan.blocks[source.name].shape

    def call(self, path: str, one: Input, package: str) -> PackageCall:
        package_input = self.read_package_input(path, one)
        index = self.planner.num_calls.get(package, 0)
        self.planner.num_calls[package] = index + 1
        outer = self.outer if self.scope.outer else {name: block.shape for name, block in self.plan.blocks.items()}
        reset = one.reset_input if one.HasField("reset_input") else None
        plan = self.planner.scope(self.planner.graph.packages[package], outer, package_input, reset)
        return PackageCall(plan, package_input, index)

    def read_package_input(self, path: str, one: Input) -> Read | None:
        source = self.scope.package_input(one) if one.package_input else None
        if source is None:
            return None
        call = None
        if source.kind == "package":
            call = self.call(path, Input(package_name=source.name), source.name)
        functions = _functions(one, "package_input_fn")
        read = Read(source, [function for _, function in functions], False, call, self.shape_of(source, call))
        for name, function in functions:
            with at_block(f"{path}.{name}", f"reads {describe(read.shape)} and"):
                read.shape = function_shape(function, [read.shape])
        return read


def _functions(one: Input, *fields: str) -> list[tuple[str, Function]]:
    texts = [(name, getattr(one, name)) for name in fields if one.HasField(name)]
    return [(name, parse_slice(text) if name == "input_slice" else parse_lambda(text)) for name, text in texts]
