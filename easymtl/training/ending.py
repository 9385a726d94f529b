"""When a training ends, and when it saves on the way."""

from collections.abc import Mapping
from datetime import datetime

from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.train_pb2 import TrainConfig
from easymtl.training.best import Best
from easymtl.training.exported import is_best_exported

DEADLINE_FORMAT = "%Y%m%d %H:%M:%S"


def is_late(settings: TrainConfig) -> bool:
    """Returns whether the time of a training is over."""
    return bool(settings.dead_line) and datetime.now() >= parse_deadline(settings.dead_line)


def is_save_due(settings: TrainConfig, seconds: float) -> bool:
    """Returns whether a checkpoint is to be saved `seconds` after the one before."""
    return settings.HasField("save_checkpoints_secs") and seconds >= settings.save_checkpoints_secs


def is_step_due(settings: TrainConfig, step: int) -> bool:
    """Returns whether a checkpoint is to be saved after `step` updates, whatever the time."""
    return settings.save_checkpoints_steps > 0 and step % settings.save_checkpoints_steps == 0


def why_stale(pipeline: Pipeline, best: Best, metrics: Mapping[str, float], step: int, data_step: int) -> str:
    """Returns why a training stops early: what is best has not been better for long; empty if it goes on.

    What is better by no more than `export_config.best_margin` is so by chance: then nothing is known against going on.

    Args:
        pipeline: its `export_config` says whether, and after how many steps.
        best: the best evaluation so far.
        metrics: of the last evaluation.
        step: updates made.
        data_step: those that had been made when the training data were begun.
    """
    export = pipeline.export_config
    if not export.enable_early_stop or best.value is None or not is_best_exported(pipeline, best, metrics):
        return ""
    if step - max(best.step, data_step) < export.max_check_steps:
        return ""
    return (
        f"Stopping early: {best.metric} has not been better than {best.value:.6f} of step {best.step} for "
        f"{step - best.step} steps."
    )


def parse_deadline(text: str) -> datetime:
    """Returns the moment that `train_config.dead_line` names, in local time.

    Raises:
        UserError: it is not written as `20261231 23:59:59`.
    """
    try:
        return datetime.strptime(text, DEADLINE_FORMAT)
    except ValueError:
        raise UserError(f'train_config.dead_line "{text}" is not written as "20261231 23:59:59".') from None
