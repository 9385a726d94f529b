"""Which step of a training `exporter_type: best` exports: the best one, unless the last one is as good."""

import math
from collections.abc import Mapping
from typing import Any

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.training.best import Best


def is_best_exported(pipeline: Pipeline, best: Best, metrics: Mapping[str, float]) -> bool:
    """Returns whether the checkpoint of the best evaluation is what `best` exports, and not that of the last one.

    It is where it is better by more than `export_config.best_margin`, and where that cannot be told.

    Args:
        pipeline: the config.
        best: the best evaluation of the training.
        metrics: of the last evaluation.
    """
    margin, last = pipeline.export_config.best_margin, best.read(metrics)
    return not margin or best.value is None or math.isnan(last) or abs(best.value - last) > margin


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
    is_best = is_best_exported(pipeline, best, state.get("metrics", {}))
    return int(found["step"] if is_best else state["step"])
