"""Which step of a training `exporter_type: best` exports: the best one, unless the last one is as good."""

import math
from collections.abc import Mapping
from typing import Any

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.training.best import Best
from easymtl.training.ending import is_stale


def is_best_exported(pipeline: Pipeline, best: Best, step: int, metrics: Mapping[str, float]) -> bool:
    """Returns whether the checkpoint of the best evaluation is exported, and not that of the last one.

    It is where it is better by more than `export_config.best_margin`, where that cannot be told, and where the
    training was stopped because nothing got better any more.

    Args:
        pipeline: the config.
        best: the best evaluation of the training.
        step: updates made in all.
        metrics: of the last evaluation.
    """
    export = pipeline.export_config
    last = best.read(metrics)
    if not export.best_margin or best.value is None or math.isnan(last) or is_stale(export, step, best.step):
        return True
    return abs(best.value - last) > export.best_margin


def exported_step(pipeline: Pipeline, state: Mapping[str, Any]) -> int | None:
    """Returns the step that `exporter_type: best` exports, None where no evaluation has determined what is best.

    Args:
        pipeline: the config.
        state: of the newest checkpoint.
    """
    found = state.get("best", {})
    if found.get("value") is None:
        return None
    best = Best.from_pipeline(pipeline)
    best.restore(found)
    is_best = is_best_exported(pipeline, best, state["step"], state.get("metrics", {}))
    return int(found["step"] if is_best else state["step"])
