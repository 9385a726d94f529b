"""XLA for the dense part: measured on a GPU, off on processors, and the same numbers where it is on."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.features.encoder import batch_signature, to_tensors
from easymtl.peers.peers import Peers
from easymtl.protos.train_pb2 import TrainConfig
from easymtl.tasks.ranker import Ranker
from easymtl.training import compilation
from easymtl.training.compilation import decide, settle, settle_compilation
from easymtl.training.inputs import TrainingInput
from easymtl.training.optimizers import Optimizers
from easymtl.training.step import make_train_step
from easymtl.training.step_values import StepValues
from tests.peers.threads import make_devices
from tests.training.growing_runs import growing_config
from tests.training.small_runs import small_config, write_data
from tests.training.test_several_workers import assert_same_bytes, run_together

COMPILED, NOT_COMPILED, MEASURED = TrainConfig.COMPILED, TrainConfig.NOT_COMPILED, TrainConfig.MEASURED
FASTER, SLOWER = [(2.0, 1.0), (3.0, 1.5)], [(1.0, 2.0), (1.0, 0.95)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    make_devices()
    folder = tmp_path_factory.mktemp("compiled")
    write_data(folder)
    return folder


@pytest.fixture
def gpu(monkeypatch):
    """Has a measurement take the processor for a GPU, with the rounds that are put into the list."""
    rounds = []
    monkeypatch.setattr(compilation, "has_gpu", lambda: True)
    monkeypatch.setattr(compilation, "rounds_of", lambda *_: rounds)
    return rounds


def settled(folder, *overrides, peers=None):
    pipeline = small_config(folder, *overrides).pipeline
    ranker = Ranker(pipeline)
    return settle_compilation(pipeline, ranker, tf.float32, *([peers] if peers else []))


def test_a_processor_does_not_compile_and_says_nothing(folder):
    found = settled(folder)
    assert (found.choice, found.reason) == (NOT_COMPILED, "")
    told, pipeline = [], small_config(folder).pipeline
    assert settle(pipeline, Ranker(pipeline), Peers(), told.append) == tf.float32
    assert not told and pipeline.train_config.xla == MEASURED


@pytest.mark.parametrize(("rounds", "choice"), [(FASTER, COMPILED), (SLOWER, NOT_COMPILED)])
def test_a_gpu_compiles_what_each_round_finds_faster(folder, gpu, rounds, choice):
    gpu.extend(rounds)
    told, pipeline = [], small_config(folder).pipeline
    settle(pipeline, Ranker(pipeline), Peers(), told.append)
    [note] = told
    assert pipeline.train_config.xla == choice
    assert note.text.startswith(f"xla MEASURED: {TrainConfig.Xla.Name(choice)}, because the network takes ")


@pytest.mark.parametrize("rounds", [[(1.0, 0.95), (1.0, 0.96)], [(1.0, 0.5), (0.9, 0.95)]])
def test_what_is_not_clearly_faster_is_not_compiled(rounds):
    found = decide(rounds)
    assert found.choice == NOT_COMPILED and found.reason.endswith("which is not clearly faster")


def test_what_was_found_stays_with_the_model_dir(folder, gpu):
    gpu.extend(SLOWER)
    (folder / "model").mkdir(exist_ok=True)
    written = folder / "model" / "pipeline.config"
    written.write_text(small_config(folder, "train_config.xla=COMPILED").text())
    found = settled(folder)
    written.unlink()
    assert (found.choice, found.reason) == (COMPILED, f"this model_dir was begun so ({written})")


def test_a_network_that_xla_refuses_is_not_compiled(folder, monkeypatch):
    def refuse(*_):
        raise tf.errors.InvalidArgumentError(None, None, "no such kernel\nand more")

    monkeypatch.setattr(compilation, "has_gpu", lambda: True)
    monkeypatch.setattr(compilation, "rounds_of", refuse)
    found = settled(folder)
    assert (found.choice, found.reason) == (NOT_COMPILED, "XLA does not compile this network: no such kernel")


def test_histories_and_synced_norms_are_not_measured(folder, tmp_path, gpu):
    pipeline = growing_config(tmp_path).pipeline
    found = settle_compilation(pipeline, Ranker(pipeline), tf.float32)
    assert found.choice == NOT_COMPILED and "histories" in found.reason
    several = Peers()
    several.size = 2
    found = settled(folder, "train_config.sync_batch_norm=true", peers=several)
    assert found.choice == NOT_COMPILED and "sync_batch_norm" in found.reason


@pytest.mark.slow
def test_both_kinds_are_measured_in_turns(folder):
    pipeline = small_config(folder, "data_config.batch_size=8").pipeline
    rounds = compilation.rounds_of(pipeline, Ranker(pipeline), tf.float32)
    assert len(rounds) >= 3 and all(seconds > 0 for one in rounds for seconds in one)


@pytest.mark.slow
def test_a_compiled_step_makes_the_same_update(folder):
    # Dropout draws other values there.
    dnn = "model_config.mmoe.expert_dnn.dropout_ratio=[0, 0]"
    plain, by_xla = (Update(folder, xla, dnn) for xla in ("NOT_COMPILED", "COMPILED"))
    assert by_xla.losses == pytest.approx(plain.losses, rel=1e-5)
    assert any("moving_mean" in name for name in plain.weights)
    for name, value in plain.weights.items():
        np.testing.assert_allclose(by_xla.weights[name], value, rtol=1e-4, atol=1e-5, err_msg=name)
    assert "_XlaMustCompile" in by_xla.graph and "_XlaMustCompile" not in plain.graph


@pytest.mark.slow
def test_a_compiled_step_of_two_workers_takes_one_without_rows(folder):
    pipeline = small_config(folder, "train_config.xla=COMPILED", "model_config.variational_dropout={}").pipeline
    with TrainingInput(pipeline, Ranker(pipeline), None).feed as feed:
        rows = [next(feed).rows]
    runs = run_together(pipeline, rows, (32, 0))
    assert [run.step for run in runs] == [1, 1]
    assert_same_bytes(runs)
    assert all(np.isfinite(value).all() for value in runs[0].weights.values())


def test_what_layers_hand_on_comes_out_of_a_compiled_network(folder, op_by_op):
    dropout = "model_config.variational_dropout={regularization_lambda: 0.01}"
    plain, by_xla = (Update(folder, xla, dropout) for xla in ("NOT_COMPILED", "COMPILED"))
    assert "variational_dropout_loss" in plain.losses and by_xla.losses == plain.losses
    for name, value in plain.weights.items():
        np.testing.assert_array_equal(by_xla.weights[name], value, err_msg=name)


class Update:
    """Two updates by gradient descent, on a full batch and a short one."""

    def __init__(self, folder, xla, *overrides):
        rate = "learning_rate { constant_learning_rate { learning_rate: 0.1 } }"
        descent = f"train_config.optimizer_config[0]={{momentum_optimizer {{ {rate} }}}}"
        pipeline = small_config(folder, descent, f"train_config.xla={xla}", *overrides).pipeline
        ranker, settings = Ranker(pipeline), pipeline.train_config
        with TrainingInput(pipeline, ranker, None).feed as feed:
            rows = [next(feed).rows, next(feed).rows.slice(0, 20)]
        batches = [to_tensors(one) for one in rows]
        tables = list(ranker.embeddings.variables_by_width.values())
        optimizers = Optimizers(settings.optimizer_config, tables, ranker.dense_variables)
        step, signature = tf.Variable(0, dtype=tf.int64), batch_signature(batches[0])
        run = make_train_step(ranker, optimizers, step, settings, tf.float32, signature)
        for batch in batches:
            values = StepValues.of(run(batch, np.full(2, 0.1, np.float32)))
        self.losses = {name: float(value) for name, value in values.losses.items()}
        self.weights = {name: parameter.read().numpy() for name, parameter in ranker.parameters.items()}
        self.graph = "" if tf.config.functions_run_eagerly() else str(run.traced().graph.as_graph_def())
