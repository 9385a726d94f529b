"""Rules of block graphs: what blocks read, what they are made of, and the expressions in them."""

from collections.abc import Iterator

from google.protobuf.message import Message

from easymtl.config.block_graph import INPUT_KINDS, Graph, Node, Scope, graph_of, keras_layers, scope_outputs
from easymtl.config.expressions import ExpressionFault, parse_lambda, parse_slice
from easymtl.config.rules.input_blocks import check_input_block
from easymtl.config.rules.review import Review, walk
from easymtl.errors import quoted
from easymtl.protos.backbone_pb2 import Block, Input, Lambda, Layer, PPNet, RecurrentLayer, RepeatLayer

BACKBONE = "model_config.backbone"
_OUTPUTS = "model_config.model_params.outputs"
_GROUPS = ("model_config.feature_groups", "model_config.feature_groups.group_name")


def check_graph(review: Review) -> None:
    """Every name in the graph stands for something, nothing reads itself, and something comes out."""
    graph = graph_of(review.pipeline)
    if graph is None:
        return
    for fault in graph.faults:
        review.problem(fault.path, fault.text, *_GROUPS, f"{BACKBONE}.blocks", f"{BACKBONE}.packages")
    for scope in graph.scopes:
        for node in scope.nodes.values():
            if not node.is_implied:
                _check_block(review, graph, scope, node)
    if not graph.faults:
        _note_results(review, graph)
        _check_names(review, graph)


def check_expressions(review: Review) -> None:
    """The expressions of the graph keep to their grammar."""
    for path, message in walk(review.pipeline.model_config.backbone, BACKBONE):
        for field, text, is_slice, names in _expressions(message):
            try:
                parse_slice(text, names) if is_slice else parse_lambda(text, 1 + len(names))
            except ExpressionFault as fault:
                review.problem(f"{path}.{field}", str(fault))


def note_gates(review: Review) -> None:
    """The gates of a lazy PPNet are as wide as its layers, whatever else is written, in EasyRec too."""
    for path, message in walk(review.pipeline.model_config.backbone, BACKBONE):
        if isinstance(message, PPNet) and message.mode == "lazy" and message.gate_params.HasField("output_dim"):
            text = 'has no effect with mode: "lazy", where each gate is as wide as the layer that it scales.'
            review.note(f"{path}.gate_params.output_dim", text)


def check_outputs(review: Review) -> None:
    """`model_params.outputs` names blocks whose values the model returns."""
    graph = graph_of(review.pipeline)
    if graph is None:
        return
    names = list(review.pipeline.model_config.model_params.outputs)
    available = scope_outputs(graph.main)
    taken = {tower.tower_name for _, tower in review.towers()}
    for index, name in enumerate(names):
        path = f"{_OUTPUTS}[{index}]"
        if name in taken:
            review.problem(path, f'"{name}" is a tower, whose predictions come out anyway. Rename the block.')
        elif name not in available and name in graph.main.nodes:
            text = f'"{name}" is no MLP with add_to_outputs: true, which is what can be an output. Write it there.'
            review.problem(path, text)
        else:
            where = "the blocks with add_to_outputs"
            review.check_known(path, name, available, where, f"{BACKBONE}.blocks", f"{BACKBONE}.packages")
    for name, path in available.items():
        if name not in names:
            review.note(path, f'"{name}" has add_to_outputs, and {_OUTPUTS} does not name it: it has no effect.')
    for scope in graph.packages.values():
        for name, path in scope_outputs(scope).items():
            text = f'"{name}" has add_to_outputs, and is in a package, whose blocks are no outputs: it has no effect.'
            review.note(path, text)


def _expressions(message: Message) -> Iterator[tuple[str, str, bool, tuple[str, ...]]]:
    """Yields field and text of each expression of a message, whether it is a slice, and what it may name besides x."""
    if isinstance(message, Input):
        yield from _set(message, input_fn=(False, ()), input_slice=(True, ()), package_input_fn=(False, ()))
    elif isinstance(message, Block):
        yield from _set(message, extra_input_fn=(False, ()))
    elif isinstance(message, Lambda):
        yield from _set(message, expression=(False, ()))
    elif isinstance(message, RepeatLayer):
        yield from _set(message, input_fn=(False, ("i",)), input_slice=(True, ("i",)))


def _set(message: Message, **fields: tuple[bool, tuple[str, ...]]) -> Iterator[tuple[str, str, bool, tuple[str, ...]]]:
    for field, (is_slice, names) in fields.items():
        if message.HasField(field):
            yield field, getattr(message, field), is_slice, names


def _check_block(review: Review, graph: Graph, scope: Scope, node: Node) -> None:
    block, path = node.block, node.path
    if block.layers and block.WhichOneof("layer"):
        kind = block.WhichOneof("layer")
        review.problem(
            f"{path}.{kind}", "stands beside layers, which alone would run. Put it among them, or remove it."
        )
    if not block.inputs:
        text = 'reads nothing; write inputs { feature_group_name: "..." } or inputs { block_name: "..." }.'
        review.problem(path, f'"{node.name}" {text}')
    elif node.kind in INPUT_KINDS:
        check_input_block(review, node)
    else:
        for input_path, one in scope.inputs(node):
            _check_input(review, graph, input_path, one)
            _check_package_input(review, graph, scope, input_path, one)
        _check_merge(review, node)
    _check_body(review, path, block)
    for index, layer in enumerate(block.layers):
        if layer.WhichOneof("layer") is None:
            review.problem(f"{path}.layers[{index}]", "is empty; it needs a keras_layer, lambda, repeat or recurrent.")
        _check_body(review, f"{path}.layers[{index}]", layer)


def _check_input(review: Review, graph: Graph, path: str, one: Input) -> None:
    if one.ignore_input:
        for field in ("input_fn", "input_slice"):
            if one.HasField(field):
                review.problem(f"{path}.{field}", "has no effect with ignore_input. Remove one of them.")
    if one.WhichOneof("name") != "package_name":
        for field in ("package_input", "package_input_fn", "reset_input"):
            if one.HasField(field):
                review.problem(f"{path}.{field}", "goes with package_name alone. Remove it.")
        return
    name = one.package_name
    if one.HasField("package_input_fn") and not one.HasField("package_input"):
        review.problem(f"{path}.package_input_fn", "has no package_input that it could be applied to.")
    if name not in graph.packages:
        return
    if graph.takes_input(name) and not one.HasField("package_input"):
        text = f'calls "{name}", which has a block with use_package_input: write package_input: "..." here.'
        review.problem(path, text)
    if one.HasField("package_input") and not graph.takes_input(name):
        text = f'is read by no block of "{name}": write inputs {{ use_package_input: true }} in one, or remove this.'
        review.problem(f"{path}.package_input", text)
    if one.HasField("reset_input") and not any(
        node.kind == "input_layer" for node in graph.packages[name].nodes.values()
    ):
        review.problem(f"{path}.reset_input", f'has no effect: no block of "{name}" reads a feature group.')


def _check_package_input(review: Review, graph: Graph, scope: Scope, path: str, one: Input) -> None:
    """A package that another one is called with is called itself, and has nothing that it could be called with."""
    given = scope.package_input(one) if one.package_input else None
    if given is not None and given.kind == "package" and graph.takes_input(given.name):
        text = (
            f'calls "{given.name}", which has a block with use_package_input, with nothing: call it in a block of its '
            "own, and name that block here."
        )
        review.problem(f"{path}.package_input", text)


def _check_merge(review: Review, node: Node) -> None:
    block, path = node.block, node.path
    if block.inputs and all(one.ignore_input for one in block.inputs):
        review.problem(path, f'"{node.name}" ignores all its inputs: it has nothing to work on.')
    if block.merge_inputs_into_list and block.HasField("input_concat_axis"):
        review.problem(f"{path}.input_concat_axis", "has no effect with merge_inputs_into_list. Remove one of them.")


def _check_body(review: Review, path: str, body: Block | Layer) -> None:
    kind = body.WhichOneof("layer")
    if kind == "lambda":
        if not getattr(body, "lambda").expression:
            review.problem(f"{path}.lambda", 'has no expression, for example "lambda x: tf.add_n(x)".')
    elif kind in ("repeat", "recurrent"):
        several: RepeatLayer | RecurrentLayer = getattr(body, kind)
        if not several.HasField("keras_layer"):
            review.problem(f"{path}.{kind}", "has no keras_layer { class_name: ... }: what there are several of.")


def _note_results(review: Review, graph: Graph) -> None:
    """Notes what is joined because nothing says what the result is, and blocks that lead nowhere."""
    outputs = scope_outputs(graph.main)
    for scope in graph.scopes:
        config = review.pipeline.model_config.backbone if scope is graph.main else None
        is_told = config is None or config.concat_blocks or config.output_blocks
        if not is_told and len(scope.results) > 1:
            text = f"has no concat_blocks: the blocks that no other reads are joined, {quoted(scope.results)}."
            review.note(scope.path, text)
        for name in graph.unread(scope):
            if name not in scope.results and name not in outputs:
                review.note(scope.nodes[name].path, f'"{name}" is read by nothing.')
    called = {name for scope in graph.scopes for name in graph.calls(scope)}
    for name, scope in graph.packages.items():
        if name not in called:
            review.note(scope.path, f'"{name}" is called by no block: it has no effect.')


def _check_names(review: Review, graph: Graph) -> None:
    """No two layers have one name: it is that of their weights, in a package `<package>/<layer>`."""
    owners: dict[str, Node] = {}
    for scope in graph.scopes:
        prefix = f"{scope.name}/" if scope.outer else ""
        for node in scope.nodes.values():
            for layer, _, _ in keras_layers(node):
                owner = owners.setdefault(prefix + layer, node)
                if owner is not node:
                    text = f'has a layer "{prefix}{layer}", and so has the block "{owner.name}". Rename one of them.'
                    review.problem(node.path, text)
