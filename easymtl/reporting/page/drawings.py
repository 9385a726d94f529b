"""Graphs as drawings of boxes and arrows."""

from collections.abc import Sequence
from graphlib import CycleError

from easymtl.reporting.page.elements import Element, tag
from easymtl.reporting.page.layered import Edge, Node, Placed, place

_LETTER = 6.4
_SMALL_LETTER = 5.5
_LINE = 13
_LONGEST = 46


def box(key: str, lines: Sequence[str], kind: str = "block") -> Node:
    """Returns a box that its lines fit in; long ones are cut, and whole where the mouse points."""
    widths = [len(_cut(line)) * (_SMALL_LETTER if place else _LETTER) for place, line in enumerate(lines)]
    return Node(key, list(lines), kind, max([60.0, *widths]) + 16, _LINE * len(lines) + 11)


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def draw(title: str, nodes: Sequence[Node], edges: Sequence[Edge]) -> Element:
    """Returns a drawing of a graph without circles, from top to bottom.

    Args:
        title: what it shows.
        nodes: the boxes.
        edges: the arrows; those of other kinds than "" are drawn on top.
    """
    ways, placed = _placed(nodes, edges)
    ways.sort(key=lambda one: bool(one[0].kind))
    width, height = placed.width, placed.height
    picture = tag(
        "svg",
        tag("title", title),
        [_arrow(edge, way) for edge, way in ways],
        [_box(node, *placed.centre[node.key]) for node in nodes],
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=round(width),
        height=round(height),
        role="img",
    )
    return tag("figure", tag("figcaption", tag("b", title)), picture, class_="drawing")


def _placed(
    nodes: Sequence[Node], edges: Sequence[Edge]
) -> tuple[list[tuple[Edge, list[tuple[float, float]]]], Placed]:
    """Returns the way of each edge, and places of boxes; where a funnel runs against relations, it points up."""
    try:
        placed = place(nodes, edges)
        return list(zip(edges, placed.ways)), placed
    except CycleError:
        down = [edge for edge in edges if edge.kind != "funnel"]
        placed = place(nodes, down)
    heights = {node.key: node.height for node in nodes}
    up = [edge for edge in edges if edge.kind == "funnel"]
    ways = list(zip(down, placed.ways))
    for edge in up:
        (x, y), (to_x, to_y) = placed.centre[edge.source], placed.centre[edge.target]
        ways.append((edge, [(x, y + heights[edge.source] / 2), (to_x, to_y - heights[edge.target] / 2)]))
    return ways, placed


def _box(node: Node, x: float, y: float) -> Element:
    left, top = x - node.width / 2, y - node.height / 2
    texts = [
        tag(
            "text", _cut(line), x=x, y=top + 16 + _LINE * place, text_anchor="middle", class_="small" if place else None
        )
        for place, line in enumerate(node.lines)
    ]
    shape = tag("rect", x=left, y=top, width=node.width, height=node.height, rx=4)
    return tag("g", tag("title", "\n".join(node.lines)), shape, texts, class_=f"node {node.kind}")


def _arrow(edge: Edge, way: Sequence[tuple[float, float]]) -> Element:
    """Returns an arrow that leaves and reaches each layer upright."""
    (x, y), *rest = way
    end_x, end_y = way[-1]
    rest[-1] = (end_x, end_y - 5)
    text = f"M{x:.1f} {y:.1f}"
    for to_x, to_y in rest:
        middle = (y + to_y) / 2
        text += f"C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}"
        x, y = to_x, to_y
    head = tag("path", d=f"M{end_x - 3.5:.1f} {end_y - 6:.1f}h7l-3.5 6z", class_=f"head {edge.kind}".strip())
    return tag("g", tag("path", d=text, class_=f"edge {edge.kind}".strip()), head)


def unique(edges: Sequence[Edge]) -> list[Edge]:
    """Returns edges without those that come twice, and none from a box to itself."""
    return [edge for edge in dict.fromkeys(edges) if edge.source != edge.target]
