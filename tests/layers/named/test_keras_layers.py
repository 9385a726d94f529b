"""Keras' own layers: Dense, dropout, noise and norms."""

import numpy as np
import pytest

from easymtl.layers.context import Build
from easymtl.layers.named import LAYERS
from easymtl.layers.shapes import Array, vector
from easymtl.protos import keras_pb2
from tests.formulas import layer_norm
from tests.layers.named.building import evaluation, make, refusal, training, values, vectors

FIELDS = Array((None, 3, 4))


def test_dense_maps_the_last_axis():
    made = make("Dense", "units: 5 activation: 'tanh'", FIELDS)
    assert {name: value.shape for name, value in made.weights.items()} == {"kernel": (4, 5), "bias": (5,)}
    x = values(FIELDS)
    expected = np.tanh(x @ made.weights["kernel"] + made.weights["bias"])
    np.testing.assert_allclose(made(x), expected, rtol=1e-5, atol=1e-5)
    assert made.build.regularized == []


def test_dense_without_bias_is_linear_by_default():
    made = make("Dense", "units: 5 use_bias: false", vector(4))
    x = values(vector(4))
    np.testing.assert_allclose(made(x), x @ made.weights["kernel"], rtol=1e-5, atol=1e-6)


def test_dense_starts_as_its_initializers_say():
    config = keras_pb2.Dense(units=200, kernel_initializer="HeUniform", bias_initializer="ones")
    LAYERS["Dense"].layer(build := Build(), "d", config, vector(300))
    assert np.isclose(build.parameters["d/kernel"].read().numpy().std(), np.sqrt(2 / 300), rtol=0.02)
    assert (build.parameters["d/bias"].read().numpy() == 1).all()


def test_dropout_and_noise_disturb_training_alone():
    x = np.ones([500, 4])
    dropped = make("Dropout", "rate: 0.25", vector(4))
    assert np.isclose((dropped(x, training()).numpy() == 0).mean(), 0.25, atol=0.05)
    noisy = make("GaussianNoise", "stddev: 0.5", vector(4))
    noise = noisy(x, training()).numpy() - 1
    assert np.isclose(noise.std(), 0.5, rtol=0.05) and abs(noise.mean()) < 0.05
    np.testing.assert_array_equal(noisy(x, training()) - 1, noise)
    assert np.abs(noisy(x, training(step=2)) - 1 - noise).max() > 0.1
    for made in (dropped, noisy):
        np.testing.assert_array_equal(made(x, evaluation()), x)


def test_layer_norm_has_the_parts_that_are_asked_for():
    x = values(FIELDS)
    for text, parts in (
        ("", {"gamma", "beta"}),
        ("center: false epsilon: 0.1", {"gamma"}),
        ("scale: false axis: 2", {"beta"}),
    ):
        made = make("LayerNormalization", text, FIELDS)
        assert set(made.weights) == parts
        shifted = {f"own/{name}": value for name, value in made.weights.items()}
        made.weights.update(shifted)
        expected = layer_norm(made.weights, "own", x, 0.1 if "epsilon" in text else 1e-3)
        np.testing.assert_allclose(made(x), expected, rtol=1e-4, atol=1e-5)


def test_batch_norm_takes_its_constants_from_the_config():
    made = make("BatchNormalization", "momentum: 0.5 epsilon: 0.1", vector(4))
    x = values(vector(4))
    scale, offset, before = (made.weights[name] for name in ("gamma", "beta", "moving_mean"))
    result = made(x, training())
    np.testing.assert_allclose(result, (x - x.mean(0)) / np.sqrt(x.var(0) + 0.1) * scale + offset, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(made.layer.norm.mean, 0.5 * before + 0.5 * x.mean(0), rtol=1e-5)
    moved, spread = made.layer.norm.mean.numpy(), made.layer.norm.variance.numpy()
    expected = (x - moved) / np.sqrt(spread + 0.1) * scale + offset
    np.testing.assert_allclose(made(x, evaluation()), expected, rtol=1e-4, atol=1e-5)


def test_batch_norm_may_have_nothing_to_train():
    made = make("BatchNormalization", "center: false scale: false", vector(4))
    assert made.layer.trainable_variables == ()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("Dense", "", "needs units, the width of its result, for example units: 64"),
        (
            "Dense",
            "units: 4 use_bias: false bias_initializer: 'ones'",
            "has bias_initializer, but use_bias is false; leave one of them out",
        ),
        ("Dropout", "", "needs rate, the share of the values that it drops, for example rate: 0.2"),
        ("Dropout", "rate: 1", "has rate 1, outside of [0, 1)"),
        ("GaussianNoise", "", "needs stddev of 0 or more, the spread of the noise, for example stddev: 0.1"),
        ("LayerNormalization", "axis: 0", "has axis 0; only the last one, -1, is offered"),
        ("LayerNormalization", "epsilon: 0", "has epsilon 0, which must be above 0"),
        ("BatchNormalization", "axis: 2", "has axis 2; only the last one, -1, is offered"),
        ("BatchNormalization", "momentum: 1", "has momentum 1, outside of (0, 1)"),
        (
            "BatchNormalization",
            "center: false",
            "trains scale and center together; set both to false, or none",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(name, text, message):
    assert refusal(name, text, vector(4)) == message


def test_wrong_names_are_refused_with_the_nearest():
    assert 'Did you mean "relu"?' in refusal("Dense", "units: 4 activation: 'rellu'", vector(4))
    assert 'none of "relu"' in refusal("Dense", "units: 4 activation: 'prelu'", vector(4))
    assert 'Did you mean "he_normal"?' in refusal("Dense", "units: 4 kernel_initializer: 'he_norml'", vector(4))
    assert refusal("Dense", "units: 4", vectors(4, 4)).startswith("takes one tensor [batch, ..., width] or a history")
