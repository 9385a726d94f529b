"""What any architecture's towers can do: read a group of their own, and each other."""

import numpy as np
import pytest
from google.protobuf import text_format

from easymtl.layers.context import Build
from easymtl.models.base import TaskTowers
from easymtl.protos.model_pb2 import MMoE
from tests.models.architectures import EVALUATION, randomize

X = np.random.default_rng(1).normal(size=[8, 3]).astype(np.float32)
OWN = np.random.default_rng(2).normal(size=[8, 2]).astype(np.float32)


def make_towers(text: str, concat_relations: bool = False) -> tuple[TaskTowers, Build]:
    towers = text_format.Parse(text, MMoE()).task_towers
    build = Build(seed=3)
    tasks = [tower.tower_name for tower in towers]
    widths = dict.fromkeys(tasks, 3), dict.fromkeys(tasks, 1)
    made = TaskTowers(build, towers, *widths, {"all": 3, "own": 2}, concat_relations=concat_relations)
    randomize(build)
    return made, build


def logits(towers: TaskTowers) -> dict[str, np.ndarray]:
    return {n: v.numpy() for n, v in towers(dict.fromkeys(towers.outputs, X), {"own": OWN}, EVALUATION).items()}


@pytest.mark.parametrize("dnn", ["", "dnn { hidden_units: 4 use_bn: false activation: 'linear' }"])
def test_a_feature_group_is_joined_to_the_input_of_its_tower_alone(dnn):
    towers, build = make_towers(
        f'task_towers {{ tower_name: "a" feature_group: "own" {dnn} }} task_towers {{ tower_name: "b" {dnn} }}'
    )
    value = {name: parameter.read().numpy() for name, parameter in build.parameters.items()}
    for index, (task, x) in enumerate({"a": np.concatenate([X, OWN], 1), "b": X}.items()):
        if dnn:
            x = x @ value[f"{task}/dnn_0/kernel"] + value[f"{task}/dnn_0/bias"]
        expected = x @ value[f"dnn_output_{index}/kernel"] + value[f"dnn_output_{index}/bias"]
        np.testing.assert_allclose(logits(towers)[task], expected, rtol=1e-5, atol=1e-6)


RELATED = """
    task_towers { tower_name: "b" relation_tower_names: "a" %s }
    task_towers { tower_name: "a" }
"""


def test_a_relation_dnn_reads_the_towers_that_are_named():
    towers, build = make_towers(RELATED % "relation_dnn { hidden_units: 5 use_bn: false activation: 'linear' }")
    value = {name: parameter.read().numpy() for name, parameter in build.parameters.items()}
    hidden = np.concatenate([X, X], 1) @ value["b/relation_dnn/dnn_0/kernel"] + value["b/relation_dnn/dnn_0/bias"]
    expected = hidden @ value["dnn_output_0/kernel"] + value["dnn_output_0/bias"]
    np.testing.assert_allclose(logits(towers)["b"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("concat_relations, width", [(False, 3), (True, 6)])
def test_names_alone_join_towers_in_dbmtl_only(concat_relations, width):
    _, build = make_towers(RELATED % "", concat_relations)
    assert build.parameters["dnn_output_0/kernel"].shape == (width, 1)
