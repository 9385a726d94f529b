"""A graph without circles in layers, as Sugiyama et al. (1981) draw it: layers, their order, places."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from itertools import pairwise

_SWEEPS = 8
_GAP_X, _GAP_Y = 18.0, 34.0
_PATH_WIDTH = 6.0


@dataclass(frozen=True)
class Node:
    """A box.

    Attributes:
        key: unique.
        lines: of text, the first one is the name.
        kind: class of the style sheet: `group`, `layers`, `tower`, `label` or `block`.
        width: in pixels.
        height: in pixels.
    """

    key: str
    lines: Sequence[str]
    kind: str = "block"
    width: float = 120.0
    height: float = 30.0


@dataclass(frozen=True)
class Edge:
    """An arrow between boxes, by their keys; `kind` is a class of the style sheet."""

    source: str
    target: str
    kind: str = ""


@dataclass
class Placed:
    """Where boxes are.

    Attributes:
        centre: x and y of the middle of each box, by key.
        ways: for each edge the points that it goes through.
        width: of the drawing.
        height: of the drawing.
    """

    centre: dict[str, tuple[float, float]]
    ways: list[list[tuple[float, float]]]
    width: float
    height: float


@dataclass
class _Layers:
    sizes: dict[str, tuple[float, float]]
    rows: list[list[str]] = field(default_factory=list)
    above: dict[str, list[str]] = field(default_factory=dict)
    below: dict[str, list[str]] = field(default_factory=dict)


def place(nodes: Sequence[Node], edges: Sequence[Edge]) -> Placed:
    """Returns places of boxes, each below all that it reads, with few crossings.

    Raises:
        graphlib.CycleError: edges go in a circle.
    """
    layers = _Layers({node.key: (node.width, node.height) for node in nodes})
    depth = _depths(nodes, edges)
    layers.rows = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for node in nodes:
        layers.rows[depth[node.key]].append(node.key)
    chains = [_chain(layers, depth, number, edge) for number, edge in enumerate(edges)]
    _order(layers)
    centre, width, height = _coordinates(layers)
    ways = [_way(layers, centre, chain) for chain in chains]
    return Placed({node.key: centre[node.key] for node in nodes}, ways, width, height)


def _depths(nodes: Iterable[Node], edges: Iterable[Edge]) -> dict[str, int]:
    """Returns the layer of each box: the longest way to it, and of what nothing reads before as low as can be."""
    sources: dict[str, set[str]] = {node.key: set() for node in nodes}
    targets: dict[str, set[str]] = {key: set() for key in sources}
    for edge in edges:
        sources[edge.target].add(edge.source)
        targets[edge.source].add(edge.target)
    order = list(TopologicalSorter(sources).static_order())
    depth: dict[str, int] = {}
    for key in order:
        depth[key] = max((depth[one] + 1 for one in sources[key]), default=0)
    for key in reversed(order):
        if not sources[key] and targets[key]:
            depth[key] = min(depth[one] for one in targets[key]) - 1
    return depth


def _chain(layers: _Layers, depth: Mapping[str, int], number: int, edge: Edge) -> list[str]:
    """Puts a thin box into each layer that an edge passes; returns all that it goes through."""
    chain = [edge.source]
    for row in range(depth[edge.source] + 1, depth[edge.target]):
        # A key of no node: those are texts without this character.
        key = f"\0{number}:{row}"
        layers.sizes[key] = (_PATH_WIDTH, 0.0)
        layers.rows[row].append(key)
        chain.append(key)
    chain.append(edge.target)
    for one, other in pairwise(chain):
        layers.below.setdefault(one, []).append(other)
        layers.above.setdefault(other, []).append(one)
    return chain


def _order(layers: _Layers) -> None:
    """Sorts each layer by the mean place of its neighbours, down and up in turns; the best order found stays."""
    _exchange(layers)
    best, fewest = [list(row) for row in layers.rows], _crossings(layers)
    for sweep in range(_SWEEPS):
        is_down = sweep % 2 == 0
        rows = layers.rows[1:] if is_down else layers.rows[-2::-1]
        for row in rows:
            neighbours = layers.above if is_down else layers.below
            places = {key: place for one in layers.rows for place, key in enumerate(one)}
            own = {key: place for place, key in enumerate(row)}
            row.sort(key=lambda key: _mean([places[one] for one in neighbours.get(key, ())], own[key]))
        _exchange(layers)
        number = _crossings(layers)
        if number < fewest:
            best, fewest = [list(row) for row in layers.rows], number
    layers.rows = best


def _exchange(layers: _Layers) -> None:
    """Exchanges neighbours in a layer wherever their edges cross less then."""
    for _ in range(_SWEEPS):
        is_done = True
        for number, row in enumerate(layers.rows):
            around = [layers.rows[one] for one in (number - 1, number + 1) if 0 <= one < len(layers.rows)]
            places = {key: place for one in around for place, key in enumerate(one)}
            for left in range(len(row) - 1):
                one, other = row[left : left + 2]
                if _crossed(layers, places, one, other) > _crossed(layers, places, other, one):
                    row[left : left + 2] = [other, one]
                    is_done = False
        if is_done:
            return


def _crossed(layers: _Layers, places: Mapping[str, int], one: str, other: str) -> int:
    """Returns how many edges of a box cross edges of the box to its right."""
    return sum(
        places[end] > places[of_other]
        for neighbours in (layers.above, layers.below)
        for end in neighbours.get(one, ())
        for of_other in neighbours.get(other, ())
    )


def _mean(numbers: Sequence[float], otherwise: float) -> float:
    return sum(numbers) / len(numbers) if numbers else otherwise


def _crossings(layers: _Layers) -> int:
    """Returns how many pairs of edges between neighbouring layers cross."""
    total = 0
    for row, following in pairwise(layers.rows):
        places = {key: place for place, key in enumerate(following)}
        ends = [sorted(places[one] for one in layers.below.get(key, ()) if one in places) for key in row]
        flat = [end for one in ends for end in one]
        total += sum(flat[i] > flat[j] for i in range(len(flat)) for j in range(i + 1, len(flat)))
    return total


def _coordinates(layers: _Layers) -> tuple[dict[str, tuple[float, float]], float, float]:
    """Returns the middle of each box: near its neighbours, and no two of a layer nearer than the gap."""
    across: dict[str, float] = {}
    for row in layers.rows:
        x = 0.0
        for key in row:
            across[key] = x + layers.sizes[key][0] / 2
            x += layers.sizes[key][0] + _GAP_X
    for sweep in range(_SWEEPS):
        rows = layers.rows if sweep % 2 == 0 else layers.rows[::-1]
        for row in rows:
            wanted = [
                _mean([across[one] for one in (*layers.above.get(key, ()), *layers.below.get(key, ()))], across[key])
                for key in row
            ]
            across |= dict(zip(row, _apart(wanted, [layers.sizes[key][0] for key in row])))
    left = min((across[key] - layers.sizes[key][0] / 2 for key in across), default=0.0)
    right = max((across[key] + layers.sizes[key][0] / 2 for key in across), default=0.0)
    centre: dict[str, tuple[float, float]] = {}
    y = 2.0
    for row in layers.rows:
        height = max((layers.sizes[key][1] for key in row), default=0.0)
        centre |= {key: (across[key] - left + 2, y + height / 2) for key in row}
        y += height + _GAP_Y
    return centre, right - left + 4, y - _GAP_Y + 4


def _apart(wanted: Sequence[float], widths: Sequence[float]) -> list[float]:
    """Returns the places nearest to those that are wanted, in least squares, at which boxes do not touch.

    With the least distances taken off this is isotonic regression, which pools neighbours that are in each other's way.
    """
    offsets = [0.0]
    for one, other in pairwise(widths):
        offsets.append(offsets[-1] + (one + other) / 2 + _GAP_X)
    pools: list[list[float]] = []
    for place, offset in zip(wanted, offsets):
        pools.append([place - offset, 1])
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            mean, count = pools.pop()
            total = pools[-1][1] + count
            pools[-1] = [(pools[-1][0] * pools[-1][1] + mean * count) / total, total]
    free = [mean for mean, count in pools for _ in range(int(count))]
    return [one + offset for one, offset in zip(free, offsets)]


def _way(layers: _Layers, centre: Mapping[str, tuple[float, float]], chain: Sequence[str]) -> list[tuple[float, float]]:
    first, last = chain[0], chain[-1]
    start = (centre[first][0], centre[first][1] + layers.sizes[first][1] / 2)
    end = (centre[last][0], centre[last][1] - layers.sizes[last][1] / 2)
    return [start, *(centre[key] for key in chain[1:-1]), end]
