"""Graphs without the constants that another one has, and back."""

import zlib

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from easymtl.serving.delta_graph import cut, whole


def content(seed, size=300):
    return np.random.default_rng(seed).normal(size=size).astype(np.float32)


A, B, C, SMALL = content(0), content(1), content(2), content(3, 100)


def graph_of(constants, in_function=()):
    saved = saved_model_pb2.SavedModel()
    graph = saved.meta_graphs.add().graph_def
    function = graph.library.function.add()
    for nodes, values in ((graph.node, constants), (function.node_def, in_function)):
        for number, value in enumerate(values):
            node = nodes.add(name=f"constant_{number}", op="Const")
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return saved.SerializeToString(deterministic=True)


@pytest.mark.parametrize(
    ("new", "base", "num_cut"),
    [
        (graph_of([A, B, C]), graph_of([A, B, C]), 3),
        (graph_of([A, B, C]), graph_of([C, A]), 2),
        (graph_of([A, A], [B, SMALL, A]), graph_of([SMALL], [A]), 3),
        (graph_of([A], [B]), graph_of([C]), 0),
        (graph_of([SMALL]), graph_of([SMALL]), 0),
        (graph_of([A]), None, 0),
    ],
    ids=["all", "moved", "repeated", "none", "small", "no_base"],
)
def test_what_the_base_has_is_cut_and_put_back(new, base, num_cut):
    rest, copies = cut(new, base)
    assert [size for _, _, size in copies] == [A.nbytes] * num_cut
    assert len(zlib.decompress(rest)) == len(new) - num_cut * A.nbytes
    assert whole(rest, copies, base or b"") == new
