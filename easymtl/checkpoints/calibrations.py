"""The `post_calibration` of a checkpoint: fitted when it is asked for first, and kept in its folder.

`calibration.json` says what it was fitted for: the weights, the data, and of each tower what decides. Where one of
these is another, it is fitted anew. Data that are no longer there, as where a model was brought to another machine, are
taken to be what they were.
"""

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from easymtl.checkpoints.folder import Checkpoint
from easymtl.checkpoints.integrity import is_as_sealed, sealed
from easymtl.checkpoints.publishing import write_text
from easymtl.checkpoints.same_data import marks_of
from easymtl.config import view
from easymtl.errors import UserError
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.task_pb2 import PostCalibration
from easymtl.scoring.calibrating import fit_curves
from easymtl.scoring.scorer import RankerScorer
from easymtl.scoring.uncalibrated import calibrated_tasks
from easymtl.tasks.post_calibration import Curve, read_curve
from easymtl.tasks.ranker import Ranker
from easymtl.tasks.sampling import rate_of_metrics
from easymtl.tasks.task import Task

FILE = "calibration.json"
_FILES = "files"
Begin = Callable[[str, str], None]
"""Is told what begins and may take a while: a verb, and what it is done to."""
Method = PostCalibration.Method


def calibrate(
    pipeline: Pipeline,
    checkpoint: Checkpoint,
    ranker: Ranker,
    state: Mapping[str, Any],
    begin: Begin,
    owners: Peers = ONE,
) -> None:
    """Gives a ranker the curves of its tasks; one without `post_calibration` is left as it is.

    Args:
        pipeline: the config.
        checkpoint: what the ranker was filled from.
        ranker: scores without curves.
        state: of the checkpoint.
        begin: is told, in two phrases, that curves are fitted.
        owners: the workers that tables are dealt out to: they look up rows together, and so fit together.

    Raises:
        UserError: they have to be fitted, and there is no data for it, or it cannot be read or does not determine them.
    """
    tasks = calibrated_tasks(ranker.tasks)
    if not tasks:
        return
    paths = pipeline.eval_config.calibration_input_path or view.eval_input(pipeline)
    purpose = _purpose(pipeline, ranker, state, paths)
    found = _kept(checkpoint, tasks, purpose)
    if owners.agree(found is None):
        if not paths:
            raise UserError(
                f'{checkpoint.path}: the post_calibration of the tower "{tasks[0].name}" has to be fitted, and there '
                "is no data for it: name some in eval_config.calibration_input_path or eval_input_path."
            )
        begin("fitting", f"post_calibration on {paths}")
        found = fit_curves(pipeline, ranker.tasks, RankerScorer(ranker, tf.float32), paths)
        if owners.is_chief:
            _keep(checkpoint, found, purpose)
    assert found is not None
    ranker.curves = found


def _purpose(pipeline: Pipeline, ranker: Ranker, state: Mapping[str, Any], paths: str) -> dict[str, Any]:
    """Returns what curves are fitted for; the marks of files are None where they cannot be read."""
    towers = [task.tower for task in ranker.tasks]
    files: list[list[Any]] | None = None
    with contextlib.suppress(UserError):
        files = marks_of(pipeline, paths)
    return {
        "weights": state.get("files", {}),
        "averages": [optimizer.use_moving_average for optimizer in pipeline.train_config.optimizer_config],
        "data": paths,
        _FILES: files,
        "rows": pipeline.eval_config.num_examples,
        "labels": {task.name: [task.label, task.tower.parent] for task in ranker.tasks},
        "negatives": {one.tower_name: [one.negative_sampling_rate, rate_of_metrics(one)] for one in towers},
        "methods": {
            one.tower_name: Method.Name(one.post_calibration.method)
            for one in towers
            if one.HasField("post_calibration")
        },
    }


def _kept(checkpoint: Checkpoint, tasks: Sequence[Task], purpose: Mapping[str, Any]) -> dict[str, Curve] | None:
    """Returns the curves of the file, None where there is none for this purpose.

    Raises:
        UserError: the file is damaged.
    """
    path = checkpoint.path / FILE
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if not is_as_sealed(document):
            raise ValueError("its content has changed")
        fitted_for = document["for"]
        known = {name: value for name, value in purpose.items() if name != _FILES or value is not None}
        if any(fitted_for.get(name) != value for name, value in known.items()):
            return None
        curves = document["curves"]
        return {task.name: read_curve(task.tower.post_calibration.method, curves[task.name]) for task in tasks}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read ({error}). Remove it: it is fitted anew then.") from None


def _keep(checkpoint: Checkpoint, curves: Mapping[str, Curve], purpose: Mapping[str, Any]) -> None:
    document = {"for": purpose, "curves": {name: curve.document() for name, curve in curves.items()}}
    # In a folder that is only read it is fitted each time.
    with contextlib.suppress(OSError):
        write_text(checkpoint.path / FILE, json.dumps(sealed(document), indent=2))
