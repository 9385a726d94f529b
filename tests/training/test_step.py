"""One update: its gradient, clipping, freezing, and what it reports."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.features.encoder import batch_signature, to_tensors
from easymtl.layers.context import Call
from easymtl.serving.kernels import has_gpu_kernel
from easymtl.tasks.ranker import Ranker
from easymtl.training.inputs import TrainingInput
from easymtl.training.optimizers import Optimizers
from easymtl.training.precision import dtype_of
from easymtl.training.step import make_train_step
from easymtl.training.step_values import StepValues
from tests.training.small_runs import small_config, write_data

SGD = (
    "train_config.optimizer_config[0].momentum_optimizer.momentum_optimizer_value=0",
    "train_config.optimizer_config[0].momentum_optimizer.learning_rate.constant_learning_rate.learning_rate=1",
)

PLACES = {"mmoe/expert_1/dnn_0/kernel": (0, 3), "cvr/dnn_0/bn/gamma": (1,), "dnn_output_0/bias": (0,)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("step")
    write_data(folder)
    return folder


@pytest.fixture(scope="module")
def update(folder):
    """One update without anything special."""
    return Update(folder)


class Update:
    """One update of a small model by plain gradient descent of rate 1: weights move by their gradient."""

    def __init__(self, folder, *overrides: str):
        pipeline = small_config(folder, *SGD, *overrides).pipeline
        self.ranker = Ranker(pipeline)
        with TrainingInput(pipeline, self.ranker, None).feed as feed:
            self.batch = to_tensors(next(feed).rows)
        self.before = self.weights()
        settings = pipeline.train_config
        variables = list(self.ranker.embeddings.variables_by_width.values())
        optimizers = Optimizers(settings.optimizer_config, variables, self.ranker.dense_variables)
        self.step = tf.Variable(0, dtype=tf.int64)
        signature = batch_signature(self.batch)
        dtype = dtype_of(settings.mixed_precision)
        self.train_step = make_train_step(self.ranker, optimizers, self.step, settings, dtype, signature)
        values = self.train_step(self.batch, np.ones(2, np.float32))
        self.losses = {name: float(value) for name, value in StepValues.of(values).losses.items()}

    def weights(self) -> dict[str, np.ndarray]:
        return {
            name: parameter.read().numpy()
            for name, parameter in self.ranker.parameters.items()
            if not name.endswith(("count", "moving_mean", "moving_variance"))
        }

    def moves(self) -> dict[str, np.ndarray]:
        return {name: self.before[name] - value for name, value in self.weights().items()}


def global_norm(arrays) -> float:
    return float(np.sqrt(sum(np.sum(np.square(array, dtype=np.float64)) for array in arrays)))


def test_the_update_descends_the_sum_of_the_losses(update):
    losses = dict(update.losses)
    total = losses.pop("loss")
    assert set(losses) == {"cross_entropy_loss_ctr", "cross_entropy_loss_cvr", "regularization_loss"}
    assert total == pytest.approx(sum(losses.values()), rel=1e-6)
    assert int(update.step) == 1


def test_a_weight_moves_by_its_numerical_gradient(folder):
    update = Update(folder, "model_config.mmoe.expert_dnn.dropout_ratio=[0, 0]")
    moves = update.moves()
    for name, value in update.before.items():
        update.ranker.parameters[name].assign(value)
    for name, place in (
        ("mmoe/expert_1/dnn_0/kernel", (0, 3)),
        ("cvr/dnn_0/bn/gamma", (1,)),
        ("dnn_output_0/bias", (0,)),
    ):
        assert moves[name][place] == pytest.approx(slope(update, name, place), rel=0.02, abs=1e-4)


def slope(update: Update, name: str, place: tuple[int, ...]) -> float:
    """Returns the central difference of the loss by one number of a parameter."""
    parameter, step = update.ranker.parameters[name], 3e-3
    value, totals = update.before[name], []
    for sign in (1, -1):
        moved = value.copy()
        moved[place] += sign * step
        parameter.assign(moved)
        batch = {key: tf.constant(array) for key, array in update.batch.items()}
        call = Call(training=True, seed=tf.constant([5, 0], tf.int64))
        totals.append(float(update.ranker.losses(batch, update.ranker.embeddings.lookup(batch), call).total))
    parameter.assign(value)
    return (totals[0] - totals[1]) / (2 * step)


def test_clipping_scales_all_gradients_to_the_global_norm(folder, update):
    free, clipped = update.moves(), Update(folder, "train_config.gradient_clipping_by_norm=0.01").moves()
    norm = global_norm(free.values())
    assert norm > 0.01
    assert global_norm(clipped.values()) == pytest.approx(0.01, rel=1e-3)
    for name, value in free.items():
        np.testing.assert_allclose(clipped[name], value * 0.01 / norm, rtol=2e-2, atol=1e-6, err_msg=name)


def test_clipping_leaves_small_gradients_alone(folder, update):
    free, clipped = update.moves(), Update(folder, "train_config.gradient_clipping_by_norm=1000").moves()
    for name, value in free.items():
        np.testing.assert_array_equal(clipped[name], value)


def test_what_is_frozen_is_out_of_the_norm(folder):
    frozen = 'train_config.freeze_gradient=["input_layer", "mmoe"]'
    moves = Update(folder, "train_config.gradient_clipping_by_norm=0.01", frozen).moves()
    assert {name.split("/")[0] for name, value in moves.items() if np.any(value)} == {
        "ctr",
        "cvr",
        "dnn_output_0",
        "dnn_output_1",
    }
    assert global_norm(moves.values()) == pytest.approx(0.01, rel=1e-3)


def test_only_rows_of_the_batch_move(update):
    touched = np.zeros(60, bool)
    touched[update.batch["ids_4"]] = True
    touched[update.batch["bag_ids_4"]] = True
    moves = update.moves()
    tables = [moves[f"input_layer/{feature}_embedding/embedding_weights"] for feature in ("item", "tags")]
    moved = np.any(np.concatenate(tables) != 0, axis=1)
    np.testing.assert_array_equal(moved, touched)


def test_regularization_is_half_the_squares_of_kernels_and_of_looked_up_vectors(folder):
    update = Update(folder, "model_config.mmoe.l2_regularization=0.01", "model_config.embedding_regularization=0.1")
    kernels = [value for name, value in update.before.items() if name.endswith("/kernel")]
    assert len(kernels) == 2 * 2 + 2 + 2 + 2
    expected = 0.01 * sum(np.sum(kernel**2) for kernel in kernels) / 2
    items, tags = (update.before[f"input_layer/{name}_embedding/embedding_weights"] for name in ("item", "tags"))
    table = np.concatenate([items, tags])
    vectors = table[update.batch["ids_4"][:, 0]]
    bags = np.zeros_like(vectors)
    np.add.at(bags, update.batch["bag_segments_4"], table[update.batch["bag_ids_4"]])
    expected += 0.1 * (np.sum(vectors**2) + np.sum(bags**2)) / 2
    assert update.losses["regularization_loss"] == pytest.approx(expected, rel=1e-5)


def test_without_regularization_it_is_0(folder):
    off = ("model_config.mmoe.l2_regularization=0", "model_config.embedding_regularization=0")
    assert Update(folder, *off).losses["regularization_loss"] == 0.0


def test_the_order_of_label_fields_changes_nothing(folder, update):
    assert Update(folder, 'data_config.label_fields=["buy", "click"]').losses == update.losses


@pytest.mark.parametrize(("precision", "averages"), [("FLOAT32", "true"), ("BFLOAT16", "false")])
def test_every_operation_of_a_step_has_a_gpu_kernel(folder, precision, averages):
    optimizer = f"train_config.optimizer_config[0].use_moving_average={averages}"
    step = Update(folder, f"train_config.mixed_precision={precision}", optimizer).train_step
    graph = step.traced().graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    assert len(nodes) > 100
    assert [node.op for node in nodes if not has_gpu_kernel(node)] == []
