"""Kernels that are read in a narrow type are stored in it, in the file and in what TensorFlow makes of it."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.errors import UserError
from easymtl.layers.context import Build, Call
from easymtl.layers.dense import DNN, OutputLayer
from easymtl.protos import layer_pb2
from easymtl.serving.freezing import freeze, traced_once
from easymtl.serving.narrow_kernels import narrow_kernels

# Kernels of the two layers, one that is moved about before it is cast, slopes. Biases go to the norms, in float32.
NARROW = [(3, 5, 2), (5, 16), (16, 8)]
SLOPES = [(8,), (16,)]
SPECS = {"x": tf.TensorSpec([None, 5])}


class Net(tf.Module):
    def __init__(self):
        super().__init__()
        config = text_format.Parse("hidden_units: [16, 8] activation: 'dice' use_bn: true", layer_pb2.DNN())
        self.layers = {"dnn": DNN(Build(seed=1), "net", 5, config), "more": [OutputLayer(Build(seed=2), "out", 8, 3)]}
        self.moved = tf.Variable(tf.random.stateless_normal([3, 5, 2], [5, 6]))
        self.both = tf.Variable(tf.random.stateless_normal([2, 2], [7, 8]))

    def scores(self, vectors, dtype):
        call, x = Call(dtype=dtype), vectors["x"]
        y = self.layers["more"][0](self.layers["dnn"](x, call), call)
        first = tf.cast(tf.transpose(tf.reshape(self.moved, [15, 2])[:5]), dtype)
        z = tf.matmul(tf.cast(x, dtype), first, transpose_b=True)
        z = tf.cast(tf.matmul(z, tf.cast(self.both, dtype)), tf.float32) + tf.reduce_sum(self.both)
        return {"y": y, "z": z}


@pytest.fixture(scope="module")
def net():
    return Net()


def constants(graph, dtype):
    nodes = [*graph.as_graph_def().node, *(n for f in graph.as_graph_def().library.function for n in f.node_def)]
    values = [tf.make_ndarray(node.attr["value"].tensor) for node in nodes if node.op == "Const"]
    return sorted(value.shape for value in values if value.dtype == dtype.as_numpy_dtype and value.size >= 4)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16], ids=lambda one: one.name)
def test_a_frozen_network_has_narrow_constants_and_computes_the_same(net, dtype):
    x = tf.random.stateless_normal([7, 5], [1, 2])
    before = [one.dtype for one in net.variables]

    def scores(vectors):
        return net.scores(vectors, dtype)

    expected = tf.function(scores, autograph=False)({"x": x})
    with narrow_kernels(net, scores, SPECS, dtype) as variables:
        frozen = freeze(scores, SPECS)
        kept = traced_once(scores, SPECS)
        assert sorted(tuple(one.shape) for one in variables if one.dtype == dtype) == sorted(NARROW + SLOPES)
    assert [one.dtype for one in net.variables] == before == [tf.float32] * len(before)
    whole = tf.function(lambda x: frozen({"x": x}), input_signature=[SPECS["x"]], autograph=False)
    graph = whole.get_concrete_function().graph
    assert {*NARROW} <= set(constants(graph, dtype))
    # What is read in float32, and the statistics of the norms.
    wide = constants(graph, tf.float32)
    assert (8, 3) in wide and (2, 2) in wide
    assert not {*NARROW} & set(wide)
    for name, value in expected.items():
        np.testing.assert_allclose(frozen({"x": x})[name], value, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(kept({"x": x})[name], value, rtol=1e-5, atol=1e-6)


def test_float32_changes_nothing(net):
    with narrow_kernels(net, lambda vectors: pytest.fail("traced"), SPECS, tf.float32) as variables:
        assert [id(one) for one in variables] == [id(one) for one in net.variables]


def test_a_kernel_that_is_too_large_is_refused_and_the_layers_are_as_they_were():
    net = Net()
    net.layers["dnn"].dense[0].kernel[1, 2].assign(1e5)
    narrow = narrow_kernels(net, lambda vectors: net.scores(vectors, tf.float16), SPECS, tf.float16)
    with pytest.raises(UserError, match="a weight of the network is 100000, which is no number in FLOAT16"), narrow:
        pass
    assert {one.dtype for one in net.variables} == {tf.float32}
