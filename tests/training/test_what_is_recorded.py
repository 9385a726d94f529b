"""What a training tells beside its losses: gates, curves and tables at each evaluation, and points of short curves."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.checkpoints.restore import load_ranker
from easymtl.features.encoder import to_tensors
from easymtl.layers.context import Call
from easymtl.reporting.history import History, read_history
from easymtl.reporting.history_table import history_table
from easymtl.scoring.evaluation import evaluate
from easymtl.scoring.feed import evaluation_feed
from easymtl.scoring.gate_tally import GateTally
from easymtl.scoring.scorer import RankerScorer
from easymtl.training import events
from easymtl.training.trainer import Trainer
from tests.training.small_runs import of_kind, small_config, train, write_data

pytestmark = pytest.mark.usefixtures("op_by_op")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded")
    write_data(folder)
    result, told = train(folder)
    return folder, result, told


def test_every_evaluation_tells_of_the_gates_of_the_weights_that_it_scored_with(trained):
    folder, result, told = trained
    gates = of_kind(told, events.Gates)
    assert [event.step for event in gates] == [event.step for event in of_kind(told, events.Evaluated)] == [3, 6]
    pipeline = small_config(folder).pipeline
    ranker = load_ranker(pipeline, result.checkpoint)
    with evaluation_feed(pipeline, RankerScorer(ranker, tf.float32).encoder([]), f"{folder}/eval.csv") as feed:
        [rows] = [batch.rows for batch in feed]
    batch = {name: tf.constant(value) for name, value in to_tensors(rows).items()}
    vectors = ranker.embeddings.vectors(batch, ranker.embeddings.lookup(batch))
    x = ranker.network.input_layer(vectors, Call())["all"].numpy().astype(np.float64)
    for index, task in enumerate(("ctr", "cvr")):
        kernel, bias = (
            ranker.parameters[f"mmoe/gate_{index}/dnn/{part}"].read().numpy() for part in ("kernel", "bias")
        )
        scores = np.exp(x @ kernel + bias)
        weights = scores / scores.sum(axis=1, keepdims=True)
        assert list(gates[-1].weights[task]) == ["expert_0", "expert_1"]
        np.testing.assert_allclose(list(gates[-1].weights[task].values()), weights.mean(axis=0), rtol=1e-5)
        entropy = -(weights * np.log(weights)).sum(axis=1).mean() / np.log(2)
        assert gates[-1].entropy[task] == pytest.approx(entropy, rel=1e-4)
        assert gates[-1].counts[task].sum() == 70 * 2


def test_an_evaluation_of_several_batches_counts_each_row_once(trained):
    folder, result, told = trained
    pipeline = small_config(folder, "data_config.eval_batch_size=16").pipeline
    ranker, tally = load_ranker(pipeline, result.checkpoint), GateTally()
    evaluate(pipeline, ranker.tasks, RankerScorer(ranker, tf.float32, gates=tally))
    last = of_kind(told, events.Gates)[-1]
    for task, use in tally.result().items():
        assert use.weights == pytest.approx(last.weights[task], rel=1e-5)
        np.testing.assert_array_equal(use.counts, last.counts[task])


def test_gates_share_out_1_in_bfloat16(tmp_path):
    write_data(tmp_path)
    _, told = train(tmp_path, "train_config.mixed_precision=BFLOAT16", "train_config.num_steps=3")
    (gates,) = of_kind(told, events.Gates)
    assert all(sum(weights.values()) == pytest.approx(1.0, abs=1e-5) for weights in gates.weights.values())


def test_a_model_without_gates_tells_of_none(tmp_path):
    write_data(tmp_path)
    towers = " ".join(f'task_towers {{ tower_name: "{name}" label_name: "{name}" }}' for name in ("click", "buy"))
    _, told = train(tmp_path, f"model_config.simple_multi_task={{ {towers} }}", "train_config.num_steps=3")
    assert of_kind(told, events.Evaluated) and not of_kind(told, events.Gates)


def test_evaluations_bring_curves_and_what_reads_tables(trained):
    _, result, told = trained
    last = of_kind(told, events.Evaluated)[-1]
    assert list(last.thresholds) == ["ctr", "cvr"]
    assert last.thresholds["ctr"].true_negatives[0] == 0 and last.thresholds["ctr"].recall[0] == 1
    assert set(last.tables) == {"all/item", "all/tags"}
    ranker = load_ranker(small_config(trained[0]).pipeline, result.checkpoint)
    for name, rows in (("item", 40), ("tags", 20)):
        (table,) = [parameter.read().numpy() for key, parameter in ranker.parameters.items() if f"/{name}_" in key]
        np.testing.assert_array_equal(last.tables[f"all/{name}"](100), table)
        np.testing.assert_array_equal(last.tables[f"all/{name}"](3), table[[0, (rows - 1) // 2, rows - 1]])


def test_a_training_of_a_few_steps_has_a_curve_that_goes_on_where_it_is_continued(tmp_path):
    write_data(tmp_path)
    with History(tmp_path / "model") as history:
        Trainer(small_config(tmp_path, "train_config.num_steps=4"), history).run()
    with History(tmp_path / "model") as history:
        Trainer(small_config(tmp_path, "train_config.num_steps=7"), history).run()
    table = history_table(read_history(tmp_path / "model"))
    assert table["step"].to_pylist() == [1, 2, 3, 4, 5, 6, 7]
    assert table["train_loss"].null_count == 0
    assert [step for step, auc in zip(*table.select(["step", "eval_auc_ctr"]).to_pydict().values()) if auc] == [
        3,
        4,
        6,
        7,
    ]
    assert table["gate_ctr:expert_1"].null_count == 3
