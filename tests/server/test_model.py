"""What a version makes of arrays, whichever way its signature names the tensors of the graph."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.server.model import Model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A SavedModel of others: two of its inputs, and two of its outputs, are one tensor."""
    folder = tmp_path_factory.mktemp("foreign") / "1"
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        price, text = tf.compat.v1.placeholder(tf.float32, [None]), tf.compat.v1.placeholder(tf.string, [None])
        doubled = price * 2.0
        inputs, outputs = {"price": price, "cost": price, "text": text}, {"twice": doubled, "again": doubled}
        outputs["length"] = tf.strings.length(text)
        tf.compat.v1.saved_model.simple_save(session, str(folder), inputs, outputs)
    return Model(folder, 1)


def test_arrays_are_given_in_the_types_of_the_inputs(model):
    signature = model.signature("")
    arrays = {"price": np.array([1.5, 2.0]), "cost": np.array([1.5, 2.0]), "text": np.array(["ab", "ü"])}
    for _ in range(2):
        found = model.run(signature, arrays)
        assert {name: values.tolist() for name, values in found.items()} == {
            "twice": [3.0, 4.0],
            "again": [3.0, 4.0],
            "length": [2, 2],
        }
    assert model.run(signature, {name: values[::2] for name, values in arrays.items()})["twice"].tolist() == [3.0]


def test_a_graph_that_fails_says_why(model):
    arrays = {"price": np.zeros(1), "cost": np.zeros(1), "text": np.zeros([1], object)}
    with pytest.raises(tf.errors.InternalError, match="Unsupported object type int"):
        model.run(model.signature(""), arrays)
