"""ESMM: networks over groups side by side, a tower each for click and conversion."""

import numpy as np
import tensorflow as tf

from tests.models.architectures import EVALUATION, gradients_by_name, groups_of, logits, make_model, randomize

GROUPS = """
    groups { input: "own" dnn { hidden_units: [6] use_bn: false } }
    groups { input: "all" dnn { hidden_units: [5, 4] } } groups { input: "other" }
"""
TOWERS = """
    ctr_tower { tower_name: "ctr" dnn { hidden_units: [4] } } cvr_tower { tower_name: "cvr" dnn { hidden_units: [3] } }
"""


def test_parameters_have_the_names_of_easyrec():
    _, build = make_model(f"esmm {{ {GROUPS} {TOWERS} }}")
    shapes = {name: parameter.shape for name, parameter in build.parameters.items() if name.endswith("kernel")}
    width = 6 + 4 + groups_of()["other"].shape[1]
    assert shapes == {
        "own/dnn_0/kernel": (5, 6),
        "all/dnn_0/kernel": (6, 5),
        "all/dnn_1/kernel": (5, 4),
        "ctr/dnn_0/kernel": (width, 4),
        "ctr/dnn_output/kernel": (4, 1),
        "cvr/dnn_0/kernel": (width, 3),
        "cvr/dnn_output/kernel": (3, 1),
    }


def test_groups_stand_side_by_side_in_the_order_of_the_config():
    model, build = make_model(f"esmm {{ {GROUPS} {TOWERS} }}")
    randomize(build)
    groups = groups_of()
    kernel, bias = (build.parameters[f"own/dnn_0/{part}"].read() for part in ("kernel", "bias"))
    found = model.groups(groups, EVALUATION)
    np.testing.assert_allclose(found[:, :6], tf.nn.relu(groups["own"] @ kernel + bias), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found[:, 10:], groups["other"])


def test_without_groups_the_towers_read_all_features():
    model, build = make_model(f"esmm {{ {TOWERS} }}")
    assert build.parameters["ctr/dnn_0/kernel"].shape == (6, 4)
    np.testing.assert_array_equal(model.groups(groups_of(), EVALUATION), groups_of()["all"])
    assert set(logits(model)) == {"ctr", "cvr"}


def test_the_towers_share_the_groups_and_nothing_else():
    model, build = make_model(f"esmm {{ {GROUPS} {TOWERS} }}")
    randomize(build)
    found = gradients_by_name(model, build, ["ctr"])
    assert np.any(found["own/dnn_0/kernel"]) and np.any(found["ctr/dnn_0/kernel"])
    assert not np.any(found["cvr/dnn_0/kernel"])
