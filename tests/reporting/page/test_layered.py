"""Graphs in layers: nothing overlaps, nothing points up."""

import graphlib
from itertools import pairwise

import numpy as np
import pytest

from easymtl.reporting.page.drawings import box, draw
from easymtl.reporting.page.layered import Edge, Node, place


def crossings(ways):
    """Returns how many pairs of straight pieces cross."""
    pieces = [(a, b) for way in ways for a, b in pairwise(way)]
    total = 0
    for i, ((ax, ay), (bx, by)) in enumerate(pieces):
        for (cx, cy), (dx, dy) in pieces[i + 1 :]:
            if (ay, by) == (cy, dy):
                total += (ax - cx) * (bx - dx) < -1e-6
    return total


def graph(seed, number=14):
    random = np.random.default_rng(seed)
    nodes = [Node(f"n{i}", [f"n{i}"], width=float(random.integers(40, 160))) for i in range(number)]
    pairs = {(int(a), int(b)) for a, b in np.sort(random.integers(0, number, (22, 2)), axis=1) if a < b}
    return nodes, [Edge(f"n{a}", f"n{b}") for a, b in sorted(pairs)]


@pytest.mark.parametrize("seed", range(8))
def test_boxes_do_not_touch_and_arrows_point_down(seed):
    nodes, edges = graph(seed)
    found = place(nodes, edges)
    for edge in edges:
        assert found.centre[edge.source][1] < found.centre[edge.target][1]
    boxes = [(*found.centre[one.key], one.width, one.height) for one in nodes]
    for i, (x, y, width, height) in enumerate(boxes):
        assert width / 2 <= x <= found.width - width / 2 and height / 2 <= y <= found.height - height / 2
        for other_x, other_y, other_width, other_height in boxes[i + 1 :]:
            assert abs(x - other_x) >= (width + other_width) / 2 or abs(y - other_y) >= (height + other_height) / 2
    for edge, way in zip(edges, found.ways):
        assert way[0][0] == found.centre[edge.source][0] and way[-1][0] == found.centre[edge.target][0]
        assert all(one[1] < other[1] for one, other in pairwise(way))


def test_crossings_that_need_not_be_are_not():
    nodes = [Node(name, [name]) for name in "abcdef"]
    edges = [Edge(*pair) for pair in ("ae", "bd", "cf", "af")]
    assert crossings(place(nodes, edges).ways) == 0


def test_an_arrow_over_a_layer_goes_around_what_is_there():
    nodes = [Node(name, [name]) for name in "abc"]
    found = place(nodes, [Edge("a", "b"), Edge("b", "c"), Edge("a", "c")])
    (_, middle, _) = found.ways[2]
    assert middle[1] == found.centre["b"][1] and abs(middle[0] - found.centre["b"][0]) > 60


def test_what_nothing_reads_before_stands_just_above_its_reader():
    nodes = [Node(name, [name]) for name in "abcd"]
    found = place(nodes, [Edge("a", "b"), Edge("b", "c"), Edge("d", "c")])
    assert found.centre["d"][1] == found.centre["b"][1]


def test_a_circle_is_refused_and_single_boxes_are_drawn():
    with pytest.raises(graphlib.CycleError):
        place([Node("a", ["a"]), Node("b", ["b"])], [Edge("a", "b"), Edge("b", "a")])
    assert place([], []).centre == {}
    assert len(draw("t", [box("a", ["a" * 99])], []).findall(".//rect")) == 1


def test_a_funnel_against_a_relation_is_drawn_all_the_same():
    edges = [Edge("a", "b", "relation"), Edge("b", "a", "funnel")]
    found = draw("t", [box("a", ["a"]), box("b", ["b"])], edges)
    assert sorted(one.get("class") for one in found.iter("path") if "edge" in one.get("class")) == [
        "edge funnel",
        "edge relation",
    ]
