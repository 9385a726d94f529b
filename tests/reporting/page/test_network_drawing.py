"""Drawings of every sample config: each task, group and block is a box, and arrows join them."""

import pytest

from easymtl.config import load_config
from easymtl.reporting.page.network_drawing import network_drawing, relation_drawing, relations
from easymtl.tasks.ranker import Ranker
from tests.verbs.sample_rows import CONFIGS, tiny

NAMES = ("mmoe_on_census", "dbmtl_on_livestream", "ple_on_census", "esmm_on_funnel", "aitm_on_funnel")


def texts(drawing):
    return [one.text for one in drawing.iter("text")]


def titles(drawing):
    return [one.find("title").text for one in drawing.iter("g") if (one.get("class") or "").startswith("node")]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_tasks_groups_and_labels_are_boxes(name):
    path = next(path for path in CONFIGS if path.stem == name)
    pipeline = load_config(str(path)).pipeline
    pipeline = load_config(str(path), tiny(pipeline, (8, 4))).pipeline
    ranker = Ranker(pipeline)
    found = network_drawing(ranker, pipeline)
    boxes = titles(found)
    for task in ranker.tasks:
        assert any(text.split("\n")[0] == task.name for text in boxes)
        assert f"{task.label}\n{task.predicted}" in boxes
    for group in ranker.feature_set.groups:
        assert any(text.startswith(f"{group}\n") for text in boxes)
    kinds = [one.get("class") for one in found.iter("path") if "edge" in (one.get("class") or "")]
    assert kinds.count("edge relation") + kinds.count("edge funnel") == len(relations(pipeline))
    assert len(kinds) >= 2 * len(ranker.tasks) + len(ranker.feature_set.groups)
    if name == "mmoe_on_census":
        assert [text for text in texts(found) if text.startswith("expert_")] == [f"expert_{i}" for i in range(4)]
        assert relation_drawing(pipeline) is None
    else:
        assert (relation_drawing(pipeline) is None) == (not relations(pipeline))


@pytest.mark.slow
def test_blocks_of_a_graph_are_boxes_and_packages_too():
    path = CONFIGS[0].parents[1] / "tour" / "functions_on_livestream.config"
    pipeline = load_config(str(path)).pipeline
    found = network_drawing(Ranker(pipeline), pipeline)
    firsts = {text.split("\n")[0] for text in titles(found)}
    for block in pipeline.model_config.backbone.blocks:
        assert block.name in firsts
    assert {f"package {one.name}" for one in pipeline.model_config.backbone.packages} <= firsts
