"""When a training ends, and when it saves on the way."""

import pytest

from easymtl.errors import UserError
from easymtl.peers.peers import ONE
from easymtl.protos.export_pb2 import ExportConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.train_pb2 import TrainConfig
from easymtl.training.best import Best
from easymtl.training.decisions import Decisions
from easymtl.training.ending import parse_deadline, why_stale


@pytest.mark.parametrize(
    "settings, step, expected",
    [
        (TrainConfig(num_steps=5), 4, False),
        (TrainConfig(num_steps=5), 5, True),
        (TrainConfig(num_steps=0), 10**9, False),
        (TrainConfig(num_steps=5, dead_line="20200101 00:00:00"), 0, True),
        (TrainConfig(num_steps=5, dead_line="29991231 23:59:59"), 4, False),
        (TrainConfig(num_steps=5, dead_line="29991231 23:59:59"), 5, True),
    ],
)
def test_a_training_is_over_after_its_last_step_or_its_deadline(settings, step, expected):
    assert Decisions(settings, ONE, bool).is_over(step) == expected


def test_a_deadline_that_is_no_moment_is_an_error():
    with pytest.raises(UserError, match=r"tomorrow.*is not written as"):
        parse_deadline("tomorrow")


@pytest.mark.parametrize(
    "settings, step, seconds, expected",
    [
        (TrainConfig(save_checkpoints_steps=3), 6, 0.0, True),
        (TrainConfig(save_checkpoints_steps=3), 7, 1e9, False),
        (TrainConfig(save_checkpoints_steps=0), 6, 1e9, False),
        (TrainConfig(save_checkpoints_steps=0, save_checkpoints_secs=60), 6, 59.0, False),
        (TrainConfig(save_checkpoints_steps=0, save_checkpoints_secs=60), 6, 60.0, True),
        (TrainConfig(save_checkpoints_steps=3, save_checkpoints_secs=60), 6, 0.0, True),
    ],
)
def test_checkpoints_are_due_by_steps_or_seconds(settings, step, seconds, expected):
    assert Decisions(settings, ONE, bool).is_checkpoint_due(step, seconds) == expected


@pytest.mark.parametrize(
    "is_enabled, value, step, data_step, expected",
    [
        (True, 0.7, 12, 0, False),
        (True, 0.7, 13, 0, True),
        (True, 0.7, 13, 11, False),
        (True, 0.7, 14, 11, True),
        (True, None, 99, 0, False),
        (False, 0.7, 99, 0, False),
    ],
)
def test_an_early_stop_counts_from_the_best_step_or_from_new_data(is_enabled, value, step, data_step, expected):
    pipeline = Pipeline(export_config=ExportConfig(enable_early_stop=is_enabled, max_check_steps=3))
    best = Best("auc", ("auc_ctr",), bigger=True, value=value, step=10)
    text = f"Stopping early: auc has not been better than 0.700000 of step 10 for {step - 10} steps."
    assert why_stale(pipeline, best, {"auc_ctr": 0.7}, step, data_step) == (text if expected else "")


@pytest.mark.parametrize(
    "margin, last, expected",
    [(0, 0.7, True), (0, 0.699, True), (0.01, 0.691, False), (0.01, 0.689, True), (0.01, float("nan"), True)],
)
def test_a_training_goes_on_while_what_is_best_is_so_by_chance(margin, last, expected):
    pipeline = Pipeline(export_config=ExportConfig(enable_early_stop=True, max_check_steps=3, best_margin=margin))
    best = Best("auc", ("auc_ctr",), bigger=True, value=0.7, step=10)
    assert bool(why_stale(pipeline, best, {"auc_ctr": last}, 20, 0)) == expected
