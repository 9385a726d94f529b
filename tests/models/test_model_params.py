"""Task towers over a block graph, and architectures that read one as their group `all`."""

import numpy as np
import pytest
from google.protobuf import text_format

from easymtl.layers.context import Build, Call
from easymtl.models.backbone import GraphError
from easymtl.models.dbmtl import DBMTL
from easymtl.protos.model_pb2 import DBMTL as DBMTLConfig
from tests.models.architectures import gradients_by_name
from tests.models.graphs import ROWS, TRAINING, make, make_inputs, randomize, weights

MLP = 'keras_layer { class_name: "MLP" mlp { hidden_units: [%s] use_bn: false use_final_bn: false %s } }'
BLOCKS = f"""
    blocks {{ name: "deep" inputs {{ feature_group_name: "all" }} {MLP % ("4", "")} }}
    blocks {{ name: "side" inputs {{ feature_group_name: "other" }} {MLP % ("3", "")} }}
"""
TOWERS = """
    task_towers { tower_name: "ctr" dnn { hidden_units: [4] use_bn: false } }
    task_towers { tower_name: "cvr" dnn { hidden_units: [4] use_bn: false } %s }
"""


def text(rest: str = "", towers: str = TOWERS % "", params: str = "", blocks: str = BLOCKS) -> str:
    return f"backbone {{ {blocks} {rest} }} model_params {{ {towers} {params} }}"


def relu(x: np.ndarray, found: dict[str, np.ndarray], name: str) -> np.ndarray:
    return np.maximum(x @ found[f"{name}/kernel"].astype(np.float64) + found.get(f"{name}/bias", 0.0), 0)


def test_all_towers_read_one_tensor():
    model, build = make(text())
    randomize(build)
    found = weights(build)
    x = np.concatenate(
        [
            relu(make_inputs()["all"].numpy(), found, "backbone/deep/layer_0/dense"),
            relu(make_inputs()["other"].numpy(), found, "backbone/side/layer_0/dense"),
        ],
        axis=1,
    )
    logits = model(make_inputs(), Call())
    assert list(logits) == ["ctr", "cvr"]
    for task in logits:
        hidden = relu(x, found, f"{task}/dnn_0")
        expected = hidden @ found[f"{task}/output/kernel"] + found[f"{task}/output/bias"]
        np.testing.assert_allclose(logits[task], expected, rtol=1e-4, atol=1e-5)


def test_towers_read_the_values_of_a_list_one_by_one():
    _, build = make(text('output_blocks: ["side", "deep"]'))
    found = weights(build)
    assert found["ctr/dnn_0/kernel"].shape == (3, 4)
    assert found["cvr/dnn_0/kernel"].shape == (4, 4)


def test_names_and_shapes_are_those_of_easyrec():
    relation = 'relation_tower_names: "ctr" relation_dnn { hidden_units: [3] use_bn: false }'
    _, build = make(text(towers=TOWERS % relation))
    assert {name: value.shape for name, value in weights(build).items()} == {
        "backbone/side/layer_0/dense/kernel": (5, 3),
        "backbone/deep/layer_0/dense/kernel": (12, 4),
        "ctr/dnn_0/kernel": (7, 4),
        "ctr/dnn_0/bias": (4,),
        "cvr/dnn_0/kernel": (7, 4),
        "cvr/dnn_0/bias": (4,),
        "cvr/relation_dnn/dnn_0/kernel": (8, 3),
        "cvr/relation_dnn/dnn_0/bias": (3,),
        "ctr/output/kernel": (4, 1),
        "ctr/output/bias": (1,),
        "cvr/output/kernel": (3, 1),
        "cvr/output/bias": (1,),
    }


def test_relations_without_a_relation_dnn_are_joined_to_the_tower():
    _, build = make(text(towers=TOWERS % 'relation_tower_names: "ctr"'))
    assert weights(build)["cvr/output/kernel"].shape == (8, 1)


def test_a_tower_may_read_a_group_of_its_own():
    towers = (TOWERS % "").replace('"cvr"', '"cvr" feature_group: "seq"')
    _, build = make(text(towers=towers))
    assert weights(build)["cvr/dnn_0/kernel"].shape == (7 + 4, 4)


def test_outputs_come_beside_the_logits():
    blocks = BLOCKS.replace(MLP % ("3", ""), MLP % ("1", "add_to_outputs: true"))
    model, _ = make(text(params='outputs: "side"', blocks=blocks))
    assert model.output_names == ("side",)
    assert {name: value.shape for name, value in model(make_inputs(), Call()).items()} == {
        "ctr": (ROWS, 1),
        "cvr": (ROWS, 1),
        "side": (ROWS, 1),
    }


def test_every_weight_gets_a_gradient():
    model, build = make(text('output_blocks: ["side", "deep"]'))
    randomize(build)
    found = gradients_by_name(model, build, ["ctr", "cvr"], make_inputs())
    assert set(found) == set(build.parameters)
    assert all(np.any(gradient) for gradient in found.values())


def test_the_l2_penalty_reaches_the_kernels_of_blocks():
    _, build = make(text())
    assert len(build.regularized) == 6


def test_an_architecture_reads_the_graph_as_its_group_all():
    towers = TOWERS % 'relation_tower_names: "ctr"'
    dbmtl = f"bottom_dnn {{ hidden_units: [5] use_bn: false }} {towers}"
    model, build = make(f"backbone {{ {BLOCKS} }} dbmtl {{ {dbmtl} }}")
    assert weights(build)["bottom_dnn/dnn_0/kernel"].shape == (7, 5)
    results, _ = model.backbone(make_inputs(), Call())
    alone = DBMTL(Build(seed=1), text_format.Parse(dbmtl, DBMTLConfig()), {"all": 7}, {"ctr": 1, "cvr": 1})
    expected = alone({"all": results[0]}, Call())
    for task, logits in model(make_inputs(), Call()).items():
        np.testing.assert_array_equal(logits, expected[task])


def test_an_architecture_reads_the_values_of_a_list_joined_and_other_groups_as_they_are():
    towers = (TOWERS % "").replace('"cvr"', '"cvr" feature_group: "other"')
    _, build = make(f'backbone {{ {BLOCKS} output_blocks: ["side", "deep"] }} simple_multi_task {{ {towers} }}')
    found = weights(build)
    assert found["ctr/dnn_0/kernel"].shape == (7, 4)
    assert found["cvr/dnn_0/kernel"].shape == (12, 4)


def test_a_list_of_another_length_than_there_are_towers_is_told():
    with pytest.raises(GraphError) as caught:
        make(text('output_blocks: ["side", "deep", "side"]'))
    assert str(caught.value) == (
        "model_config.model_params has 2 task_towers (ctr, cvr), and the backbone gives a list of 3: give one value "
        "for each tower, in their order, or one tensor for all of them."
    )


def test_training_is_a_function_of_the_step():
    blocks = BLOCKS.replace("use_final_bn: false", "use_final_bn: false dropout_ratio: 0.5")
    first, again = (make(text(blocks=blocks))[0](make_inputs(), TRAINING)["ctr"] for _ in range(2))
    np.testing.assert_array_equal(first, again)
