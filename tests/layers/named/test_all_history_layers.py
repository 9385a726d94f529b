"""What holds for every layer of block graphs that reads histories: layouts, gradients, precisions, batches."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.config_coverage import layer_messages
from easymtl.layers.named import LAYERS
from easymtl.layers.shapes import Array, History, Shape, ShapeFault, vector
from easymtl.layers.steps import Rectangle, Segments, Steps
from easymtl.serving.kernels import has_gpu_kernel
from tests.layers.histories import LENGTHS, LENGTHS_SHAPE, inputs, numbers, rectangle, rows_of, segments
from tests.layers.named.building import evaluation, make, refusal, training
from tests.layers.named.test_all_layers import EXAMPLES

WIDTH, ROWS = 4, len(LENGTHS)
HISTORY, QUERY = numbers(1, sum(LENGTHS), WIDTH), numbers(2, ROWS, WIDTH)
BST = "hidden_size: 4 num_attention_heads: 2 num_hidden_layers: 1 intermediate_size: 5 max_position_embeddings: 4"
BLOCK = "hidden_size: 4 num_attention_heads: 2"
THREE = [History(WIDTH)] * 3
CASES = [
    ("DIN", "attention_dnn { hidden_units: [6, 1] activation: 'dice' }", inputs(WIDTH, WIDTH)),
    ("DIN", "attention_dnn { hidden_units: [6, 1] } attention_normalizer: 'sigmoid'", inputs(WIDTH, 3)),
    ("BST", BST, inputs(WIDTH, WIDTH)),
    ("BST", f"{BST} output_all_token_embeddings: false target_item_position: 'tail'", inputs(WIDTH)),
    ("TextCNN", "filter_sizes: [1, 2] num_filters: [3, 2] pad_sequence_length: 5", inputs(WIDTH)),
    ("TextCNN", "filter_sizes: 2 num_filters: 3 pad_sequence_length: 3 mlp { hidden_units: 4 }", inputs(WIDTH)[:2]),
    ("SeqAugment", "", inputs(WIDTH)),
    ("Attention", "use_scale: true", THREE[:2]),
    ("MultiHeadAttention", "num_heads: 2 key_dim: 3 use_causal_mask: true", THREE),
    ("TransformerBlock", BLOCK, inputs(WIDTH)[:2]),
    ("TransformerBlock", BLOCK, History(WIDTH)),
]
OF_TOKENS = {"TransformerEncoder", "TextEncoder"}


def values(shape: Shape, steps: Steps, query: np.ndarray = QUERY):
    """Returns a value of a shape that is made of a history and a query."""
    if isinstance(shape, list | tuple):
        return type(shape)(values(one, steps, query) for one in shape)
    if isinstance(shape, History):
        return steps
    if shape == LENGTHS_SHAPE:
        return steps.lengths
    return None if shape is None else tf.constant(query[:, : shape.width], tf.float32)


def real(result: object) -> np.ndarray:
    """Returns what exists of a result."""
    first = result[0] if isinstance(result, tuple) else result
    first = first.segments().flat if isinstance(first, Steps) else first
    return tf.cast(first, tf.float32).numpy()


def test_every_layer_has_its_examples_and_its_place_in_the_guide():
    assert set(LAYERS) == set(EXAMPLES) | {name for name, _, _ in CASES} | OF_TOKENS
    guide = (Path(__file__).parents[3] / "docs/guides/block-layers.md").read_text(encoding="utf-8")
    assert [name for name in LAYERS if f"`{name}`" not in guide] == []


def test_the_table_that_is_read_as_text_is_this_one():
    assert layer_messages() == {name: row.message.DESCRIPTOR for name, row in LAYERS.items()}


@pytest.mark.parametrize(("name", "text", "shape"), CASES)
def test_both_layouts_give_the_same_in_training_and_in_evaluation(name, text, shape):
    results, moved = [], []
    for layout in (segments, rectangle):
        made = make(name, text.replace("hidden_size", "hidden_dropout_prob: 0 hidden_size"), shape)
        results.append([real(made.layer(values(shape, layout(HISTORY)), call())) for call in (training, evaluation)])
        moved.append([variable.numpy() for variable in made.layer.variables])
    for one, other in zip(*results, strict=True):
        assert np.isfinite(one).all() and one.size
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    for one, other in zip(*moved, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layout", [segments, rectangle])
@pytest.mark.parametrize(("name", "text", "shape"), CASES)
def test_every_weight_learns_and_padding_reaches_no_gradient(name, text, shape, layout):
    made = make(name, text, shape)
    steps = layout(HISTORY)
    source = steps.flat if isinstance(steps, Segments) else steps.values
    trained = {name: one.variable for name, one in made.build.parameters.items() if one.variable.trainable}
    with tf.GradientTape() as tape:
        tape.watch(source)
        steps = steps.replaced(source) if isinstance(steps, Segments) else Rectangle(source, steps.lengths)
        loss = tf.constant(0.0)
        for step in range(6 if name == "SeqAugment" else 1):
            result = made.layer(values(shape, steps), training(step))
            result = result[0] if isinstance(result, tuple) else result
            result = result.segments().flat if isinstance(result, Steps) else result
            loss += tf.reduce_sum(tf.cast(result, tf.float32) * numbers(5, *result.shape))
    gradients = tape.gradient(loss, [source, *trained.values()])
    for path, gradient in zip(["history", *trained], gradients, strict=True):
        assert isinstance(gradient, tf.Tensor) or path == "history", path
        gradient = tf.convert_to_tensor(gradient)
        assert np.isfinite(gradient).all(), path
        # The bias of keys shifts all scores alike, which softmax takes away.
        assert np.any(gradient) or path.endswith(("key/bias", "bias_1")), path


@pytest.mark.parametrize(("name", "text", "shape"), CASES)
def test_a_row_has_one_result_in_every_batch(name, text, shape):
    made = make(name, text, shape)
    together = made.layer(values(shape, segments(HISTORY)), evaluation())
    for row in (0, 2, 3):
        flat, lengths = HISTORY[rows_of() == row], (LENGTHS[row],)
        for layout in (segments, lambda flat, lengths: rectangle(flat, lengths, longest=6)):
            alone = real(made.layer(values(shape, layout(flat, lengths), QUERY[row : row + 1]), evaluation()))
            expected = together[0] if isinstance(together, tuple) else together
            if isinstance(expected, Steps):
                of_row = expected.segments()
                expected = of_row.flat[of_row.rows == row]
            else:
                expected = expected[row : row + 1]
            np.testing.assert_allclose(alone, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "text", "shape"), CASES)
def test_bfloat16_comes_near_float32(name, text, shape):
    made = make(name, text, shape)
    low, high = (
        real(made.layer(values(shape, segments(HISTORY)), evaluation(dtype))) for dtype in (tf.bfloat16, tf.float32)
    )
    np.testing.assert_allclose(low, high, atol=0.06 * max(1.0, np.abs(high).max()))
    assert np.isfinite(real(made.layer(values(shape, segments(HISTORY)), training(1, tf.bfloat16)))).all()


@pytest.mark.parametrize(("name", "text", "shape"), CASES)
def test_batches_without_a_step_or_a_row_leave_no_nan(name, text, shape):
    made = make(name, text, shape)
    for rows, call in ((2, training), (2, evaluation), (0, evaluation)):
        nothing = segments(np.zeros([0, WIDTH]), (0,) * rows)
        assert np.isfinite(real(made.layer(values(shape, nothing, QUERY[:rows]), call()))).all()
    assert all(np.isfinite(variable).all() for variable in made.layer.variables)


def traced(made, shape):
    """A layer as a graph of any number of rows and steps: (flat, rows, lengths, query) to the real steps it gives."""

    def run(flat, rows, lengths, query):
        steps = Segments(tf.ensure_shape(flat, [None, WIDTH]), rows, lengths)
        return real_of(made.layer(values_of(shape, steps, query), evaluation()))

    specs = [([None, WIDTH], tf.float32), ([None], tf.int32), ([None], tf.int32), ([None, WIDTH], tf.float32)]
    return tf.function(run, input_signature=[tf.TensorSpec(*one) for one in specs], autograph=False)


@pytest.mark.parametrize(("name", "text", "shape"), CASES)
def test_a_graph_takes_any_number_of_rows_and_steps(name, text, shape):
    made = make(name, text, shape)
    graph = traced(made, shape)
    steps, query = segments(HISTORY), tf.constant(QUERY, tf.float32)
    found = graph(steps.flat, steps.rows, steps.lengths, query)
    expected = graph.python_function(steps.flat, steps.rows, steps.lengths, query)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    declared = made.shape[0] if isinstance(made.shape, tuple) else made.shape
    assert found.shape[-1] == declared.width


@pytest.mark.parametrize(("name", "text", "shape"), CASES)
def test_a_gpu_has_a_kernel_for_all_that_is_not_pinned_to_the_cpu(name, text, shape):
    graph = traced(make(name, text, shape), shape).get_concrete_function().graph
    assert without_gpu_kernel(graph) == []


@pytest.mark.parametrize("text", ["transformer { %s vocab_size: 20 }", "vocab_file: 'vocab' transformer { %s }"])
def test_texts_are_read_on_the_cpu(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("vocab").write_text("[CLS]\n[SEP]\nred\n")
    made = make("TextEncoder", text % f"{BLOCK} max_position_embeddings: 8", [Array((None,), tf.string)])
    spec = tf.TensorSpec([None], tf.string)
    function = tf.function(
        lambda x: made.layer([x], evaluation()), input_signature=[spec], autograph=False
    ).get_concrete_function()
    assert without_gpu_kernel(function.graph) == []


def without_gpu_kernel(graph: tf.Graph) -> list[str]:
    nodes = [node for node in graph.as_graph_def().node if "CPU" not in node.device and node.op != "Placeholder"]
    return [node.op for node in nodes if not has_gpu_kernel(node)]


def real_of(result):
    first = result[0] if isinstance(result, tuple) else result
    return first.segments().flat if isinstance(first, Steps) else first


def values_of(shape: Shape, steps: Steps, query: tf.Tensor):
    if isinstance(shape, list | tuple):
        return type(shape)(values_of(one, steps, query) for one in shape)
    if isinstance(shape, History):
        return steps
    if shape == LENGTHS_SHAPE:
        return steps.lengths
    return None if shape is None else query[:, : shape.width]


@pytest.mark.parametrize("name", ["DIN", "BST", "TextCNN", "SeqAugment"])
@pytest.mark.parametrize(
    "shape",
    [
        None,
        vector(WIDTH),
        [History(WIDTH), History(WIDTH)],
        (History(WIDTH), vector(3)),
        (vector(WIDTH), LENGTHS_SHAPE),
        (History(WIDTH), LENGTHS_SHAPE, History(WIDTH)),
    ],
)
def test_what_is_no_history_is_refused(name, shape):
    [(text, _), *_] = [(text, one) for other, text, one in CASES if other == name]
    assert "as an input_layer with output_seq_and_normal_feature gives it, but is given" in refusal(name, text, shape)


def test_a_fault_is_told_apart_from_a_bug():
    with pytest.raises(ShapeFault):
        LAYERS["DIN"].layer.shape(LAYERS["DIN"].message(), vector(4))
