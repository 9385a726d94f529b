"""Runs a planned block graph whose layers are made."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import tensorflow as tf

from easymtl.layers.block_functions import call_function
from easymtl.layers.context import Call, name_seed, salted
from easymtl.layers.merging import merged
from easymtl.layers.shapes import Value
from easymtl.models.block_graph.plans import BlockPlan, InputPlan, PackageCall, Read, ScopePlan
from easymtl.models.inputs import Inputs


@dataclass
class Run:
    """One run of the blocks of a scope.

    Attributes:
        plan: of the scope.
        inputs: the features of the batch.
        call: how it is run.
        outer: the values of the backbone's blocks, for packages.
        package_input: what the package is called with.
        values: of the blocks that have run.
    """

    plan: ScopePlan
    inputs: Inputs
    call: Call
    outer: Mapping[str, Value] = field(default_factory=dict)
    package_input: Value = None
    values: dict[str, Value] = field(default_factory=dict)

    def result(self) -> Value:
        """Runs all blocks and returns what comes out."""
        for name, block in self.plan.blocks.items():
            self.values[name] = self._block(block)
        results = [self.values[name] for name in self.plan.scope.results]
        return results if self.plan.scope.is_list else merged(results, -1, self.call.dtype)

    def _block(self, block: BlockPlan | InputPlan) -> Value:
        if isinstance(block, InputPlan):
            return block.block(self.inputs, self.call)
        given = [value for value in map(self._read, block.reads) if value is not _IGNORED]
        x: Value = list(given)
        if not block.node.block.merge_inputs_into_list:
            x = merged(given, block.node.block.input_concat_axis, self.call.dtype)
        if block.extra:
            x = call_function(block.extra, [x], self.call.dtype)
        return block.body(x, self.call)

    def _read(self, read: Read) -> Value:
        value = self._value(read)
        if read.is_ignored:
            return _IGNORED
        for function in read.functions:
            value = call_function(function, [value], self.call.dtype)
        return value

    def _value(self, read: Read) -> Value:
        if read.call is not None:
            return self._package(read.source.name, read.call)
        if read.source.kind == "package_input":
            return self.package_input
        return self.outer[read.source.name] if read.source.kind == "outer" else self.values[read.source.name]

    def _package(self, package: str, called: PackageCall) -> Value:
        package_input = self._read(called.package_input) if called.package_input else None
        outer = self.outer if self.plan.scope.outer else self.values
        call = replace(self.call, seed=self._seed(package, called.index))
        return Run(called.plan, self.inputs, call, outer, package_input).result()

    def _seed(self, package: str, index: int) -> tf.Tensor | None:
        """Returns the seed of a call: two calls of one package do not drop the same values."""
        if self.call.seed is None or not index:
            return self.call.seed
        return salted(self.call.seed, name_seed(0, f"{package}/call_{index}"))


_IGNORED: Value = object()  # type: ignore[assignment]
