"""A block graph drawn as text: each block in the order in which they run, what it reads, does and gives."""

from collections.abc import Iterator, Sequence

from rich.console import Console

from easymtl.config.block_graph import MAIN
from easymtl.layers.shapes import describe
from easymtl.models.block_graph import Plan
from easymtl.models.block_graph.plans import BlockPlan, InputPlan, PackageCall, Read, ScopePlan
from easymtl.protos.backbone_pb2 import Block, InputLayer, Layer
from easymtl.reporting.tables import print_table
from easymtl.reporting.terminal import print_line

_HEADERS = ("block", "reads", "does", "gives")


def print_graph(plan: Plan, terminal: Console) -> None:
    """Prints the blocks of a graph, then those of each package as its first call has them."""
    _print_scope(plan.main, "block graph", terminal)
    seen: set[str] = set()
    for call in _calls(plan.main):
        name = call.plan.scope.name
        if name not in seen:
            seen.add(name)
            _print_scope(call.plan, f"package {name}", terminal)


def _calls(plan: ScopePlan) -> Iterator[PackageCall]:
    for block in plan.blocks.values():
        for read in block.reads if isinstance(block, BlockPlan) else ():
            yield from _calls_of(read)


def _calls_of(read: Read) -> Iterator[PackageCall]:
    if read.call:
        if read.call.package_input:
            yield from _calls_of(read.call.package_input)
        yield read.call
        yield from _calls(read.call.plan)


def _print_scope(plan: ScopePlan, title: str, terminal: Console) -> None:
    rows = [[name, *_row(block), describe(block.shape)] for name, block in plan.blocks.items()]
    results = plan.scope.results
    shown = f"[{', '.join(results)}]" if plan.scope.is_list else ", ".join(results)
    rows.append(["=>", shown, _joins(results, plan.scope.is_list), describe(plan.shape)])
    print_line(terminal, "")
    headers = [title, *_HEADERS[1:]]
    print_table(terminal, headers, rows, num_left=len(headers))


def _row(block: BlockPlan | InputPlan) -> tuple[str, str]:
    config = block.node.block
    if isinstance(block, InputPlan):
        return f"group {block.node.group}", _input_text(block)
    reads = [_read_text(read) for read in block.reads]
    does = _chain_text(config) or _joins(reads, config.merge_inputs_into_list)
    if block.extra:
        does = f"{config.extra_input_fn}, {does}" if does else config.extra_input_fn
    return ", ".join(reads), does


def _joins(parts: Sequence[str], is_list: bool) -> str:
    if is_list:
        return "list"
    return "join" if len(parts) > 1 else ""


def _input_text(block: InputPlan) -> str:
    if block.node.kind != "input_layer":
        return block.node.kind
    return ", ".join(["input_layer", *_options(block.node.block.input_layer)])


def _options(options: InputLayer) -> Iterator[str]:
    for descriptor, value in options.ListFields():
        if value:
            yield descriptor.name if value is True else f"{descriptor.name} {value:g}"


def _read_text(read: Read) -> str:
    text = read.source.name if read.source.kind != "package_input" else "package input"
    if read.call:
        given = _read_text(read.call.package_input) if read.call.package_input else ""
        text = f"{text}({given})"
    elif read.source.kind == "outer":
        text = f"{MAIN}/{text}"
    for function in read.functions:
        text += function.text if function.text.startswith("[") else f" | {function.text}"
    return f"(after {text})" if read.is_ignored else text


def _chain_text(block: Block) -> str:
    return " > ".join(map(_body_text, block.layers)) if block.layers else _body_text(block)


def _body_text(body: Block | Layer) -> str:
    kind = body.WhichOneof("layer")
    if kind == "keras_layer":
        return body.keras_layer.class_name
    if kind == "lambda":
        return getattr(body, "lambda").expression
    if kind == "repeat":
        return f"{body.repeat.num_repeat} x {body.repeat.keras_layer.class_name}"
    if kind == "recurrent":
        return f"{body.recurrent.num_steps} x {body.recurrent.keras_layer.class_name} in a row"
    return ""
