"""Networks with constants for weights: whatever they are made of, they can be saved, and compute what they did."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.layers import activation
from easymtl.layers.context import Build, Call
from easymtl.layers.dense import DNN
from easymtl.protos import layer_pb2
from easymtl.serving.freezing import freeze
from easymtl.serving.signatures import Signature, save


@pytest.mark.parametrize("name", [*activation._PLAIN, *activation._WITH_WEIGHTS])
def test_a_frozen_network_of_any_activation_is_saved_and_computes_the_same(tmp_path, name):
    config = text_format.Parse(f"hidden_units: [4, 3] activation: '{name}'", layer_pb2.DNN())
    net = DNN(Build(seed=1), "net", 5, config)
    x = tf.random.stateless_normal([7, 5], [1, 2])
    net(x, Call(training=True, seed=tf.zeros([2], tf.int64)))
    frozen = freeze(lambda groups: {"score": net(groups["x"], Call())}, {"x": tf.TensorSpec([None, 5])})
    expected = net(x, Call()).numpy()
    save(tf.Module(), tmp_path, {"serving_default": Signature(frozen, {"x": tf.TensorSpec([None, 5])})})
    for variable in net.variables:
        variable.assign(tf.zeros_like(variable))
    loaded = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    np.testing.assert_allclose(loaded(x=x)["score"], expected, rtol=1e-5, atol=1e-6)
