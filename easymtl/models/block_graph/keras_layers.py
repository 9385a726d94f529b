"""Layers that a graph calls by name: found, their parameters read, their shapes asked, and made."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import tensorflow as tf
from google.protobuf.message import Message

from easymtl.config.block_graph import Graph, keras_layers
from easymtl.config.extension_parameters import fill_lists, missing_parameters
from easymtl.config.layer_names import unknown_layer
from easymtl.config.struct_params import ignored_keys, read_struct
from easymtl.errors import quoted
from easymtl.extensions import ExtensionError
from easymtl.layers.context import Build, Call
from easymtl.layers.named import LAYERS, NamedLayer, Row
from easymtl.layers.shapes import Shape, Value, describe
from easymtl.models.block_graph.calls import GraphCall
from easymtl.models.block_graph.faults import BlockFault, at_block
from easymtl.models.promised import require_declared
from easymtl.protos.backbone_pb2 import KerasLayer


@dataclass
class LayerPlan:
    """A layer before it is made.

    Attributes:
        name: of its weights: `backbone/deep`, in a package `backbone/<package>/<block>`.
        path: of its config.
        class_name: as the config calls it.
        row: of the table of layers.
        config: its parameters.
        inputs: the shape of what it is called with.
        shape: the shape of its result.
        made: the layer, once it is made.
    """

    name: str
    path: str
    class_name: str
    row: Row
    config: Message
    inputs: Shape
    shape: Shape
    made: NamedLayer | None = None

    @property
    def is_output(self) -> bool:
        """Returns whether its result is an output of the model."""
        return bool(getattr(self.config, "add_to_outputs", False))

    def make(self, build: Build) -> NamedLayer:
        """Makes the layer."""
        self.made = self.row.layer(build, self.name, self.config, self.inputs)
        return self.made

    def __call__(self, x: Value, call: Call) -> Value:
        """Maps a value of the shape of the inputs to one of the declared shape."""
        assert self.made is not None, self.name
        result = self.made(x, call)
        if self.row.declaration is not None:
            require_declared(f'the layer "{self.class_name}" ({self.name})', result, self.shape)
        if self.is_output and isinstance(call, GraphCall) and isinstance(result, tf.Tensor):
            call.outputs[self.name] = result
        return result


@dataclass
class Layers:
    """The layers of a whole graph, in the order in which they are made.

    Attributes:
        plans: by name.
    """

    plans: dict[str, LayerPlan] = field(default_factory=dict)

    def plan(self, name: str, path: str, keras_layer: KerasLayer, inputs: Shape) -> LayerPlan:
        """Returns the layer of a name; a package that is called again has the one that its first call has planned.

        Raises:
            BlockFault: there is no such layer, its parameters are wrong, or it cannot take such inputs.
        """
        known = self.plans.get(name)
        if known is not None:
            return _again(known, path, inputs)
        row = layer_row(path, keras_layer.class_name)
        config = layer_config(path, keras_layer, row)
        with at_block(path, f"{_block(name)} ({keras_layer.class_name})"):
            shape = row.layer.shape(config, inputs)
        plan = LayerPlan(name, path, keras_layer.class_name, row, config, inputs, shape)
        self.plans[name] = plan
        return plan


def _again(known: LayerPlan, path: str, inputs: Shape) -> LayerPlan:
    if known.inputs != inputs:
        text = (
            f"{_block(known.name)} ({known.class_name}) is given {describe(inputs)} by one call of its package and "
            f"{describe(known.inputs)} by another: all calls share its weights, so that their inputs have one shape."
        )
        raise BlockFault(path, text)
    return known


def _block(name: str) -> str:
    return f'"{name.partition("/")[2]}"'


def layer_row(path: str, class_name: str) -> Row:
    """Returns the row of the layer of a name.

    Raises:
        BlockFault: there is none.
    """
    if class_name not in LAYERS.names:
        raise BlockFault(f"{path}.class_name", unknown_layer(class_name, LAYERS.names))
    try:
        return LAYERS.find(class_name)
    except ExtensionError as error:
        raise BlockFault(f"{path}.class_name", str(error)) from error


def ignored_parameters(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yields path and sentence of the `st_params` of layers that are legal and have no effect, each once.

    Args:
        graph: its layers have been planned.
    """
    told: set[tuple[str, str]] = set()
    for scope in graph.scopes:
        for node in scope.nodes.values():
            for _, path, layer in keras_layers(node):
                for text in ignored_keys(layer.st_params, LAYERS[layer.class_name].message()):
                    if (note := (f"{path}.st_params", text)) not in told:
                        told.add(note)
                        yield note


def layer_config(path: str, keras_layer: KerasLayer, row: Row) -> Message:
    """Returns the parameters of a layer: its message, or `st_params` read into it.

    Raises:
        BlockFault: they are those of another layer, or `st_params` hold what it does not have.
    """
    config = row.message()
    member = keras_layer.WhichOneof("params")
    if member == "st_params":
        faults = read_struct(keras_layer.st_params, config)
        if faults:
            raise BlockFault(f"{path}.st_params", " ".join(faults))
    elif member is not None:
        given = getattr(keras_layer, member)
        if not isinstance(given, row.message):
            own = [one.name for one in keras_layer.DESCRIPTOR.fields if one.message_type is row.message.DESCRIPTOR]
            instead = f"{own[0]} {{ ... }}" if own else "st_params { ... }"
            text = f"holds the parameters of another layer; {keras_layer.class_name} takes {instead}."
            raise BlockFault(f"{path}.{member}", text)
        config.CopyFrom(given)
    if row.declaration is not None:
        given_names = set(keras_layer.st_params.fields)
        missing = missing_parameters(row.declaration, given_names)
        if missing:
            raise BlockFault(path, f"needs st_params with {quoted(missing)}: {keras_layer.class_name} has no default.")
        fill_lists(config, row.declaration, given_names)
    return config
