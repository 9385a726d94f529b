"""AITMTower against its formula."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.layers.shapes import vector
from tests.formulas import dense, relu, softmax
from tests.layers.named.building import make, refusal, values, vectors


@pytest.mark.parametrize("project_dim", [0, 3])
def test_the_own_tower_attends_to_itself_and_to_what_others_hand_on(project_dim):
    inputs = vectors(4, 6, 6)
    text = "transfer_mlp { hidden_units: 5 use_final_bn: false }"
    made = make("AITMTower", f"{text} project_dim: {project_dim}" if project_dim else text, inputs)
    width = project_dim or 4
    x = values(inputs)
    towers = [x[0], *(relu(one @ made.weights["transfer/layer_0/dense/kernel"]) for one in x[1:])]
    query = dense(made.weights, "query_0", x[0])
    keys = np.stack([dense(made.weights, f"key_{i}", tower) for i, tower in enumerate(towers)], axis=1)
    shares = softmax((keys * query[:, np.newaxis]).sum(2) / np.sqrt(width))
    hands = np.stack([dense(made.weights, f"value_{i}", tower) for i, tower in enumerate(towers)], axis=1)
    assert made.shape == vector(width)
    np.testing.assert_allclose(made(x), (shares[:, :, np.newaxis] * hands).sum(1), rtol=1e-5, atol=1e-5)


def test_weights_have_the_names_and_shapes_of_checkpoints():
    made = make("AITMTower", "transfer_mlp { hidden_units: 5 use_final_bn: false }", vectors(6, 4))
    kernels = {name: value.shape for name, value in made.weights.items() if name.endswith("kernel")}
    assert kernels == {
        "transfer/layer_0/dense/kernel": (4, 5),
        **{f"{part}_0/kernel": (6, 6) for part in ("query", "key", "value")},
        **{f"{part}_1/kernel": (5, 6) for part in ("query", "key", "value")},
    }
    assert len(made.weights) == len(kernels) + 6
    assert [tuple(variable.shape) for variable in made.build.regularized] == [(4, 5)]


@pytest.mark.parametrize("stops", [True, False])
def test_the_gradient_passes_to_other_towers_if_it_is_not_stopped(stops):
    made = make("AITMTower", f"stop_gradient: {str(stops).lower()}", vectors(4, 4))
    own, other = (tf.constant(one, tf.float32) for one in values(vectors(4, 4)))
    with tf.GradientTape() as tape:
        tape.watch([own, other])
        result = tf.reduce_sum(made([own, other]) ** 2)
    to_own, to_other = tape.gradient(result, [own, other])
    assert np.abs(to_own).max() > 0
    assert (to_other is None) == stops


def test_a_single_tensor_passes():
    made = make("AITMTower", "transfer_mlp { hidden_units: 5 }", vector(4))
    x = values(vector(4))
    assert made.weights == {}
    np.testing.assert_array_equal(made(x), x.astype(np.float32))


def test_what_cannot_be_built_is_refused():
    text = "hands the towers after the first one to one transfer_mlp, but they have widths [4, 5]"
    assert refusal("AITMTower", "transfer_mlp { hidden_units: 5 }", vectors(4, 4, 5)) == text
    assert refusal("AITMTower", "transfer_mlp { }", vectors(4, 4)).startswith("needs transfer_mlp.hidden_units")
    assert refusal("AITMTower", "", vectors(4, 4, 5)) == "nothing"
