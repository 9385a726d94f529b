"""Every method trains, gets better, and goes on from a checkpoint to the bit."""

import shutil

import numpy as np
import pytest

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.checkpoints.restore import find_checkpoint, load_ranker
from easymtl.errors import UserError
from easymtl.training import events
from tests.tracing import op_by_op
from tests.training.balancing.balanced_runs import METHODS, TOWERS, balanced, config_of, train
from tests.training.small_runs import arrays, of_kind, write_data
from tests.training.small_runs import train as train_small

pytestmark = [pytest.mark.slow, pytest.mark.threads]

FORTY = ("train_config.num_steps=40", "train_config.save_checkpoints_steps=20")


@pytest.fixture
def folder(tmp_path):
    write_data(tmp_path)
    return tmp_path


def assert_same(found, expected):
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_trains_and_resumes_to_the_bit(folder, method):
    whole, told = train(folder, balanced(method), *FORTY)
    losses = [event.losses["loss"] for event in of_kind(told, events.Progress)]
    assert len(losses) == 40 and np.all(np.isfinite(losses))
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.05
    weights = [list(event.weights) for event in of_kind(told, events.Progress)]
    assert weights == [list(TOWERS)] * 40
    expected = arrays(whole.checkpoint)
    shutil.rmtree(whole.checkpoint.path)
    assert CheckpointFolder(folder / "model").latest().step == 20
    parts, later = train(folder, balanced(method), *FORTY)
    assert_same(arrays(parts.checkpoint), expected)
    assert [event.losses["loss"] for event in of_kind(later, events.Progress)] == losses[20:]


@pytest.mark.parametrize("method", ["uncertainty", "gradnorm", "nash_mtl"])
def test_bfloat16_trains_as_well(folder, method):
    result, told = train(folder, balanced(method), *FORTY, "train_config.mixed_precision=BFLOAT16")
    losses = [event.losses["loss"] for event in of_kind(told, events.Progress)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.05
    assert all(np.all(np.isfinite(value)) for value in arrays(result.checkpoint).values())


@op_by_op()
def test_what_a_method_learns_is_in_the_checkpoint_with_its_slots_and_scoring_needs_none_of_it(folder):
    result, _ = train(folder, balanced("uncertainty"), "train_config.num_steps=2")
    found = arrays(result.checkpoint)
    for task in TOWERS:
        assert found[f"task_balancing/uncertainty/{task}"].shape == ()
        assert found[f"task_balancing/uncertainty/{task}"] != 0
        assert found[f"task_balancing/uncertainty/{task}/Adam"].shape == ()
    pipeline = config_of(folder).pipeline
    ranker = load_ranker(pipeline, find_checkpoint(pipeline))
    assert not any(name.startswith("task_balancing") for name in ranker.parameters)


@op_by_op()
@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ((), ("pcgrad",), "task_balancing pcgrad in the config and had fixed weights in the training"),
        (("dwa",), (), "fixed weights in the config and had task_balancing dwa in the training"),
        (("mgda",), ("random",), "task_balancing random in the config and had task_balancing mgda in the training"),
    ],
)
def test_another_balancing_in_one_model_dir_is_refused(folder, before, after, message):
    train(folder, "train_config.num_steps=1", *map(balanced, before))
    with pytest.raises(UserError, match=message) as error:
        train(folder, "train_config.num_steps=2", *map(balanced, after))
    assert "--set model_dir=" in str(error.value)


def test_gradients_are_compared_every_so_often(folder):
    overrides = ("train_config.num_steps=7", "train_config.log_gradient_conflict_every=3")
    _, told = train(folder, *overrides)
    found = of_kind(told, events.GradientConflict)
    assert [event.step for event in found] == [3, 6]
    assert set(found[0].cosines) == {"ctr/cvr", "ctr/rate", "cvr/rate"}
    assert all(-1 <= value <= 1 for event in found for value in event.cosines.values())


def test_comparing_gradients_moves_no_bit_of_a_training_nor_of_one_that_goes_on(folder):
    steps, every = "train_config.num_steps=7", "train_config.log_gradient_conflict_every=2"
    # Experts, norms and dropout, wide enough for kernels that TensorFlow fuses.
    wide = ("model_config.mmoe.expert_dnn.hidden_units=[256, 64]", "data_config.batch_size=128")
    plain, _ = train_small(folder, steps, *wide, f"model_dir={folder}/plain")
    expected = arrays(plain.checkpoint)
    compared, told = train_small(folder, steps, *wide, every)
    assert_same(arrays(compared.checkpoint), expected)
    cosines = {event.step: event.cosines for event in of_kind(told, events.GradientConflict)}
    assert list(cosines) == [2, 4, 6]
    shutil.rmtree(compared.checkpoint.path)
    assert CheckpointFolder(folder / "model").latest().step == 6
    shutil.rmtree(CheckpointFolder(folder / "model").latest().path)
    resumed, later = train_small(folder, steps, *wide, every)
    assert_same(arrays(resumed.checkpoint), expected)
    again = {event.step: event.cosines for event in of_kind(later, events.GradientConflict)}
    assert list(again) == [4, 6]
    assert all(again[step] == pytest.approx(cosines[step], abs=1e-4) for step in again)
