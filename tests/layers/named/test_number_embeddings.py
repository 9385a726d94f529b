"""Vectors of numbers against their formulas, and the forms in which they come."""

import numpy as np
import pytest

from easymtl.layers.shapes import Array, describe, vector
from tests.formulas import relu, softmax
from tests.layers.named.building import make, refusal, values, vectors

NUMBERS = vector(3)


def side_by_side(x: np.ndarray) -> np.ndarray:
    return x.reshape([len(x), -1])


def test_periodic_vectors_are_sines_and_cosines_behind_a_layer_of_each_feature():
    made = make("PeriodicEmbedding", "embedding_dim: 4 sigma: 0.1", NUMBERS)
    assert {name: value.shape for name, value in made.weights.items()} == {
        "coefficients": (1, 3, 2),
        "weights": (1, 3, 4, 4),
        "bias": (1, 3, 4),
    }
    x = values(NUMBERS)
    angles = 2 * np.pi * made.weights["coefficients"] * x[:, :, np.newaxis]
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=2)
    expected = relu(np.einsum("bfd,fde->bfe", waves, made.weights["weights"][0]) + made.weights["bias"])
    np.testing.assert_allclose(made(x), side_by_side(expected), rtol=1e-4, atol=1e-5)


def test_periodic_vectors_may_stay_what_they_are_or_pass_another_activation():
    x = values(NUMBERS)
    bare = make("PeriodicEmbedding", "embedding_dim: 4 sigma: 0.1 add_linear_layer: false", NUMBERS)
    assert set(bare.weights) == {"coefficients"}
    angles = 2 * np.pi * bare.weights["coefficients"] * x[:, :, np.newaxis]
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=2)
    np.testing.assert_allclose(bare(x), side_by_side(waves), rtol=1e-4, atol=1e-5)
    made = make("PeriodicEmbedding", "embedding_dim: 4 sigma: 0.1 linear_activation: 'tanh'", NUMBERS)
    angles = 2 * np.pi * made.weights["coefficients"] * x[:, :, np.newaxis]
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=2)
    expected = np.tanh(np.einsum("bfd,fde->bfe", waves, made.weights["weights"][0]) + made.weights["bias"])
    np.testing.assert_allclose(made(x), side_by_side(expected), rtol=1e-4, atol=1e-5)


def test_frequencies_start_with_the_spread_sigma():
    from easymtl.layers.context import Build
    from easymtl.layers.named import LAYERS
    from easymtl.protos.backbone_pb2 import PeriodicEmbedding

    config = PeriodicEmbedding(embedding_dim=200, sigma=0.3)
    LAYERS["PeriodicEmbedding"].layer(build := Build(), "p", config, vector(50))
    assert np.isclose(build.parameters["p/coefficients"].read().numpy().std(), 0.3, rtol=0.03)


def test_auto_dis_mixes_bucket_vectors():
    made = make("AutoDisEmbedding", "embedding_dim: 4 num_bins: 5 temperature: 0.7 keep_prob: 0.6", NUMBERS)
    assert {name: value.shape for name, value in made.weights.items()} == {
        "meta_embedding": (3, 5, 4),
        "project_w": (1, 3, 5),
        "project_mat": (3, 5, 5),
    }
    x = values(NUMBERS)
    hidden = made.weights["project_w"] * x[:, :, np.newaxis]
    hidden = np.where(hidden > 0, hidden, 0.2 * hidden)
    mixed = np.einsum("fij,bfj->bfi", made.weights["project_mat"], hidden) + 0.6 * hidden
    expected = np.einsum("bfk,fkd->bfd", softmax(mixed / 0.7), made.weights["meta_embedding"])
    np.testing.assert_allclose(made(x), side_by_side(expected), rtol=1e-4, atol=1e-5)


TEXTS = {
    "PeriodicEmbedding": "embedding_dim: 4 sigma: 0.1",
    "AutoDisEmbedding": "embedding_dim: 4 num_bins: 5 temperature: 0.7",
    "NaryDisEmbedding": "embedding_dim: 2 multiplier: 10",
}


@pytest.mark.parametrize(("name", "text"), TEXTS.items())
def test_vectors_come_flat_and_also_as_a_list_or_as_one_tensor(name, text):
    x = values(NUMBERS)
    flat = make(name, text, NUMBERS)(x).numpy()
    listed = make(name, f"{text} output_tensor_list: true", NUMBERS)
    first, fields = listed(x)
    assert describe(listed.shape) == "([batch, 12], a list of 3 x [batch, 4])"
    np.testing.assert_array_equal(first, flat)
    np.testing.assert_array_equal(np.concatenate(fields, axis=1), flat)
    solid = make(name, f"{text} output_3d_tensor: true", NUMBERS)
    first, tensor = solid(x)
    assert describe(solid.shape) == "([batch, 12], [batch, 3, 4])"
    np.testing.assert_array_equal(first, flat)
    np.testing.assert_array_equal(side_by_side(tensor.numpy()), flat)


def test_replicas_are_a_list_with_their_other_forms_behind_them():
    text = "embedding_dim: 2 carries: [3, 7] num_replicas: 2"
    made = make("NaryDisEmbedding", f"{text} output_3d_tensor: true", NUMBERS)
    assert describe(made.shape) == "a list ([batch, 12], [batch, 12], [batch, 3, 4], [batch, 3, 4])"
    result = made(values(NUMBERS))
    assert np.abs(result[0] - result[1]).max() > 0.01
    for flat, tensor in zip(result[:2], result[2:], strict=True):
        np.testing.assert_array_equal(side_by_side(tensor.numpy()), flat)
    assert describe(make("NaryDisEmbedding", text, NUMBERS).shape) == "a list of 2 x [batch, 12]"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "PeriodicEmbedding",
            "embedding_dim: 3 sigma: 1",
            "has embedding_dim 3; sines and cosines need an even one above 0",
        ),
        (
            "PeriodicEmbedding",
            "embedding_dim: 4",
            "needs sigma above 0, the spread of the frequencies, for example sigma: 0.1",
        ),
        (
            "PeriodicEmbedding",
            "embedding_dim: 4 sigma: 1 add_linear_layer: false linear_activation: 'tanh'",
            'has linear_activation "tanh", but add_linear_layer is false; leave one of them out',
        ),
        ("AutoDisEmbedding", "num_bins: 4 temperature: 1", "needs embedding_dim, for example embedding_dim: 16"),
        ("AutoDisEmbedding", "embedding_dim: 4 temperature: 1", "needs num_bins, for example num_bins: 16"),
        (
            "AutoDisEmbedding",
            "embedding_dim: 4 num_bins: 4",
            "needs temperature above 0, the softness of its buckets, for example temperature: 0.8",
        ),
        ("NaryDisEmbedding", "carries: 2", "needs embedding_dim, for example embedding_dim: 16"),
        ("NaryDisEmbedding", "embedding_dim: 4 carries: [2, 1]", "has carries [2, 1]; bases of numbers are 2 to 65536"),
        ("NaryDisEmbedding", "embedding_dim: 4 num_replicas: 0", "has num_replicas 0; it must be 1 or more"),
        ("NaryDisEmbedding", "embedding_dim: 4 multiplier: 0", "has multiplier 0, which makes all numbers the same"),
        (
            "NaryDisEmbedding",
            "embedding_dim: 4 intra_ary_pooling: 'men'",
            'has intra_ary_pooling "men", which is none of "sum", "mean". Did you mean "mean"?',
        ),
        (
            "NaryDisEmbedding",
            "embedding_dim: 4 inter_ary_pooling: 'sum'",
            'has inter_ary_pooling "sum"; the bases are joined: leave it out',
        ),
    ],
)
def test_what_cannot_be_built_is_refused(name, text, message):
    assert refusal(name, text, NUMBERS) == message


def test_they_take_one_tensor_of_numbers():
    for name, text in TEXTS.items():
        assert "takes one tensor" in refusal(name, text, vectors(3, 3))
        assert "takes one tensor" in refusal(name, text, Array((None, 3, 4)))
