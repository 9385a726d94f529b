import numpy as np
import pytest
import tensorflow as tf

from easymtl.serving.one_copy import scores_in_one_copy


def made_up(num_rows=5):
    random = np.random.default_rng(0)
    probabilities = random.random((num_rows, 3)).astype(np.float32)
    return {
        "probs_click": random.random(num_rows).astype(np.float32),
        "y_kind": probabilities.argmax(axis=1),
        "probs_kind": probabilities,
        "steps": random.random((num_rows, 2, 2)).astype(np.float32),
        "ids": np.array([(1 << 53) - 1] * num_rows),
        "text": np.array([b"a"] * num_rows, object),
    }


@pytest.mark.parametrize("num_rows", [5, 0])
def test_scores_are_the_same_bits(num_rows):
    scores = made_up(num_rows)
    scores["probs_click"][:1] = np.nan
    tensors = {name: tf.constant(value) for name, value in scores.items()}
    specs = {name: tf.TensorSpec([None, *value.shape[1:]], value.dtype) for name, value in tensors.items()}
    result = tf.function(scores_in_one_copy, input_signature=[specs])(tensors)
    assert set(result) == set(scores)
    for name, value in result.items():
        assert value.dtype == tensors[name].dtype
        np.testing.assert_array_equal(value.numpy(), tensors[name].numpy())


def test_only_what_a_float32_holds_goes_along():
    graph = tf.Graph()
    with graph.as_default():
        scores = {
            name: tf.compat.v1.placeholder(tf.constant(value).dtype, value.shape) for name, value in made_up().items()
        }
        result = scores_in_one_copy(scores)
    (stacked,) = (node for node in graph.get_operations() if node.type == "ConcatV2")
    assert stacked.device == ""
    # 1 + 1 + 3 + 4 columns.
    assert stacked.outputs[0].shape == (5, 9)
    assert {name for name in scores if result[name] is scores[name]} == {"ids", "text"}
    assert {result[name].device for name in set(scores) - {"ids", "text"}} == {"/device:CPU:0"}


def test_one_score_is_left_as_it_is():
    scores = {"probs_click": tf.constant([0.5])}
    assert scores_in_one_copy(scores)["probs_click"] is scores["probs_click"]
