"""What TensorBoard draws that is no line: histograms, curves of precision over recall, texts."""

from collections.abc import Iterable, Mapping

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.histogram import metadata as histogram_metadata
from tensorboard.plugins.pr_curve.summary import raw_data_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.util.tensor_util import make_tensor_proto

from easymtl.layers.gate_weights import BUCKETS
from easymtl.tasks.threshold_counts import NUM_THRESHOLDS, ThresholdCounts

_BUCKETS = 30


def joined(summaries: Iterable[Summary]) -> Summary:
    """Returns the values of several summaries as one."""
    result = Summary()
    for summary in summaries:
        result.MergeFrom(summary)
    return result


def histogram(tag: str, values: np.ndarray) -> Summary:
    """Returns the histogram of numbers of any shape; those that are not finite are left out."""
    flat = np.asarray(values, np.float64).ravel()
    counts, edges = np.histogram(flat[np.isfinite(flat)], _BUCKETS)
    return _histogram(tag, counts, edges)


def histogram_of_gate(tag: str, counts: np.ndarray) -> Summary:
    """Returns the histogram of the weights of a gate, of which so many lie in each equal part of 0 to 1, `[30]`."""
    return _histogram(tag, counts, np.linspace(0.0, 1.0, BUCKETS + 1))


def _histogram(tag: str, counts: np.ndarray, edges: np.ndarray) -> Summary:
    buckets = np.stack([edges[:-1], edges[1:], counts], axis=1)
    metadata = histogram_metadata.create_summary_metadata(tag, "")
    value = Summary.Value(tag=tag, metadata=metadata, tensor=make_tensor_proto(buckets, np.float64))
    return Summary(value=[value])


def pr_curve(tag: str, counts: ThresholdCounts) -> Summary:
    """Returns a curve of precision over recall."""
    made = raw_data_pb(
        tag,
        counts.true_positives,
        counts.false_positives,
        counts.true_negatives,
        counts.false_negatives,
        counts.precision,
        counts.recall,
        NUM_THRESHOLDS,
    )
    summary = Summary.FromString(made.SerializeToString())
    summary.value[0].tag = tag
    return summary


def code(tag: str, text: str) -> Summary:
    """Returns a text that is shown as it is, line by line."""
    return text_pb(tag, "\n".join(f"    {line}" for line in text.splitlines()))


def histograms(prefix: str, values: Mapping[str, np.ndarray]) -> Summary:
    """Returns a histogram tagged `<prefix>/<name>` for each name."""
    return joined(histogram(f"{prefix}/{name}", found) for name, found in values.items())
