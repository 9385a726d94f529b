"""What Summaries writes, read back as TensorBoard reads it."""

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

from easymtl.reporting.tensorboard import Summaries, sampled
from easymtl.training.events import Evaluated, GradientConflict, Note, Progress, Started, Summary

TOWERS = ["click", "on_mic", "mic"]


def read(folder) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
    return accumulator


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
    assert series(train, "train/loss") == [(20, 1.5), (40, 1.25)]
    assert series(train, "train/l2_loss/on_mic") == [(20, 0.25), (40, 0.25)]
    assert series(train, "train/learning_rate/embedding") == [(20, 0.1), (40, 0.1)]
    assert series(train, "train/learning_rate/dense") == [(20, 0.2), (40, 0.2)]
    assert series(train, "train/examples_per_second") == [(10, 5000.0)]
    assert series(train, "train/input_wait") == [(10, 0.03)]


def test_metrics_are_tagged_by_metric_then_task(tmp_path):
    metrics = {"auc_on_mic": 0.7, "auc_mic": 0.6, "weighted_auc_click": 0.8, "l2_loss_mic_2": 3.0, "loss": 2.0}
    with Summaries(tmp_path, TOWERS) as summaries:
        summaries(Evaluated(30, metrics, 100, 1.0))
    folder = tmp_path / "summaries" / "eval"
    expected = {"auc/on_mic": 0.7, "auc/mic": 0.6, "weighted_auc/click": 0.8, "l2_loss_2/mic": 3.0, "loss": 2.0}
    assert {tag: series(folder, tag)[0] for tag in read(folder).Tags()["tensors"]} == {
        f"eval/{tag}": (30, value) for tag, value in expected.items()
    }


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
    assert series(folder / "train", "train/loss") == [(10, 10), (20, 20), (30, 30.5), (40, 40.5)]
    assert series(folder / "eval", "eval/loss") == [(20, 20), (40, 40)]


def test_weights_of_tasks_and_cosines_of_their_gradients_are_scalars(tmp_path):
    with Summaries(tmp_path, TOWERS) as summaries:
        summaries(Summary(20, {"loss": 1.0}, (0.1, 0.2), weights={"click": 1.25, "mic": 0.75}))
        summaries(GradientConflict(30, {"click/mic": -0.5}))
    train = tmp_path / "summaries" / "train"
    assert series(train, "train/weight/click") == [(20, 1.25)]
    assert series(train, "gradient_cosine/click/mic") == [(30, -0.5)]
