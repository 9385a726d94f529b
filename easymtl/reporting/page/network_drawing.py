"""The network of a model as a drawing: groups of features, layers or blocks, towers with their relations, labels."""

import re
from collections.abc import Iterable, Iterator, Sequence

from easymtl.config import view
from easymtl.layers.shapes import describe
from easymtl.models.block_graph.plans import BlockPlan, InputPlan, Read, ScopePlan
from easymtl.models.over_backbone import OverBackbone
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.formats import counted
from easymtl.reporting.network import Module, modules_of
from easymtl.reporting.page.drawings import box, draw, unique
from easymtl.reporting.page.elements import Element
from easymtl.reporting.page.layered import Edge, Node
from easymtl.tasks.ranker import Ranker

_MOST_LINES = 9
_TRUNK = "layers"
_MIXTURE = "mmoe/expert_*"
_MOST_EXPERTS = 8
_OUTPUT = re.compile(r"(^|/)(dnn_output(_\*|_\d+)?|output)$")


def network_drawing(ranker: Ranker, pipeline: Pipeline) -> Element:
    """Returns the drawing of a built model."""
    modules = _modules(ranker)
    nodes, edges = _groups(ranker)
    ends = [node.key for node in nodes]
    if isinstance(ranker.model, OverBackbone):
        found = _blocks(ranker.model.backbone.plan.main)
        nodes, edges, ends = [*nodes, *found[0]], [*edges, *found[1]], found[2]
    towers = {task.name: [one for one in modules if _is_of(one.name, task.name)] for task in ranker.tasks}
    owned = {one.name for own in towers.values() for one in own}
    others = [one for one in modules if one.name not in owned and not _OUTPUT.search(one.name)]
    if isinstance(ranker.model, OverBackbone):
        others = [one for one in others if not one.name.startswith("backbone/")]
    ends = _shared(view.model_title(pipeline), others, list(towers), nodes, edges, ends)
    for task in ranker.tasks:
        own = [one for one in towers[task.name] if one.widths and not _OUTPUT.search(one.name)]
        nodes.append(box(f"tower {task.name}", [task.name, *map(_widths, own[:3])], "tower"))
        nodes.append(box(f"label {task.name}", [task.label, task.predicted], "label"))
        edges += [Edge(end, f"tower {task.name}") for end in ends]
        edges.append(Edge(f"tower {task.name}", f"label {task.name}"))
    edges += [Edge(f"tower {one}", f"tower {other}", kind) for one, other, kind in relations(pipeline)]
    return draw("Network", nodes, unique(edges))


def _shared(
    model: str, modules: Sequence[Module], tasks: Sequence[str], nodes: list[Node], edges: list[Edge], ends: list[str]
) -> list[str]:
    """Adds what tasks share: one box, and of a plain mixture a box for each expert; returns what the towers read."""
    experts = next((one for one in modules if one.name == _MIXTURE and len(one.members) <= _MOST_EXPERTS), None)
    rest = [one for one in modules if experts is None or not one.name.startswith("mmoe/")]
    lines = _summed(rest, tasks)
    if lines:
        nodes.append(box(_TRUNK, [model, *lines], "layers"))
        edges += [Edge(end, _TRUNK) for end in ends]
        ends = [_TRUNK]
    if experts is None:
        return ends
    nodes += [
        box(f"expert {name}", [name.removeprefix("mmoe/"), _widths(experts)], "layers") for name in experts.members
    ]
    edges += [Edge(end, f"expert {name}") for name in experts.members for end in ends]
    return [f"expert {name}" for name in experts.members]


def _widths(module: Module) -> str:
    return " > ".join(map(str, module.widths))


def relations(pipeline: Pipeline) -> list[tuple[str, str, str]]:
    """Returns which tower reads which, `relation`, and which event has to happen before which, `funnel`."""
    towers = view.task_towers(pipeline)
    found = [
        (name, tower.tower_name, "relation") for tower in towers for name in getattr(tower, "relation_tower_names", ())
    ]
    return found + [(parent, child, "funnel") for child, parent in view.parents(pipeline).items()]


def relation_drawing(pipeline: Pipeline) -> Element | None:
    """Returns the drawing of the towers alone; None where none has to do with another."""
    found = relations(pipeline)
    if not found:
        return None
    nodes = []
    for index, tower in enumerate(view.task_towers(pipeline)):
        nodes.append(box(tower.tower_name, [tower.tower_name, f"label {view.label_name(pipeline, index)}"], "tower"))
    return draw("Relations of the tasks", nodes, unique([Edge(*one) for one in found]))


def _modules(ranker: Ranker) -> list[Module]:
    tables = ranker.embeddings.parameters()
    return modules_of(one for name, one in ranker.parameters.items() if name not in tables)


def _groups(ranker: Ranker) -> tuple[list[Node], list[Edge]]:
    nodes = []
    for group, slots in ranker.feature_set.groups.items():
        lines = [group, f"{counted(len(slots.all), 'feature')}, width {ranker.network.shapes[group]}"]
        nodes.append(box(f"group {group}", lines, "group"))
    return nodes, []


def _is_of(module: str, task: str) -> bool:
    return module == task or module.startswith(f"{task}/")


def _summed(modules: Iterable[Module], tasks: Iterable[str]) -> list[str]:
    """Returns a line for each kind of module: those that differ in a number or a task are one."""
    names = sorted(map(re.escape, tasks), key=len, reverse=True)
    changing = re.compile("|".join([*(rf"(?<![^/_]){name}(?![^/_])" for name in names), r"\d+"]))
    found: dict[tuple[str, str], int] = {}
    for one in modules:
        if one.widths:
            key = (re.sub(r"\*(_\*)+", "*", changing.sub("*", one.name)), _widths(one))
            found[key] = found.get(key, 0) + len(one.members)
    lines = [f"{name}: {widths}{f' × {count}' if count > 1 else ''}" for (name, widths), count in found.items()]
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], f"and {len(lines) - _MOST_LINES + 1} more kinds of layers"]
    return lines


def _blocks(plan: ScopePlan) -> tuple[list[Node], list[Edge], list[str]]:
    """Returns the blocks of a graph, what they read, and the keys of those whose results come out."""
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []
    for name, block in plan.blocks.items():
        key = f"block {name}"
        nodes[key] = box(key, [name, *_does(block), describe(block.shape)], "block")
        if isinstance(block, InputPlan):
            edges.append(Edge(f"group {block.node.group}", key))
            continue
        for read in block.reads:
            edges += [Edge(source, key) for source in _sources(read, nodes, edges)]
    return list(nodes.values()), edges, [f"block {name}" for name in plan.scope.results]


def _does(block: BlockPlan | InputPlan) -> list[str]:
    config = block.node.block
    if isinstance(block, InputPlan):
        return []
    layers: Sequence = config.layers or [config]
    names = [
        one.keras_layer.class_name if one.WhichOneof("layer") == "keras_layer" else one.WhichOneof("layer")
        for one in layers
    ]
    text = " > ".join(name for name in names if name)
    return [text] if text else []


def _sources(read: Read, nodes: dict[str, Node], edges: list[Edge]) -> Iterator[str]:
    """Yields the boxes that an input comes from; the call of a package is a box of its own."""
    if read.call:
        name = read.call.plan.scope.name
        key = f"package {name} {read.call.index}"
        nodes[key] = box(
            key, [f"package {name}", counted(len(read.call.plan.blocks), "block"), describe(read.call.plan.shape)]
        )
        given = [read.call.package_input] if read.call.package_input else []
        edges += [Edge(source, key) for one in given for source in _sources(one, nodes, edges)]
        edges += [Edge(source, key) for source in _read_inside(read.call.plan)]
        yield key
    elif read.source.kind in ("block", "outer"):
        yield f"block {read.source.name}"


def _read_inside(plan: ScopePlan) -> Iterator[str]:
    """Yields what the blocks of a package read of the backbone and of groups."""
    for block in plan.blocks.values():
        if isinstance(block, InputPlan):
            yield f"group {block.node.group}"
            continue
        for read in block.reads:
            if read.source.kind == "outer":
                yield f"block {read.source.name}"
            if read.call:
                yield from _read_inside(read.call.plan)
