"""What an export has to give: the scores of its checkpoint in the precision of the export, and how exactly."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.features.columns import as_requested, tensor_of
from easymtl.features.shown import shown_features
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.scorer import Scores
from easymtl.serving.narrowing import narrow_scorer
from easymtl.serving.parity import TOLERANCE, size_of
from easymtl.serving.precision import Precision
from easymtl.tasks.ranker import Ranker

_ROUNDINGS = 2
"""Two sums that are rounded in different ways are each as far from the exact one."""


def expected_outputs(pipeline: Pipeline, ranker: Ranker, read: pa.RecordBatch) -> tuple[Scores, dict[str, float]]:
    """Returns the outputs of the checkpoint by the path that training and evaluation take, and their tolerances.

    Rows are looked up in the tables of training and rounded then, so that what an export has stored is held against
    what it should have. Rounded rows alone make no scores less exact. With products in a narrow type, sums that are
    added in another order, or with one rounding less, round to another number here and there: an output may then differ
    by `_ROUNDINGS` times as much as these products change it, which is found on the same rows.

    Args:
        pipeline: the config.
        ranker: the checkpoint.
        read: rows, as training reads them.

    Returns:
        Outputs by name, and the tolerances that are not `TOLERANCE`, next to `size_of` the output.
    """
    precision = Precision.of(pipeline)
    scores = _scores(ranker, precision, read)
    tolerances: dict[str, float] = {}
    if precision.products != tf.float32:
        tolerances = _tolerances(scores, _scores(ranker, replace(precision, products=tf.float32), read))
    if not pipeline.export_config.export_features:
        return scores, tolerances
    features = ranker.feature_set
    columns = {name: tensor_of(as_requested(read.column(name), None)) for name in features.request_fields}
    return scores | {name: text.numpy() for name, text in shown_features(features, columns).items()}, tolerances


def _scores(ranker: Ranker, precision: Precision, read: pa.RecordBatch) -> Scores:
    # TensorFlow joins the ops of a graph, which rounds less often; in float32 that makes no difference.
    scorer = narrow_scorer(ranker, precision, is_traced=precision.products != tf.float32)
    predictions, _ = scorer.score(scorer.encoder([], with_numbers=False)(read))
    is_narrow = {name: values.dtype.itemsize < 4 for name, values in predictions.items()}
    return {name: values.astype(np.float32) if is_narrow[name] else values for name, values in predictions.items()}


def _tolerances(scores: Mapping[str, np.ndarray], exact: Mapping[str, np.ndarray]) -> dict[str, float]:
    result = {}
    for name, values in scores.items():
        if values.dtype.kind == "f":
            is_number = np.isfinite(values) & np.isfinite(exact[name])
            change = np.abs(values[is_number].astype(np.float64) - exact[name][is_number])
            result[name] = max(TOLERANCE, _ROUNDINGS * float(np.max(change, initial=0.0)) / size_of(values))
    # Another class is as right where it is as likely, to the tolerance of both probabilities.
    classes = {name: f"probs_{name.removeprefix('y_')}" for name in scores if scores[name].dtype.kind == "i"}
    return result | {name: 2 * result[of] for name, of in classes.items() if of in result}
