"""Sizes of tensors that have to fit together, in graphs where TensorFlow believes what the signature says."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.serving.sizes import require_sizes

AXES = {"a": ["rows", 2], "b": ["rows", "values"], "c": ["rows", "values", 3], "d": ["own"]}


def function_of(axes):
    specs = [tf.TensorSpec([None] * len(one), tf.float32) for one in axes.values()]

    def checked(*tensors):
        given = dict(zip(axes, tensors))
        found = require_sizes(given, axes, lambda shapes: tf.strings.reduce_join(shapes, separator="; "))
        return list(found.values())

    concrete = tf.function(checked, input_signature=specs, autograph=False).get_concrete_function()
    # A server feeds a graph, which looks at no shape.
    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        inputs = [tf.compat.v1.placeholder(tf.float32, None) for _ in axes]
        outputs = tf.graph_util.import_graph_def(
            concrete.graph.as_graph_def(),
            {one.op.name: given for one, given in zip(concrete.inputs, inputs)},
            [one.name for one in concrete.outputs],
            name="",
        )
    return session.make_callable(outputs, inputs)


@pytest.fixture(scope="module")
def call():
    return function_of(AXES)


def arrays(*shapes):
    return [np.random.default_rng(0).random(shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize("shapes", [([4, 2], [4, 5], [4, 5, 3], [9]), ([0, 2], [0, 0], [0, 0, 3], [0])])
def test_what_fits_is_handed_on(call, shapes):
    given = arrays(*shapes)
    for found, wanted in zip(call(*given), given):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "shapes",
    [
        ([4, 2], [5, 5], [4, 5, 3], [9]),
        ([4, 1], [4, 5], [4, 5, 3], [9]),
        ([4, 2], [4, 5], [4, 6, 3], [9]),
        ([4, 2], [4, 5], [4, 5, 3], [9, 1]),
        ([4, 2], [4, 5], [4, 5, 3], []),
        ([4, 2], [4], [4, 5, 5, 3], [9]),
        ([], [], [], []),
        ([4], [2, 4], [4, 5, 3], [9]),
    ],
)
def test_what_does_not_fit_is_told(call, shapes):
    told = "; ".join(" ".join(map(str, shape)) for shape in shapes)
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"assertion failed: \[{told}\]"):
        call(*arrays(*shapes))


def test_one_tensor_of_one_axis():
    call = function_of({"a": ["rows"]})
    assert call(*arrays([3]))[0].shape == (3,)
    for shape in ([], [3, 1], [1, 1]):
        with pytest.raises(tf.errors.InvalidArgumentError, match=rf"\[{' '.join(map(str, shape))}\]"):
            call(*arrays(shape))
    fixed = function_of({"a": [3]})
    assert fixed(*arrays([3]))[0].shape == (3,)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[4\]"):
        fixed(*arrays([4]))
