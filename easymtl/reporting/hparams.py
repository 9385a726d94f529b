"""A trial of a search for TensorBoard's table of hyperparameters."""

import time
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf
from tensorboard.plugins.hparams.summary_v2 import hparams_pb

from easymtl.checkpoints.publishing import reason
from easymtl.errors import UserError
from easymtl.reporting.event_files import EventFile

HyperParameter = bool | int | float | str


def write_hparams(
    folder: str | Path, params: Mapping[str, HyperParameter], metrics: Mapping[str, float], step: int = 0
) -> None:
    """Writes the values that a trial was made with, and what came of it.

        write_hparams("study/trial_7", {"learning_rate": 4e-3, "num_expert": 8}, {"auc/click": 0.74})

    TensorBoard, on the folder above, then has a table and charts of all trials. The folder is a run of its own, or that
    of a training, such as `model_dir/summaries/eval`, to which it is added.

    Args:
        folder: of the trial.
        params: by name; the same names in each trial.
        metrics: by the tag of their chart.
        step: updates that the trial had made.

    Raises:
        UserError: it cannot be written.
    """
    try:
        file = EventFile(Path(folder))
        try:
            file.add(step, hparams_pb(dict(params), trial_id=str(folder), start_time_secs=time.time()))
            file.add_scalars(step, metrics)
        finally:
            file.close()
    except (OSError, tf.errors.OpError) as error:
        raise UserError(f"{folder}: cannot be written: {reason(error)}.") from None
