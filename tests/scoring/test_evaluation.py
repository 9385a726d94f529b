"""An evaluation is one pass: its numbers are those of all rows at once."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import log_loss, roc_auc_score

from easymtl.checkpoints.restore import find_checkpoint, load_ranker
from easymtl.errors import UserError
from easymtl.features.encoder import to_tensors
from easymtl.layers.context import Call
from easymtl.peers.peers import Peers
from easymtl.scoring.evaluation import evaluate
from easymtl.scoring.feed import evaluation_feed
from easymtl.scoring.scorer import RankerScorer
from easymtl.tasks.ranker import Ranker
from tests.peers.recorded import Recorded
from tests.training.small_runs import small_config, train, write_data

pytestmark = pytest.mark.usefixtures("op_by_op")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    write_data(folder)
    return folder


@pytest.fixture(scope="module")
def ranker(folder):
    return Ranker(small_config(folder).pipeline)


def run(folder, ranker, *overrides: str, dtype: tf.DType = tf.float32, paths: str | None = None):
    pipeline = small_config(folder, *overrides).pipeline
    return evaluate(pipeline, ranker.tasks, RankerScorer(ranker, dtype), paths)


def labels_and_probabilities(folder, ranker) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    pipeline = small_config(folder).pipeline
    with evaluation_feed(pipeline, RankerScorer(ranker, tf.float32).encoder([]), f"{folder}/eval.csv") as feed:
        [rows] = [batch.rows for batch in feed]
    batch = {name: tf.constant(value) for name, value in to_tensors(rows).items()}
    logits, _ = ranker.logits(batch, ranker.embeddings.lookup(batch), Call())
    return rows["numbers"], {name: value.numpy() for name, value in ranker.predictions(logits).items()}


def test_metrics_are_those_of_scikit_learn_over_all_rows(folder, ranker):
    labels, predictions = labels_and_probabilities(folder, ranker)
    result = run(folder, ranker, "data_config.eval_batch_size=16")
    assert result.num_examples == 70
    for index, name in enumerate(["ctr", "cvr"]):
        assert result.metrics[f"auc_{name}"] == pytest.approx(
            roc_auc_score(labels[:, index], predictions[f"probs_{name}"])
        )


def test_losses_are_means_over_the_rows_whatever_the_size_of_a_batch(folder, ranker):
    labels, predictions = labels_and_probabilities(folder, ranker)
    small, large = (run(folder, ranker, f"data_config.eval_batch_size={size}") for size in (32, 4096))
    expected = log_loss(labels[:, 0], predictions["probs_ctr"].astype(np.float64))
    for result in (small, large):
        assert result.metrics["cross_entropy_loss_ctr"] == pytest.approx(expected, rel=1e-5)
        total = sum(result.metrics[f"cross_entropy_loss_{name}"] for name in ("ctr", "cvr"))
        assert result.metrics["loss"] == pytest.approx(total)


def test_the_loss_of_a_task_space_is_the_mean_over_the_space(folder):
    tower = "model_config.mmoe.task_towers[1]"
    space = (f"{tower}.task_space_indicator_label=click", f"{tower}.out_task_space_weight=0", f"{tower}.weight=2")
    ranker = Ranker(small_config(folder, *space).pipeline)
    labels, predictions = labels_and_probabilities(folder, ranker)
    clicked = labels[:, 0] > 0
    expected = 2 * log_loss(labels[clicked, 1], predictions["probs_cvr"][clicked].astype(np.float64))
    for size in (8, 32, 4096):
        found = run(folder, ranker, *space, f"data_config.eval_batch_size={size}").metrics
        assert found["cross_entropy_loss_cvr"] == pytest.approx(expected, rel=1e-5)


class OfChief(Peers):
    """The second of two workers, the chief of which has found an AUC."""

    index, size = 1, 2

    def share(self, value):
        if value is not None:
            return [value, value]
        of_chief = {"metrics": {"auc_ctr": 0.75}, "warnings": ["odd"], "counts": {}, "skipped_rows": 0}
        return [{**of_chief, "uncalibrated": {}}, value]

    def share_bytes(self, content):
        return [b"", content]


def test_all_workers_go_by_the_metrics_of_the_chief(folder, ranker):
    pipeline = small_config(folder, "data_config.eval_batch_size=35").pipeline
    result = evaluate(pipeline, ranker.tasks, RankerScorer(ranker, tf.float32), peers=OfChief())
    assert result.metrics == {"auc_ctr": 0.75} and result.warnings == ("odd",)
    assert result.num_examples == 35, "of two batches it scores the second"


def test_reading_is_a_sign_of_life_and_computing_metrics_a_phase(folder, ranker):
    peers = Peers()
    peers.signs = Recorded()
    evaluate(small_config(folder).pipeline, ranker.tasks, RankerScorer(ranker, tf.float32), peers=peers)
    assert peers.signs.phases == ["opening files", "computing metrics"] and peers.signs.followed[0] > 0


def test_an_evaluation_twice_gives_the_same_and_moves_nothing(folder, ranker):
    before = [variable.numpy() for variable in ranker.variables]
    assert run(folder, ranker).metrics == run(folder, ranker).metrics
    for variable, value in zip(ranker.variables, before):
        np.testing.assert_array_equal(variable, value)


def test_num_examples_bounds_the_rows(folder, ranker):
    limited = ("eval_config.num_examples=40", "data_config.eval_batch_size=16")
    assert run(folder, ranker, *limited).num_examples == 40
    assert run(folder, ranker, "eval_config.num_examples=1000").num_examples == 70


def test_other_data_can_be_evaluated(folder, ranker):
    assert run(folder, ranker, paths=f"{folder}/train.csv").num_examples == 150


def test_bfloat16_gives_nearly_the_same_metrics(folder, ranker):
    low, high = run(folder, ranker, dtype=tf.bfloat16).metrics, run(folder, ranker).metrics
    for name in high:
        assert low[name] == pytest.approx(high[name], abs=0.02)


def test_data_without_a_row_is_an_error(folder, ranker):
    (folder / "empty.csv").write_text("")
    with pytest.raises(UserError, match="empty"):
        run(folder, ranker, paths=f"{folder}/empty.csv")


def test_what_is_odd_in_the_data_is_counted_once_and_skipped_rows_are_told(folder, ranker, tmp_path):
    lines = (folder / "eval.csv").read_text().splitlines()
    lines[3] = "x" + lines[3]
    lines[5] = ",".join([*lines[5].split(",")[:2], "", "a", ""])
    (tmp_path / "eval.csv").write_text("\n".join(lines))
    options = "data_config.ignore_error=true", "data_config.eval_batch_size=16"
    result = run(folder, ranker, *options, paths=f"{tmp_path}/eval.csv")
    assert (result.num_examples, result.skipped_rows) == (len(lines) - 1, 1)
    assert result.counts["item"]["missing"] == result.counts["price"]["missing"] == 1
    limited = run(folder, ranker, *options, "eval_config.num_examples=20", paths=f"{tmp_path}/eval.csv")
    assert (limited.num_examples, limited.skipped_rows) == (20, 1)
    assert limited.counts["item"]["missing"] == limited.counts["price"]["missing"] == 1
    few = run(folder, ranker, *options, "eval_config.num_examples=3", paths=f"{tmp_path}/eval.csv")
    assert (few.num_examples, few.skipped_rows, few.counts["item"]["missing"]) == (3, 0, 0)


def test_a_label_that_is_missing_or_constant_leaves_its_metrics_out_and_says_why(folder, ranker, tmp_path):
    rows = [line.split(",") for line in (folder / "eval.csv").read_text().splitlines()]
    (tmp_path / "eval.csv").write_text("\n".join(",".join(["", "1", *row[2:]]) for row in rows))
    result = run(folder, ranker, paths=f"{tmp_path}/eval.csv")
    assert np.isnan(result.metrics["auc_ctr"])
    assert np.isnan(result.metrics["auc_cvr"])
    assert len(result.warnings) == 2
    assert "click" in result.warnings[0] or "ctr" in result.warnings[0]


WIDE_LOSSES = (
    "model_config.mmoe.task_towers[0].losses=[{ loss_type: F1_REWEIGHTED_LOSS }, { loss_type: PAIR_WISE_LOSS },"
    " { loss_type: BINARY_FOCAL_LOSS binary_focal_loss { ohem_ratio: 0.3 } },"
    " { loss_type: PAIRWISE_LOGISTIC_LOSS pairwise_logistic_loss { session_name: 'item' ohem_ratio: 0.5 } }]",
    "model_config.mmoe.task_towers[1].losses=[{ loss_type: CLASSIFICATION },"
    " { loss_type: LISTWISE_RANK_LOSS listwise_rank_loss { session_name: 'item' scale_logits: true } }]",
    "model_config.kd={ pred_name: 'logits_ctr' soft_label_name: 'price' loss_type: L2_LOSS }",
)


@pytest.mark.parametrize("reduction", ["NONZERO_WEIGHT_MEAN", "BATCH_MEAN", "SUM"])
def test_losses_of_every_kind_do_not_depend_on_the_size_of_a_batch(folder, reduction):
    overrides = (*WIDE_LOSSES, f"model_config.loss_reduction={reduction}")
    ranker = Ranker(small_config(folder, *overrides).pipeline)
    sizes = (1, 7, 16, 4096)
    found = [run(folder, ranker, *overrides, f"data_config.eval_batch_size={size}").metrics for size in sizes]
    assert len(found[0]) == 2 + 7 + 1
    for metrics in found:
        assert metrics == pytest.approx(found[-1], rel=1e-6)
    # All rows as one batch: what training would call the loss.
    with evaluation_feed(
        small_config(folder, *overrides).pipeline, RankerScorer(ranker, tf.float32).encoder([]), f"{folder}/eval.csv"
    ) as feed:
        [rows] = [batch.rows for batch in feed]
    batch = {name: tf.constant(value) for name, value in to_tensors(rows).items()}
    parts = ranker.losses(batch, ranker.embeddings.lookup(batch), Call())
    expected = {name: float(value) for name, value in parts.entries.items()} | {"loss": float(parts.total)}
    assert {name: found[0][name] for name in expected} == pytest.approx(expected, rel=5e-6)


def test_the_evaluation_of_a_training_is_that_of_its_checkpoint(tmp_path):
    write_data(tmp_path)
    result, _ = train(tmp_path, *WIDE_LOSSES, "train_config.num_steps=2", "data_config.eval_batch_size=16")
    pipeline = small_config(tmp_path, *WIDE_LOSSES, "data_config.eval_batch_size=9").pipeline
    ranker = load_ranker(pipeline, find_checkpoint(pipeline))
    again = evaluate(pipeline, ranker.tasks, RankerScorer(ranker, tf.float32)).metrics
    assert again == pytest.approx(dict(result.metrics), rel=1e-6)
