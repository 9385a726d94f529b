"""Requests whose inputs have different numbers of rows are refused by the graph, and the inputs are named."""

import re

import numpy as np
import pytest
import tensorflow as tf

from easymtl.serving.equal_rows import require_equal_rows
from easymtl.serving.signatures import SIGNATURE, Signature, save

TYPES = {
    "city": tf.string, "device": tf.string, "user id": tf.string, "age": tf.float32, "price": tf.float64,
    "hour": tf.int32, "row": tf.int64, "is_new": tf.bool,
}  # fmt: skip
EACH = [name.replace(" ", "_") for name in TYPES]


def serve(columns):
    with tf.device("/CPU:0"):
        columns = require_equal_rows(columns)
    texts = tf.concat([columns["city"], columns["device"]], axis=0)
    return {"lengths": tf.strings.length(texts), "age": columns["age"] + 1.0}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    save(tf.Module(), folder, {SIGNATURE: Signature(serve, {n: tf.TensorSpec([None], t) for n, t in TYPES.items()})})
    return folder


@pytest.fixture(scope="module")
def loaded(model):
    return tf.saved_model.load(str(model))


def columns(rows, **others):
    shapes = {name: others.get(name.replace(" ", "_"), [rows]) for name in TYPES}
    return {
        name: np.full(shapes[name], b"a", object) if kind == tf.string else np.zeros(shapes[name], kind.as_numpy_dtype)
        for name, kind in TYPES.items()
    }


def call(loaded, request):
    function = loaded.signatures[SIGNATURE]
    by_name = {spec.name: keyword for keyword, spec in function.structured_input_signature[1].items()}
    return function(**{by_name[name]: tf.constant(value, TYPES[name]) for name, value in request.items()})


@pytest.mark.parametrize("rows", [0, 1, 2, 1000])
def test_any_number_of_rows_is_answered(loaded, rows):
    scores = call(loaded, columns(rows))
    assert scores["lengths"].shape == [2 * rows]
    assert scores["age"].shape == [rows]


@pytest.mark.parametrize(
    "rows, others, told",
    [
        (2, {"city": [1], "device": [3]}, "city 1, device 3, user id 2"),
        (3, {"user_id": [0]}, "user id 0, city 3"),
        (1, {"row": [2]}, "row 2, city 1"),
        (0, {"is_new": [1]}, "is_new 1, city 0"),
        (3, {"age": [3, 1]}, "age 3x1, city 3"),
        (1, {"age": [1, 1]}, "age 1x1, city 1"),
        (1, {"hour": []}, "hour scalar, city 1"),
        (3, {"city": []}, "city scalar, device 3"),
        (3, {"is_new": []}, "is_new scalar, city 3"),
        (3, {name: [] for name in EACH}, "city scalar"),
        # One axis less here and one more there: the sizes alone are as many as they should be.
        (1, {"hour": [], "row": [1, 1]}, "hour scalar, row 1x1, city 1"),
        (
            2,
            {name: [2, 1] for name in EACH},
            "city 2x1",
        ),
    ],
)
def test_the_inputs_that_differ_are_named_with_their_sizes(loaded, rows, others, told):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"inputs have different numbers of rows: {told}\\."):
        call(loaded, columns(rows, **others))


def test_a_server_that_asks_for_one_output_is_told_too(model):
    """The check is not pruned with the outputs that nobody asks for, and grappler does not optimize it away."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        signature = tf.compat.v1.saved_model.load(session, ["serve"], str(model)).signature_def[SIGNATURE]
        for output in signature.outputs.values():
            for request, problem in ((columns(3), None), (columns(3, is_new=[1], row=[6]), "row 6, is_new 1, city 3")):
                feed = {signature.inputs[name].name: value for name, value in request.items()}
                if problem is None:
                    session.run(output.name, feed)
                    continue
                with pytest.raises(tf.errors.InvalidArgumentError, match=re.escape(problem)):
                    session.run(output.name, feed)


@pytest.mark.parametrize(
    "shapes, num_rows, told",
    [
        ({"a": [2], "b": [2, 5], "c": [2, 0]}, None, None),
        ({"a": [0], "b": [0, 5], "c": [0, 1]}, None, None),
        ({"a": [4], "b": [4, 1], "c": [4, 9]}, 4, None),
        ({"a": [2], "b": [3, 2], "c": [2, 1]}, None, "different numbers of rows: b 3, a 2. Each"),
        ({"a": [2], "b": [2], "c": [2, 1]}, None, "different numbers of rows: b 2 without a second axis, a 2. Each"),
        ({"a": [2, 1], "b": [2, 1], "c": [2, 1]}, None, "different numbers of rows: a 2x1, b 2. Each"),
        ({"a": [], "b": [2, 1, 1], "c": [2, 1]}, None, "rows: b 2x1x1, c 2, a scalar. Each"),
        ({"a": [2], "b": [2, 1], "c": [2, 1]}, 4, "do not have 4 rows, for which this model was exported: a 2. Each"),
        ({"a": [4], "b": [4, 1], "c": [3, 1]}, 4, "do not have 4 rows, for which this model was exported: c 3, a 4."),
    ],
)
def test_lists_have_two_axes_and_rows_may_be_fixed(shapes, num_rows, told):
    columns = {name: tf.zeros(shape, tf.int64 if name == "b" else tf.float32) for name, shape in shapes.items()}
    if told is None:
        found = require_equal_rows(columns, ["b", "c"], num_rows)
        assert {name: column.shape.as_list() for name, column in found.items()} == shapes
        return
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        require_equal_rows(columns, ["b", "c"], num_rows)
    assert told in error.value.message
    assert "one value for each row of the request, and of b, c a list of values [rows, values]." in error.value.message
