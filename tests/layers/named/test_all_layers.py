"""What holds for every layer of block graphs: its declared shape, its gradients, both precisions, any batch."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.layers.named import LAYERS
from easymtl.layers.shapes import Array, History, Shape, ShapeFault, describe, vector
from easymtl.layers.steps import Rectangle, Segments
from tests.layers.named.building import NAME, Made, as_tensors, evaluation, make, training, values, vectors

FIELDS = Array((None, 3, 4))
THREE = vectors(4, 4, 4)
MLP = "hidden_units: 5 use_final_bias: true"
MASKS = "mask_blocks { aggregation_size: 5 output_size: 3 } mask_blocks { aggregation_size: 4 }"
# Parameters, and what goes in.
EXAMPLES: dict[str, list[tuple[str, Shape]]] = {
    "MLP": [(f"{MLP} dropout_ratio: 0.1", vector(4)), (MLP, FIELDS)],
    "Highway": [("emb_size: 6 num_layers: 2 dropout_rate: 0.1", vector(4)), ("", vector(4))],
    "Gate": [("", vectors(2, 4, 4)), (f"weight_index: 2 mlp {{ {MLP} }}", vectors(4, 4, 2))],
    "FM": [("", THREE), ("use_variant: true", FIELDS)],
    "DotInteraction": [("", THREE), ("self_interaction: true", FIELDS), ("skip_gather: true", FIELDS)],
    "Cross": [("", vectors(4, 4)), ("projection_dim: 2 diag_scale: 0.5 preactivation: 'tanh'", vector(4))],
    "CIN": [("hidden_feature_sizes: [3, 2]", FIELDS)],
    "SENet": [("", vectors(4, 6, 2)), ("num_squeeze_group: 1 use_output_layer_norm: false", FIELDS)],
    "BiLinear": [
        (f"type: '{kind}' use_plus: {plus} num_output_units: 5", THREE)
        for kind in ("all", "each", "interaction")
        for plus in ("true", "false")
    ],
    "FiBiNet": [(f"bilinear {{ type: 'all' num_output_units: 5 }} mlp {{ {MLP} }}", THREE)],
    "MaskBlock": [
        ("aggregation_size: 5", vector(4)),
        ("reduction_factor: 1.5 output_size: 3 projection_dim: 2 input_layer_norm: true", vectors(4, 6)),
    ],
    "MaskNet": [
        (
            f"{MASKS} {rest}",
            vector(4),
        )
        for rest in ("", f"use_parallel: false mlp {{ {MLP} }}")
    ],
    "MMoE": [
        (f"num_task: 2 num_expert: 3 expert_mlp {{ {MLP} }}", vector(4)),
        ("num_task: 2", vectors(4, 4, 6)),
        ("num_expert: 0", vector(4)),
    ],
    "AITMTower": [(f"transfer_mlp {{ {MLP} }} project_dim: 3", vectors(4, 6, 6)), ("", vector(4))],
    "PPNet": [
        ("mlp { hidden_units: [5, 3] } gate_params { use_bn: true dropout_rate: 0.1 }", vectors(4, 2)),
        ("mlp { hidden_units: [5, 3] } gate_params { hidden_dim: 4 } mode: 'lazy'", vectors(4, 2)),
    ],
    "PeriodicEmbedding": [
        ("embedding_dim: 4 sigma: 0.5", vector(3)),
        ("embedding_dim: 4 sigma: 0.5 add_linear_layer: false output_3d_tensor: true", vector(3)),
    ],
    "AutoDisEmbedding": [("embedding_dim: 4 num_bins: 3 temperature: 0.8 output_tensor_list: true", vector(3))],
    "NaryDisEmbedding": [
        ("embedding_dim: 4 multiplier: 10", vector(3)),
        ("embedding_dim: 4 carries: [3, 10, 16] num_replicas: 2 output_3d_tensor: true", vector(3)),
    ],
    "AuxiliaryLoss": [(f"loss_type: '{kind}'", vectors(4, 4)) for kind in ("l2_loss", "info_nce", "nce_loss")],
    "Dense": [("units: 5 activation: 'tanh'", vector(4)), ("units: 5 use_bias: false", FIELDS)],
    "Dropout": [("rate: 0.5", FIELDS)],
    "GaussianNoise": [("stddev: 0.5", vector(4))],
    "LayerNormalization": [("", FIELDS), ("center: false", vector(4)), ("scale: false", vector(4))],
    "BatchNormalization": [("", FIELDS), ("momentum: 0.5 epsilon: 0.1", vector(4))],
    "Activation": [("activation: 'gelu'", FIELDS)],
    "ReLU": [("max_value: 0.5 negative_slope: 0.1 threshold: 0.2", FIELDS)],
    "LeakyReLU": [("", vector(4))],
    "ELU": [("alpha: 0.5", vector(4))],
    "PReLU": [("", FIELDS)],
    "Softmax": [("", FIELDS)],
    **{
        name: [("", [FIELDS, FIELDS]), ("", [vector(4), vector(1)])]
        for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
    },
    "Concatenate": [("", vectors(4, 3, 2)), ("axis: 1", [FIELDS, FIELDS])],
    "Dot": [("axes: 1", vectors(4, 4)), ("axes: -1 normalize: true", vectors(4, 4))],
    "Flatten": [("", FIELDS)],
    "Reshape": [("target_shape: [2, -1, 3]", FIELDS)],
    "GlobalAveragePooling1D": [("", FIELDS)],
    "GlobalMaxPooling1D": [("", FIELDS)],
}
CASES = [
    pytest.param(name, *case, id=f"{name}-{i}") for name, cases in EXAMPLES.items() for i, case in enumerate(cases)
]
OF_HISTORIES = [
    ("MLP", MLP),
    ("Dense", "units: 5"),
    ("Dropout", "rate: 0.5"),
    ("BatchNormalization", ""),
    ("LayerNormalization", ""),
    ("PReLU", ""),
    ("GlobalAveragePooling1D", ""),
    ("GlobalMaxPooling1D", ""),
]


def test_the_guide_has_every_layer():
    guide = (Path(__file__).parents[3] / "docs/guides/block-layers.md").read_text(encoding="utf-8")
    assert [name for name in EXAMPLES if f"`{name}`" not in guide] == []


def flat(value: object) -> list[tf.Tensor]:
    return tf.nest.flatten(value)


def shapes_of(value: object) -> object:
    if isinstance(value, list | tuple):
        return type(value)(shapes_of(one) for one in value)
    return tuple(value.shape)


def expected(shape: Shape, rows: int) -> object:
    if isinstance(shape, list | tuple):
        return type(shape)(expected(one, rows) for one in shape)
    return tuple(rows if size is None else size for size in shape.sizes)


@pytest.mark.parametrize(("name", "text", "inputs"), CASES)
def test_results_have_the_declared_shape_and_are_finite(name, text, inputs):
    made = make(name, text, inputs)
    for rows in (1, 6):
        for call in (training(), evaluation()):
            result = made(values(inputs, rows=rows), call)
            assert shapes_of(result) == expected(made.shape, rows)
            assert all(np.isfinite(tensor).all() for tensor in flat(result))


@pytest.mark.parametrize(("name", "text", "inputs"), CASES)
def test_a_worker_without_rows_has_no_share_in_any_gradient(name, text, inputs):
    made = make(name, text, inputs)
    trained = list(made.layer.trainable_variables)
    with tf.GradientTape() as tape:
        result = made(values(inputs, rows=0), training())
        # Losses of layers are weighed by the rows that they are means of.
        loss = tf.add_n([tf.constant(0.0), *(tf.reduce_sum(one) for one in flat(result) if one.shape.rank)])
    assert shapes_of(result) == expected(made.shape, 0)
    for gradient in tape.gradient(loss, trained, unconnected_gradients=tf.UnconnectedGradients.ZERO):
        assert not np.any(gradient)


@pytest.mark.parametrize(("name", "text", "inputs"), CASES)
def test_every_weight_learns(name, text, inputs):
    made = make(name, text, inputs)
    with tf.GradientTape() as tape:
        tensors = flat(made(values(inputs), training()))
        weighted = [tensor * (values(Array(tuple(tensor.shape)), seed=9) + 2) for tensor in tensors]
        loss = tf.add_n([tf.reduce_sum(tf.cast(tensor, tf.float32) ** 2) for tensor in weighted])
    trained = {name: p.variable for name, p in made.build.parameters.items() if p.variable.trainable}
    gradients = dict(zip(trained, tape.gradient(loss, list(trained.values())), strict=True))
    idle = {name for name, gradient in gradients.items() if gradient is None or not np.any(gradient)}
    # Of AITM's attention only the row of the own tower is read; what softmax takes away again has no gradient.
    idle = {name for name in idle if not name.startswith((f"{NAME}/query_1", f"{NAME}/query_2"))}
    assert idle == set()
    assert all(isinstance(gradient, tf.Tensor) for gradient in gradients.values() if gradient is not None)


@pytest.mark.parametrize(("name", "text", "inputs"), CASES)
def test_bfloat16_comes_near_float32(name, text, inputs):
    made = make(name, text, inputs)
    x = values(inputs)
    for low, high in zip(flat(made(x, evaluation(tf.bfloat16))), flat(made(x, evaluation())), strict=True):
        high = high.numpy()
        np.testing.assert_allclose(tf.cast(low, tf.float32), high, atol=0.06 * max(1.0, np.abs(high).max()))


@pytest.mark.parametrize(("name", "text", "inputs"), [CASES[0], *(case for case in CASES if case.id.endswith("-1"))])
def test_a_graph_takes_any_number_of_rows(name, text, inputs):
    made = make(name, text, inputs)
    specs = tf.nest.map_structure(lambda x: tf.TensorSpec([None, *x.shape[1:]]), as_tensors(values(inputs)))
    run = tf.function(lambda x: made.layer(x, evaluation()), input_signature=[specs], autograph=False)
    x = as_tensors(values(inputs, rows=3))
    for found, wanted in zip(flat(run(x)), flat(made.layer(x, evaluation())), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
        assert found.shape.rank == wanted.shape.rank


@pytest.mark.parametrize(("name", "text", "inputs"), CASES)
def test_weights_stand_in_the_scope_of_the_layer(name, text, inputs):
    scope = "b/" if name == "CIN" else f"{NAME}/"
    assert all(parameter.startswith(scope) for parameter in make(name, text, inputs).build.parameters)


@pytest.mark.parametrize("name", EXAMPLES)
def test_texts_and_nothing_are_refused(name):
    [(text, _), *_] = EXAMPLES[name]
    if text == "num_expert: 0":
        return
    texts = Array((None, 4), tf.string)
    wrong = [None] if name in ("Flatten", "Reshape") else [None, texts, [texts, texts], Array((None,))]
    for shape in wrong:
        with pytest.raises(ShapeFault, match="is given"):
            LAYERS[name].layer.shape(text_format.Parse(text, LAYERS[name].message()), shape)


def history(seed: int = 3, lengths: tuple[int, ...] = (2, 0, 3, 1)) -> Segments:
    flat_values = np.random.default_rng(seed).normal(size=[sum(lengths), 4])
    rows = np.repeat(np.arange(len(lengths)), lengths)
    return Segments(tf.constant(flat_values, tf.float32), tf.constant(rows, tf.int32), tf.constant(lengths))


def padded_with_nan(steps: Segments) -> Rectangle:
    rectangle = steps.rectangle()
    nothing = tf.fill(tf.shape(rectangle.values), np.float32("nan"))
    return Rectangle(tf.where(rectangle.mask()[:, :, tf.newaxis], rectangle.values, nothing), rectangle.lengths)


def real(result: object) -> np.ndarray:
    return (result if isinstance(result, tf.Tensor) else result.segments().flat).numpy()


@pytest.mark.parametrize(("name", "text"), OF_HISTORIES)
def test_histories_give_the_same_in_both_layouts_and_padding_counts_nowhere(name, text):
    results, moved = [], []
    for layout in (lambda steps: steps, padded_with_nan):
        made: Made = make(name, text, History(4))
        assert describe(made.shape) in ("[batch, steps, 4]", "[batch, steps, 5]", "[batch, 4]")
        results.append([real(made(layout(history()), call)) for call in (training(), evaluation())])
        moved.append([variable.numpy() for variable in made.layer.variables])
    for segments, rectangle in zip(*results, strict=True):
        np.testing.assert_allclose(segments, rectangle, rtol=1e-5, atol=1e-6)
        assert np.isfinite(segments).all()
    for one, other in zip(*moved, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize(("name", "text"), OF_HISTORIES)
def test_a_batch_without_a_single_step_leaves_no_nan(name, text):
    made = make(name, text, History(4))
    empty = history(lengths=(0, 0))
    assert np.isfinite(real(made(empty, training()))).all()
    assert all(np.isfinite(variable).all() for variable in made.layer.variables)
