"""What blocks do with what they read: nothing, a function, a layer, copies of one, or several in a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from easymtl.config.expressions import Function, parse_lambda, parse_slice
from easymtl.layers.block_functions import call_function, function_shape
from easymtl.layers.context import Call
from easymtl.layers.merging import merged, merged_shape
from easymtl.layers.shapes import Shape, ShapeFault, Value, describe
from easymtl.models.block_graph.faults import at_block
from easymtl.models.block_graph.keras_layers import LayerPlan, Layers
from easymtl.protos.backbone_pb2 import Block, Layer, RecurrentLayer, RepeatLayer


class Body(Protocol):
    """What a block does.

    Attributes:
        shape: of its result.
    """

    shape: Shape

    def __call__(self, x: Value, call: Call) -> Value:
        """Returns the result."""


@dataclass
class Identity:
    """Hands on what it is given."""

    shape: Shape

    def __call__(self, x: Value, call: Call) -> Value:
        """Returns the value."""
        return x


@dataclass
class Lambda:
    """A function of the config."""

    function: Function
    shape: Shape

    def __call__(self, x: Value, call: Call) -> Value:
        """Returns its value."""
        return call_function(self.function, [x], call.dtype)


@dataclass
class Chain:
    """Bodies in a row."""

    bodies: list[Body]
    shape: Shape

    def __call__(self, x: Value, call: Call) -> Value:
        """Returns the result of the last one."""
        for body in self.bodies:
            x = body(x, call)
        return x


@dataclass
class Repeat:
    """Copies of one layer over the same input, or over what `input_slice` and `input_fn` make of it for each.

    Attributes:
        layers: the copies.
        functions: applied to the input and the number of the copy, one after the other.
        axis: along which the results are joined; None for a list.
    """

    layers: list[LayerPlan]
    functions: list[Function]
    axis: int | None
    shape: Shape

    def __call__(self, x: Value, call: Call) -> Value:
        """Returns the results as a list or joined; the result itself if there is one copy."""
        results = []
        for index, layer in enumerate(self.layers):
            given = x
            for function in self.functions:
                given = call_function(function, [given, index], call.dtype)
            results.append(layer(given, call))
        if len(results) == 1:
            return results[0]
        return results if self.axis is None else merged(results, self.axis, call.dtype)


@dataclass
class Recurrent:
    """Copies of one layer in a row; with `fixed` an element of the input list stays the same for all of them."""

    layers: list[LayerPlan]
    fixed: int | None
    shape: Shape

    def __call__(self, x: Value, call: Call) -> Value:
        """Returns what the last copy gives, without the fixed element."""
        for layer in self.layers:
            result = layer(x, call)
            x = result if self.fixed is None else _with_fixed(x, result, self.fixed)
        return x if self.fixed is None else _without_fixed(x, self.fixed)


def plan_body(layers: Layers, scope: str, name: str, path: str, config: Block | Layer, inputs: Shape) -> Body:
    """Returns what a block, or one of its `layers`, does.

    Args:
        layers: takes the layers that are to be made.
        scope: of the names of weights: `backbone`, or `backbone/<package>`.
        name: of the block, with its place in a chain.
        path: of the config.
        config: the block, or an entry of its `layers`.
        inputs: the shape of what it is given.

    Raises:
        BlockFault: something does not fit.
    """
    if isinstance(config, Block) and config.layers:
        bodies: list[Body] = []
        for index, one in enumerate(config.layers):
            given = bodies[-1].shape if bodies else inputs
            bodies.append(plan_body(layers, scope, f"{name}_l{index}", f"{path}.layers[{index}]", one, given))
        return Chain(bodies, bodies[-1].shape)
    kind = config.WhichOneof("layer")
    if kind == "keras_layer":
        return layers.plan(f"{scope}/{name}", f"{path}.keras_layer", config.keras_layer, inputs)
    if kind == "lambda":
        function = parse_lambda(getattr(config, "lambda").expression)
        with at_block(f"{path}.lambda.expression", f'"{name}"'):
            return Lambda(function, function_shape(function, [inputs]))
    if kind == "repeat":
        return _plan_repeat(layers, f"{scope}/{name}", f"{path}.repeat", config.repeat, inputs)
    if kind == "recurrent":
        return _plan_recurrent(layers, f"{scope}/{name}", f"{path}.recurrent", config.recurrent, inputs)
    assert kind is None, kind
    return Identity(inputs)


def _plan_repeat(layers: Layers, name: str, path: str, config: RepeatLayer, inputs: Shape) -> Body:
    functions: list[tuple[str, Function]] = []
    if config.HasField("input_slice"):
        functions.append(("input_slice", parse_slice(config.input_slice, ("i",))))
    if config.HasField("input_fn"):
        functions.append(("input_fn", parse_lambda(config.input_fn, 2)))
    plans: list[LayerPlan] = []
    called = f'"{name.partition("/")[2]}"'
    for index in range(config.num_repeat):
        given = inputs
        for field, function in functions:
            with at_block(f"{path}.{field}", f"{called}, copy {index},"):
                given = function_shape(function, [given, index])
        plans.append(layers.plan(f"{name}_{index}", f"{path}.keras_layer", config.keras_layer, given))
    shapes = [plan.shape for plan in plans]
    axis = config.output_concat_axis if config.HasField("output_concat_axis") else None
    shape: Shape = list(shapes)
    if len(shapes) == 1:
        shape = shapes[0]
    elif axis is not None:
        with at_block(f"{path}.output_concat_axis", called):
            shape = merged_shape(shapes, axis)
    return Repeat(plans, [function for _, function in functions], axis, shape)


def _plan_recurrent(layers: Layers, name: str, path: str, config: RecurrentLayer, inputs: Shape) -> Body:
    fixed = config.fixed_input_index if config.HasField("fixed_input_index") else None
    called = f'"{name.partition("/")[2]}"'
    if fixed is not None:
        with at_block(f"{path}.fixed_input_index", called):
            _require_element(inputs, fixed)
    plans: list[LayerPlan] = []
    given = inputs
    for index in range(config.num_steps):
        plan = layers.plan(f"{name}_{index}", f"{path}.keras_layer", config.keras_layer, given)
        plans.append(plan)
        with at_block(f"{path}.fixed_input_index", called):
            given = plan.shape if fixed is None else _with_fixed(given, plan.shape, fixed)
    return Recurrent(plans, fixed, given if fixed is None else _without_fixed(given, fixed))


def _require_element(inputs: Shape, index: int) -> None:
    if not isinstance(inputs, list | tuple) or len(inputs) < 2:
        raise ShapeFault(f"needs a list of two or more values, one of which stays, but is given {describe(inputs)}")
    if index >= len(inputs):
        raise ShapeFault(f"keeps element {index} of a list of {len(inputs)}: there are 0 to {len(inputs) - 1}")


def _with_fixed(inputs: Any, result: Any, fixed: int) -> Any:
    """Returns the next input list, of values or of shapes: the fixed element, and the result in the other places."""
    rest = list(result) if isinstance(result, list | tuple) else [result] * (len(inputs) - 1)
    if len(rest) != len(inputs) - 1:
        raise ShapeFault(f"its layer gives {len(rest)} values for the {len(inputs) - 1} that do not stay")
    return [*rest[:fixed], inputs[fixed], *rest[fixed:]]


def _without_fixed(values: Any, fixed: int) -> Any:
    rest = [value for index, value in enumerate(values) if index != fixed]
    return rest[0] if len(rest) == 1 else rest
