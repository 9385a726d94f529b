"""Attention to a target against its formula, in both layouts and with every flag."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.layers.context import Build, Call
from easymtl.layers.norm import EPSILON, MOMENTUM
from easymtl.layers.shapes import ShapeFault
from easymtl.layers.steps import Rectangle, Segments, Steps
from easymtl.layers.target_attention import TargetAttention, attention_width
from easymtl.protos.feature_pb2 import SeqAttGroupConfig
from tests.formulas import dense, match

LENGTHS = [2, 0, 3, 1]
ROWS = np.repeat(np.arange(len(LENGTHS), dtype=np.int32), LENGTHS)
SMALL = 'group_name: "g" seq_dnn { hidden_units: [5, 1] use_bn: false } '


def config(text: str) -> SeqAttGroupConfig:
    return text_format.Parse(text, SeqAttGroupConfig())


def call(is_training: bool, dtype: tf.DType = tf.float32) -> Call:
    return Call(is_training, dtype, tf.constant([0, 1], tf.int64) if is_training else None)


def steps(flat: np.ndarray, is_rectangle: bool = False, longest: int = 5) -> Steps:
    """Padding holds NaN, which must not reach anything."""
    lengths = tf.constant(LENGTHS, tf.int32)
    if not is_rectangle:
        return Segments(tf.constant(flat, tf.float32), tf.constant(ROWS), lengths)
    values = np.full([len(LENGTHS), longest, flat.shape[1]], np.nan, np.float32)
    for row, length in enumerate(LENGTHS):
        values[row, :length] = flat[row == ROWS]
    return Rectangle(tf.constant(values), lengths)


def numbers(seed: int, rows: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=[rows, width]).astype(np.float32)


def keys_of(*widths: int) -> list[np.ndarray]:
    return [numbers(10 + index, len(LENGTHS), width) for index, width in enumerate(widths)]


def histories_of(*widths: int) -> list[np.ndarray]:
    return [numbers(20 + index, len(ROWS), width) for index, width in enumerate(widths)]


def make(text: str, keys, histories, aux=()) -> tuple[TargetAttention, dict[str, np.ndarray], Build]:
    """Makes an attention whose weights are no zeros and ones."""
    build, random = Build(seed=4, bn_debias=False), np.random.default_rng(1)
    widths = ([part.shape[1] for part in parts] for parts in (keys, histories, aux))
    layer = TargetAttention(build, config(text), *widths)
    for parameter in build.parameters.values():
        if not parameter.name.endswith("count"):
            parameter.assign(random.uniform(-1, 1.5, parameter.shape).astype(np.float32))
        if parameter.name.endswith("moving_variance"):
            parameter.assign(random.uniform(0.5, 1.5, parameter.shape).astype(np.float32))
    return layer, {name: one.read().numpy().astype(float) for name, one in build.parameters.items()}, build


def run(layer, keys, histories, aux=(), is_training=False, rectangles=(False, False)) -> tf.Tensor:
    of_histories, of_aux = rectangles
    parts = [[steps(flat, kind) for flat in flats] for flats, kind in ((histories, of_histories), (aux, of_aux))]
    return layer([tf.constant(key) for key in keys], *parts, call(is_training))


def scores(weights, query, history, name="seq_dnng", is_training=False, bn=False) -> np.ndarray:
    """The DNN on [q, h, q - h, q∘h] of the steps that exist, relu between its layers."""
    x = match(query[ROWS], history)
    count = sum(key.startswith(name) and key.endswith("kernel") for key in weights)
    for index in range(count):
        path = f"{name}/dnn_{index}"
        x = dense(weights, path, x)
        if index < count - 1:
            if bn:
                mean = x.mean(0) if is_training else weights[f"{path}/bn/moving_mean"]
                variance = x.var(0) if is_training else weights[f"{path}/bn/moving_variance"]
                x = (x - mean) / np.sqrt(variance + EPSILON) * weights[f"{path}/bn/gamma"] + weights[f"{path}/bn/beta"]
            x = np.maximum(x, 0)
    return x[:, 0]


def attend(scores: np.ndarray, *flats: np.ndarray) -> list[np.ndarray]:
    sums = [np.zeros([len(LENGTHS), flat.shape[1]]) for flat in flats]
    for row, length in enumerate(LENGTHS):
        own = scores[row == ROWS]
        for total, flat in zip(sums, flats):
            if length:
                total[row] = np.exp(own - own.max()) @ flat[row == ROWS] / np.exp(own - own.max()).sum()
    return sums


LAYOUTS = [(False, False), (True, True), (True, False)]


@pytest.mark.parametrize("is_training", [False, True])
@pytest.mark.parametrize("rectangles", LAYOUTS)
def test_it_attends_to_the_keys_of_all_maps_and_sums_further_histories_alike(is_training, rectangles):
    keys, histories, aux = keys_of(3, 4), histories_of(3, 4), histories_of(2, 6)
    layer, weights, _ = make(SMALL, keys, histories, aux)
    shapes = {name: value.shape for name, value in weights.items()}
    assert shapes == {
        "seq_dnng/dnn_0/kernel": (28, 5),
        "seq_dnng/dnn_0/bias": (5,),
        "seq_dnng/dnn_1/kernel": (5, 1),
        "seq_dnng/dnn_1/bias": (1,),
    }
    query, history = np.concatenate(keys, 1), np.concatenate(histories, 1)
    sums = attend(scores(weights, query, history), history, *aux)
    result = run(layer, keys, histories, aux, is_training, rectangles)
    assert layer.width == 7 + 2 + 6 + 7
    np.testing.assert_allclose(result, np.concatenate([*sums, query], 1), rtol=1e-5, atol=1e-6)


def test_the_query_is_left_out_where_need_key_feature_is_false():
    keys, histories = keys_of(4), histories_of(4)
    layer, weights, _ = make(SMALL + "need_key_feature: false", keys, histories)
    assert layer.width == 4
    expected = attend(scores(weights, keys[0], histories[0]), histories[0])[0]
    np.testing.assert_allclose(run(layer, keys, histories), expected, rtol=1e-5, atol=1e-6)


def test_a_narrow_key_is_padded():
    keys, histories = keys_of(3), histories_of(5)
    layer, weights, _ = make(SMALL + "allow_key_transform: true", keys, histories)
    query = np.pad(keys[0], [[0, 0], [0, 2]])
    sums = attend(scores(weights, query, histories[0]), histories[0])
    np.testing.assert_allclose(run(layer, keys, histories), np.concatenate([*sums, query], 1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("key_width, text", [(3, "transform_dnn: true"), (7, ""), (7, "transform_dnn: true")])
def test_a_layer_brings_key_and_history_to_the_width_of_the_history(key_width, text):
    keys, histories = keys_of(key_width), histories_of(5)
    layer, weights, build = make(SMALL + "allow_key_transform: true " + text, keys, histories)
    names = [f"sequence_{part}_transform_layer_seq_dnng" for part in ("key", "fea")]
    assert [weights[f"{name}/kernel"].shape for name in names] == [(key_width, 5), (5, 5)]
    query, history = (dense(weights, name, x) for name, x in zip(names, (keys[0], histories[0])))
    sums = attend(scores(weights, query, history), history)
    np.testing.assert_allclose(run(layer, keys, histories), np.concatenate([*sums, query], 1), rtol=1e-5, atol=1e-5)
    assert [variable.shape[0] for variable in build.regularized] == [20, 5], "l2 does not reach the transforms"


def test_a_transform_is_not_made_for_equal_widths():
    keys, histories = keys_of(5), histories_of(5)
    _, weights, _ = make(SMALL + "allow_key_transform: true transform_dnn: true", keys, histories)
    assert not any("transform" in name for name in weights)


@pytest.mark.parametrize("is_rectangle", [False, True])
def test_the_default_layers_have_norms_that_count_real_steps_only(is_rectangle):
    keys, histories = keys_of(4), histories_of(4)
    layer, weights, build = make('group_name: "g"', keys, histories)
    kernels = [value.shape for name, value in weights.items() if name.endswith("kernel")]
    assert kernels == [(16, 128), (128, 64), (64, 32), (32, 1)]
    norms = {name.split("/")[1] for name in weights if "/bn/" in name}
    assert norms == {"dnn_0", "dnn_1", "dnn_2"}
    for is_training in (False, True):
        own = scores(weights, keys[0], histories[0], is_training=is_training, bn=True)
        expected = np.concatenate([*attend(own, histories[0]), keys[0]], 1)
        result = run(layer, keys, histories, (), is_training, (is_rectangle, is_rectangle))
        np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-3)
    first = dense(weights, "seq_dnng/dnn_0", match(keys[0][ROWS], histories[0]))
    moved = MOMENTUM * weights["seq_dnng/dnn_0/bn/moving_mean"] + (1 - MOMENTUM) * first.mean(0)
    np.testing.assert_allclose(build.parameters["seq_dnng/dnn_0/bn/moving_mean"].read(), moved, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "dice", "prelu"])
def test_a_batch_without_a_step_gives_the_queries_and_leaves_statistics_alone(activation):
    keys, histories = keys_of(4), histories_of(4)
    text = f'group_name: "g" seq_dnn {{ hidden_units: [3, 1] activation: "{activation}" }}'
    layer, before, build = make(text, keys, histories)
    nothing = Segments(tf.zeros([0, 4]), tf.zeros([0], tf.int32), tf.zeros([4], tf.int32))
    with tf.GradientTape() as tape:
        result = layer([tf.constant(keys[0])], [nothing], [], call(True))
    np.testing.assert_array_equal(result, np.concatenate([np.zeros([4, 4]), keys[0]], 1))
    for gradient in tape.gradient(result, layer.trainable_variables):
        assert gradient is None or not np.isnan(gradient).any()
    for name, parameter in build.parameters.items():
        np.testing.assert_allclose(parameter.read(), before[name], rtol=1e-6, err_msg=name)


def test_gradients_are_those_of_the_formula_in_both_layouts():
    """The formula is differentiated numerically, in float64."""
    keys, histories, aux = keys_of(3), histories_of(3), histories_of(2)
    layer, weights, build = make(SMALL, keys, histories, aux)
    upstream = numbers(7, len(LENGTHS), layer.width)

    def loss(weights, query, history):
        sums = attend(scores(weights, query, history), history, aux[0])
        return float(np.sum(np.concatenate([*sums, query], 1) * upstream))

    def slope(change) -> float:
        return (change(1e-5) - change(-1e-5)) / 2e-5

    def changed(array, step):
        copy = array.astype(float)
        copy.flat[0] += step
        return copy

    query, history = keys[0].astype(float), histories[0].astype(float)
    expected = {
        name: slope(lambda step, name=name: loss({**weights, name: changed(weights[name], step)}, query, history))
        for name in weights
    }
    expected["query"] = slope(lambda step: loss(weights, changed(query, step), history))
    expected["history"] = slope(lambda step: loss(weights, query, changed(history, step)))
    for is_rectangle in (False, True):
        sources = {name: parameter.variable for name, parameter in build.parameters.items()}
        sources["query"], own = tf.constant(keys[0]), steps(histories[0], is_rectangle)
        sources["history"] = own.values if is_rectangle else own.flat
        with tf.GradientTape() as tape:
            tape.watch([sources["query"], sources["history"]])
            again = Rectangle(own.values, own.lengths) if is_rectangle else own
            result = layer([sources["query"]], [again], [steps(aux[0], is_rectangle)], call(True))
            total = tf.reduce_sum(result * upstream)
        for name, gradient in tape.gradient(total, sources).items():
            assert not np.isnan(gradient).any(), name
            first = np.reshape(gradient, [-1])[0]
            np.testing.assert_allclose(first, expected[name], rtol=1e-4, atol=2e-5, err_msg=name)


def test_bfloat16_stays_near_and_weights_sum_to_1():
    keys, histories = keys_of(4), histories_of(4)
    layer, _, _ = make(SMALL, keys, histories)
    exact = run(layer, keys, histories)
    near = layer([tf.constant(keys[0])], [steps(histories[0])], [], call(False, tf.bfloat16))
    assert near.dtype == tf.float32
    np.testing.assert_allclose(near, exact, atol=0.1)
    ones = layer([tf.constant(keys[0])], [steps(np.ones_like(histories[0]))], [], call(False, tf.bfloat16))
    np.testing.assert_allclose(ones[0, :4], np.ones(4), atol=1e-6)


def test_rectangles_that_are_padded_differently_go_together():
    keys, histories = keys_of(3, 4), histories_of(3, 4)
    layer, _, _ = make(SMALL, keys, histories)
    parts = [steps(histories[0], True, longest=4), steps(histories[1], True, longest=9)]
    together = layer([tf.constant(key) for key in keys], parts, [], call(False))
    np.testing.assert_allclose(together, run(layer, keys, histories), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "text, widths, message",
    [
        (SMALL, ([], [4]), "has no key in any seq_att_map"),
        (SMALL, ([4], []), "has no hist_seq in any seq_att_map"),
        (SMALL, ([4], [6]), "keys of width 4 and histories of width 6.*allow_key_transform: true"),
        ("seq_dnn { hidden_units: [8, 4] }", ([4], [4]), r"seq_dnn.hidden_units \[8, 4\]; the last one .* is 1"),
        ("seq_dnn { }", ([4], [4]), r"seq_dnn.hidden_units \[\]"),
    ],
)
def test_what_cannot_be_built_is_refused(text, widths, message):
    with pytest.raises(ShapeFault, match=message):
        attention_width(config(text), *widths)
