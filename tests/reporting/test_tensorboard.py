"""What Summaries writes, read back as TensorBoard reads it."""

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import precision_score, recall_score
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

from easymtl.reporting.tensorboard import Summaries, sampled
from easymtl.tasks.threshold_counts import threshold_counts
from easymtl.training.events import Evaluated, Gates, GradientConflict, Note, Progress, Started, Summary

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "watching.md"
TOWERS = ["click", "on_mic", "mic"]


def read(folder) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
    return accumulator


def tags(folder) -> set[str]:
    return set(read(folder).Tags()["tensors"])


def array(folder, tag: str) -> np.ndarray:
    (event,) = read(folder).Tensors(tag)
    return tf.make_ndarray(event.tensor_proto)


def plugin(folder, tag: str) -> str:
    return read(folder).SummaryMetadata(tag).plugin_data.plugin_name


def series(folder, tag: str) -> list[tuple[int, float]]:
    found = read(folder).Tensors(tag)
    return [(event.step, pytest.approx(float(tf.make_ndarray(event.tensor_proto)), rel=1e-6)) for event in found]


def summary(step: int, loss: float = 1.0, **variables) -> Summary:
    losses = {"l2_loss_on_mic": 0.25, "cross_entropy_loss_click": 0.75, "loss": loss}
    return Summary(step, losses, (0.1, 0.2), {name: lambda value=v: value for name, v in variables.items()})


def as_if_written_earlier(model_dir) -> None:
    """Gives the files names of an hour ago: TensorBoard reads files in the order of their names."""
    for path in model_dir.glob("summaries/*/events*"):
        seconds = path.name.split(".")[3]
        path.rename(path.with_name(path.name.replace(seconds, str(int(seconds) - 3600))))


def test_losses_rates_and_speed_are_scalars_of_the_train_folder(tmp_path):
    with Summaries(tmp_path, TOWERS) as summaries:
        summaries(Note("nothing to write"))
        summaries(Progress(10, 0.5, 5000.0, 0.03, {"loss": 2.0}, (0.1, 0.2), None))
        summaries(summary(20, loss=1.5))
        summaries(summary(40, loss=1.25))
    train = tmp_path / "summaries" / "train"
    assert series(train, "loss") == [(20, 1.5), (40, 1.25)]
    assert series(train, "loss/on_mic") == [(20, 0.25), (40, 0.25)]
    assert series(train, "loss/click") == [(20, 0.75), (40, 0.75)]
    assert series(train, "learning_rate/embedding") == [(20, 0.1), (40, 0.1)]
    assert series(train, "learning_rate/dense") == [(20, 0.2), (40, 0.2)]
    assert series(train, "speed/examples_per_second") == [(10, 5000.0)]
    assert series(train, "speed/input_wait") == [(10, 0.03)]


def test_metrics_are_tagged_by_metric_then_task(tmp_path):
    metrics = {"auc_on_mic": 0.7, "auc_mic": 0.6, "weighted_auc_click": 0.8, "l2_loss_mic_2": 3.0, "loss": 2.0}
    with Summaries(tmp_path, TOWERS) as summaries:
        summaries(Evaluated(30, metrics, 100, 1.0))
    folder = tmp_path / "summaries" / "eval"
    expected = {"auc/on_mic": 0.7, "auc/mic": 0.6, "weighted_auc/click": 0.8, "loss/mic": 3.0, "loss": 2.0}
    assert {tag: series(folder, tag)[0] for tag in read(folder).Tags()["tensors"]} == {
        tag: (30, value) for tag, value in expected.items()
    }


def test_training_and_evaluation_of_a_task_are_in_one_chart(tmp_path):
    losses = {"cross_entropy_loss_click": 0.5, "pair_wise_loss_click": 0.25, "l2_loss_mic": 2.0, "loss": 2.75}
    with Summaries(tmp_path, TOWERS) as summaries:
        summaries(Summary(20, losses, (0.1, 0.2)))
        summaries(Evaluated(20, {**losses, "auc_click": 0.7}, 100, 1.0))
    train, evaluation = (tags(tmp_path / "summaries" / run) for run in ("train", "eval"))
    shared = {"loss", "loss/click", "loss/click/cross_entropy_loss", "loss/click/pair_wise_loss", "loss/mic"}
    assert train & evaluation == shared
    assert train - shared == {"learning_rate/embedding", "learning_rate/dense"} and evaluation - shared == {"auc/click"}
    for run in ("train", "eval"):
        assert series(tmp_path / "summaries" / run, "loss/click") == [(20, 0.75)]


def test_variables_become_histograms(tmp_path):
    with Summaries(tmp_path, TOWERS) as summaries:
        summaries(summary(10, kernel=tf.random.normal([30, 4])))
    (event,) = read(tmp_path / "summaries" / "train").Tensors("kernel")
    buckets = tf.make_ndarray(event.tensor_proto)  # [buckets, (left, right, count)]
    assert event.step == 10 and buckets[:, 2].sum() == 120


def test_a_huge_table_is_sampled_from_end_to_end():
    values = tf.range(1000.0)
    np.testing.assert_array_equal(sampled(values, 5), [0, 249, 499, 749, 999])
    assert sampled(tf.zeros([20, 5]), 100).shape == [100]
    assert len(set(sampled(values, 999).numpy())) == 999


def test_a_continued_training_replaces_the_steps_it_makes_anew(tmp_path):
    with Summaries(tmp_path, TOWERS) as first:
        first(Started(0, 100, {}, "FLOAT32"))
        for step in (10, 20, 30):
            first(summary(step, loss=step))
        first(Evaluated(20, {"loss": 20.0}, 1, 1.0))
    as_if_written_earlier(tmp_path)
    with Summaries(tmp_path, TOWERS) as second:
        second(Started(20, 100, {}, "FLOAT32"))
        for step in (30, 40):
            second(summary(step, loss=step + 0.5))
        second(Evaluated(40, {"loss": 40.0}, 1, 1.0))
    folder = tmp_path / "summaries"
    assert series(folder / "train", "loss") == [(10, 10), (20, 20), (30, 30.5), (40, 40.5)]
    assert series(folder / "eval", "loss") == [(20, 20), (40, 40)]


def test_a_training_that_goes_back_replaces_the_steps_it_makes_anew(tmp_path):
    with Summaries(tmp_path, TOWERS) as summaries:
        summaries(Started(0, 100, {}, "FLOAT32"))
        for step in (10, 20, 30):
            summaries(summary(step, loss=step))
        as_if_written_earlier(tmp_path)
        summaries(Started(20, 100, {}, "FLOAT32"))
        summaries(summary(30, loss=30.5))
    assert series(tmp_path / "summaries" / "train", "loss") == [(10, 10), (20, 20), (30, 30.5)]


def test_weights_of_tasks_and_cosines_of_their_gradients_are_scalars(tmp_path):
    with Summaries(tmp_path, TOWERS) as summaries:
        summaries(Summary(20, {"loss": 1.0}, (0.1, 0.2), weights={"click": 1.25, "mic": 0.75}))
        summaries(GradientConflict(30, {"click/mic": -0.5}))
    train = tmp_path / "summaries" / "train"
    assert series(train, "weight/click") == [(20, 1.25)]
    assert series(train, "gradient_cosine/click/mic") == [(30, -0.5)]


def test_every_event_is_a_curve_of_precision_over_recall(tmp_path):
    random = np.random.default_rng(3)
    probabilities = random.random(500).astype(np.float32)
    happened = random.random(500) < probabilities
    with Summaries(tmp_path, TOWERS) as summaries:
        summaries(Evaluated(30, {}, 500, 1.0, thresholds={"click": threshold_counts(happened, probabilities)}))
    folder = tmp_path / "summaries" / "eval"
    assert plugin(folder, "pr_curve/click") == "pr_curves"
    *_, precision, recall = array(folder, "pr_curve/click")  # [6, thresholds]
    for threshold in (0.0, 0.25, 0.5, 0.9):
        said, place = probabilities >= threshold, round(threshold * 200)
        assert precision[place] == pytest.approx(precision_score(happened, said), rel=1e-6)
        assert recall[place] == pytest.approx(recall_score(happened, said), rel=1e-6)


def test_norms_of_embeddings_are_histograms_of_at_most_10000_rows(tmp_path):
    asked = []

    def rows(most: int) -> np.ndarray:
        asked.append(most)
        return np.array([[3.0, 4.0], [0.0, 1.0], [0.0, 1.0]])

    with Summaries(tmp_path, TOWERS) as summaries:
        summaries(Evaluated(30, {}, 1, 1.0, tables={"all/user": rows}))
    assert asked == [10_000]
    buckets = array(tmp_path / "summaries" / "train", "embedding_norm/all/user")
    assert (buckets[0, 0], buckets[0, 2]) == (1.0, 2) and (buckets[-1, 1], buckets[-1, 2]) == (5.0, 1)


def test_gates_are_lines_of_experts_and_a_histogram(tmp_path):
    counts = np.zeros(30)
    counts[[0, 29]] = 40, 10
    with Summaries(tmp_path, TOWERS) as summaries:
        summaries(Gates(30, {"click": {"expert_0": 0.75, "expert_1": 0.25}}, {"click": 0.5}, {"click": counts}))
    folder = tmp_path / "summaries" / "eval"
    assert series(folder, "gate/click/expert_1") == [(30, 0.25)]
    assert series(folder, "gate_entropy/click") == [(30, 0.5)]
    assert plugin(folder, "gate/click") == "histograms"
    np.testing.assert_allclose(array(folder, "gate/click")[29], [29 / 30, 1, 10])


def test_the_config_is_a_text(tmp_path):
    (tmp_path / "pipeline.config").write_text('model_dir: "x"\ntrain_config { }\n')
    with Summaries(tmp_path, TOWERS) as summaries:
        summaries(Started(0, 100, {}, "FLOAT32"))
    folder = tmp_path / "summaries" / "train"
    assert plugin(folder, "config") == "text"
    assert array(folder, "config").item() == b'    model_dir: "x"\n    train_config { }'


def test_what_is_not_finite_is_left_out_of_histograms(tmp_path):
    with Summaries(tmp_path, TOWERS) as summaries:
        summaries(summary(10, bad=tf.constant([np.nan, np.inf, 1.0, 2.0]), worse=tf.constant([np.nan])))
    train = tmp_path / "summaries" / "train"
    assert array(train, "bad")[:, 2].sum() == 2 and array(train, "worse")[:, 2].sum() == 0


def test_values_can_be_read_before_the_training_ends(tmp_path):
    summaries = Summaries(tmp_path, TOWERS)
    summaries(summary(20, loss=1.5))
    assert series(tmp_path / "summaries" / "train", "loss") == [(20, 1.5)]
    summaries.close()


def test_the_guide_names_every_tag(tmp_path):
    (tmp_path / "pipeline.config").write_text('model_dir: "x"')
    losses = {"cross_entropy_loss_click": 0.5, "pair_wise_loss_click": 0.25, "loss": 0.75}
    counts = threshold_counts(np.array([True, False]), np.array([0.5, 0.25]))

    def rows(most: int) -> np.ndarray:
        return np.ones([3, 2])

    told = [
        Started(0, 100, {}, "FLOAT32"),
        Progress(10, 0.5, 5000.0, 0.03, losses, (0.1, 0.2), None),
        Summary(20, {**losses, "regularization_loss": 0.1}, (0.1, 0.2), weights={"click": 1.0}),
        GradientConflict(20, {"click/mic": -0.5}),
        Evaluated(20, {**losses, "auc_click": 0.7}, 2, 1.0, thresholds={"click": counts}, tables={"t": rows}),
        Gates(20, {"click": {"expert_0": 1.0}}, {"click": 0.0}, {"click": np.zeros(30)}),
    ]
    with Summaries(tmp_path, TOWERS) as summaries:
        for event in told:
            summaries(event)
    written = {(tag, run) for run in ("train", "eval") for tag in tags(tmp_path / "summaries" / run)}
    lines = [line.split(" | ") for line in GUIDE.read_text().splitlines() if line.startswith("| `")]
    patterns = [
        (re.sub(r"<\w+>", r"\\w+", tag), run)
        for cell, run, *_ in lines
        for tag in re.findall(r"`([^`]+)`", cell)
        if run in ("train", "eval", "both")
    ]
    for tag, run in written:
        assert any(re.fullmatch(pattern, tag) and where in (run, "both") for pattern, where in patterns), (tag, run)
    unused = [p for p, where in patterns if not any(re.fullmatch(p, t) and where in (r, "both") for t, r in written)]
    assert unused == []
