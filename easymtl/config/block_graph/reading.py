"""What a config says about its block graph, asked for by meaning."""

from collections.abc import Iterator

from google.protobuf import text_format

from easymtl.config.block_graph.graph import MAIN, Graph, read_graph
from easymtl.config.block_graph.scope import Node, Scope
from easymtl.protos.backbone_pb2 import Block, KerasLayer, Layer
from easymtl.protos.pipeline_pb2 import Pipeline

PATH = f"model_config.{MAIN}"
_OUTPUT = "add_to_outputs"
_MOST_COPIES = 1000
"""More are out of the range of their field, which is told beside whatever walks through them."""


def graph_of(pipeline: Pipeline) -> Graph | None:
    """Returns the block graph of a config, None if it has none."""
    model = pipeline.model_config
    if not model.HasField("backbone"):
        return None
    return read_graph(model.backbone, PATH, [group.group_name for group in model.feature_groups if group.group_name])


def block_outputs(pipeline: Pipeline) -> dict[str, str]:
    """Returns the layers of the backbone with `add_to_outputs`, by name, each with its path."""
    graph = graph_of(pipeline)
    return scope_outputs(graph.main) if graph else {}


def scope_outputs(scope: Scope) -> dict[str, str]:
    """Returns the layers of a scope with `add_to_outputs`, by name, each with its path."""
    layers = (layer for node in scope.nodes.values() for layer in keras_layers(node))
    return {name: path for name, path, layer in layers if _is_output(layer)}


def wiring(pipeline: Pipeline) -> dict[str, str]:
    """Returns what each block reads and makes of it before its layers, and what comes out, as text by block.

    Weights would fit where any of this is changed, and mean something else.
    """
    graph = graph_of(pipeline)
    found: dict[str, str] = {}
    for scope in graph.scopes if graph else ():
        for node in scope.nodes.values():
            found[f"{scope.name}/{node.name}"] = text_format.MessageToString(_wires(node.block), as_one_line=True)
        found[f"{scope.name} results"] = f"{'a list of ' if scope.is_list else ''}{', '.join(scope.results)}"
    return found


def _wires(block: Block) -> Block:
    """Returns a block without its layers and without what counts in training alone."""
    wires = Block()
    wires.CopyFrom(block)
    for body in (wires, *wires.layers):
        for several in ("keras_layer", "repeat", "recurrent"):
            if body.WhichOneof("layer") == several:
                (body if several == "keras_layer" else getattr(body, several)).ClearField("keras_layer")
    forms = [one.reset_input for one in wires.inputs if one.HasField("reset_input")]
    for options in [*forms, *([wires.input_layer] if wires.HasField("input_layer") else [])]:
        for rate in ("dropout_rate", "feature_dropout_rate"):
            options.ClearField(rate)
    return wires


def keras_layers(node: Node) -> Iterator[tuple[str, str, KerasLayer]]:
    """Yields name, path and config of each layer of a block: its own, `<b>_l<i>` of a chain, `<b>_<i>` of copies."""
    if not node.block.layers:
        yield from _of_body(node.name, node.path, node.block)
    for index, layer in enumerate(node.block.layers):
        yield from _of_body(f"{node.name}_l{index}", f"{node.path}.layers[{index}]", layer)


def _of_body(name: str, path: str, body: Block | Layer) -> Iterator[tuple[str, str, KerasLayer]]:
    kind = body.WhichOneof("layer")
    if kind == "keras_layer":
        yield name, f"{path}.keras_layer", body.keras_layer
    elif kind == "repeat":
        for index in range(min(body.repeat.num_repeat, _MOST_COPIES)):
            yield f"{name}_{index}", f"{path}.repeat.keras_layer", body.repeat.keras_layer
    elif kind == "recurrent":
        for index in range(min(body.recurrent.num_steps, _MOST_COPIES)):
            yield f"{name}_{index}", f"{path}.recurrent.keras_layer", body.recurrent.keras_layer


def _is_output(layer: KerasLayer) -> bool:
    fields = layer.st_params.fields
    return layer.mlp.add_to_outputs or (_OUTPUT in fields and fields[_OUTPUT].bool_value)
