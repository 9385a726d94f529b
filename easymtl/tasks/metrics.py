"""The metrics of the config language, computed at the end of an evaluation on all its rows in float64.

A new metric is one function and one row of `METRICS`, beside its row in `easymtl.config.names`, which says what
it can be computed on.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from google.protobuf.message import Message

from easymtl.extensions import Extension, ExtensionError, Table
from easymtl.tasks.grouped_metrics import grouped_auc, ordered_pair_share
from easymtl.tasks.ranked_counts import RankedCounts, ranked_counts

# float32 probabilities saturate at 0 and 1; the smallest distance from 1 that they can show is 6e-8.
_SMALLEST_PROBABILITY = 1e-7


class UndefinedMetric(ValueError):
    """The rows do not determine the metric; the text says why."""


@dataclass(frozen=True)
class MetricInputs:
    """The labelled rows of an evaluation for one task and one metric.

    Attributes:
        labels: `[n]` float64; an event happened when its label is above 0.
        predictions: `[n]` float64: probabilities or values, or `[n, num_class]` probabilities.
        weights: `[n]` float64, all above 0, or None for a plain metric.
        groups: `[n]` integers, or None when the metric has no groups.
        parameters: the metric's own message.
    """

    labels: np.ndarray
    predictions: np.ndarray
    weights: np.ndarray | None
    groups: np.ndarray | None
    parameters: Message

    @property
    def positive(self) -> np.ndarray:
        """Whether the event happened, `[n]`."""
        return self.labels > 0

    def mean(self, values: np.ndarray) -> float:
        """Returns the weighted mean of one value per row."""
        return float(np.average(values, weights=self.weights))

    def ranked_counts(self) -> RankedCounts:
        """Returns events and others above each prediction; there is one at least."""
        return ranked_counts(self.positive, self.predictions, self.weights)

    def needs_both_classes(self) -> None:
        """Raises UndefinedMetric unless there are positive and negative rows."""
        num_positives = int(self.positive.sum())
        if num_positives in (0, len(self.labels)):
            kind = "positive" if num_positives else "negative"
            raise UndefinedMetric(f"all {len(self.labels)} labelled rows are {kind}")


def auc(inputs: MetricInputs) -> float:
    """Area under the ROC curve, exact: every prediction is a threshold, ties count 1/2."""
    inputs.needs_both_classes()
    return inputs.ranked_counts().roc_area()


def group_auc(inputs: MetricInputs) -> float:
    """Mean of the AUC over groups of rows; groups with one class are left out."""
    assert inputs.groups is not None
    by_group = grouped_auc(inputs.positive, inputs.predictions, inputs.groups, inputs.weights)
    if not len(by_group.auc):
        raise UndefinedMetric("no group has both a positive and a negative row")
    return by_group.reduce(inputs.parameters.reduction)


def pr_auc(inputs: MetricInputs) -> float:
    """Average precision: the step-wise area under the precision-recall curve."""
    inputs.needs_both_classes()
    return inputs.ranked_counts().average_precision()


def max_f1(inputs: MetricInputs) -> float:
    """The best F1 over all thresholds on the probability."""
    if not inputs.positive.any():
        raise UndefinedMetric(f"none of the {len(inputs.labels)} labelled rows is positive")
    return inputs.ranked_counts().best_f1()


def accuracy(inputs: MetricInputs) -> float:
    """Share of rows whose class is right: the likeliest class, or for one event a probability above 1/2."""
    if inputs.predictions.ndim == 2:
        return inputs.mean(inputs.predictions.argmax(axis=1) == inputs.labels)
    return inputs.mean((inputs.predictions > 0.5) == inputs.positive)


def precision(inputs: MetricInputs) -> float:
    """Share of events among the rows with a probability above 1/2."""
    predicted = inputs.predictions > 0.5
    if not predicted.any():
        raise UndefinedMetric("no prediction is above 0.5")
    return inputs.mean(predicted & inputs.positive) / inputs.mean(predicted)


def recall(inputs: MetricInputs) -> float:
    """Share of rows with a probability above 1/2 among the events."""
    if not inputs.positive.any():
        raise UndefinedMetric(f"none of the {len(inputs.labels)} labelled rows is positive")
    return inputs.mean((inputs.predictions > 0.5) & inputs.positive) / inputs.mean(inputs.positive)


def recall_at_topk(inputs: MetricInputs) -> float:
    """Share of rows whose class is among the `topk` likeliest."""
    topk = min(inputs.parameters.topk, inputs.predictions.shape[1])
    likeliest = np.argsort(-inputs.predictions, axis=1, kind="stable")[:, :topk]
    return inputs.mean((likeliest == inputs.labels[:, None]).any(axis=1))


def precision_at_topk(inputs: MetricInputs) -> float:
    """Share of right classes among the `topk` likeliest: each row has one right class, so recall / topk."""
    return recall_at_topk(inputs) / inputs.parameters.topk


def mean_squared_error(inputs: MetricInputs) -> float:
    """Mean of (prediction - label)²."""
    return inputs.mean(np.square(inputs.predictions - inputs.labels))


def root_mean_squared_error(inputs: MetricInputs) -> float:
    """Square root of the mean squared error."""
    return float(np.sqrt(mean_squared_error(inputs)))


def mean_absolute_error(inputs: MetricInputs) -> float:
    """Mean of |prediction - label|."""
    return inputs.mean(np.abs(inputs.predictions - inputs.labels))


def log_loss(inputs: MetricInputs) -> float:
    """Mean of -log of the probability of the label, in nats; probabilities are kept 1e-7 away from 0 and 1."""
    if inputs.predictions.ndim == 2:
        classes = inputs.labels.astype(np.int64)
        num_class = inputs.predictions.shape[1]
        if classes.min() < 0 or classes.max() >= num_class:
            raise UndefinedMetric(f"labels go from {classes.min()} to {classes.max()}, classes to {num_class - 1}")
        chosen = inputs.predictions[np.arange(len(classes)), classes]
        return -inputs.mean(np.log(np.maximum(chosen, _SMALLEST_PROBABILITY)))
    return inputs.mean(_cross_entropy(inputs.labels, inputs.predictions))


def normalized_entropy(inputs: MetricInputs) -> float:
    """Log loss divided by the log loss of always predicting the mean label; below 1 is better than that.

    He et al., "Practical Lessons from Predicting Clicks on Ads at Facebook", ADKDD 2014, equation 1.
    """
    inputs.needs_both_classes()
    base_rate = inputs.mean(inputs.labels)
    return log_loss(inputs) / float(_cross_entropy(np.asarray(base_rate), np.asarray(base_rate)))


def calibration(inputs: MetricInputs) -> float:
    """Mean prediction divided by mean label; 1 is right, above 1 predicts too much."""
    observed = inputs.mean(inputs.labels)
    if observed == 0:
        raise UndefinedMetric("the mean label is 0")
    return inputs.mean(inputs.predictions) / observed


def xauc(inputs: MetricInputs) -> float:
    """Share of row pairs with different labels that the predictions put in the right order."""
    share = ordered_pair_share(inputs.labels, inputs.predictions, inputs.weights)
    if share is None:
        raise UndefinedMetric("all labels are equal")
    return share


def _cross_entropy(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    probabilities = np.clip(probabilities, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
    return -(labels * np.log(probabilities) + (1 - labels) * np.log1p(-probabilities))


@dataclass(frozen=True)
class MetricKind:
    """How one metric of the config language is computed.

    Attributes:
        compute: the metric on all rows that count.
        key_parameter: the parameter that names the field of the groups, if it has groups.
    """

    compute: Callable[[MetricInputs], float]
    key_parameter: str = ""


def _kind_of(extension: Extension) -> MetricKind:
    function = extension.target()

    def compute(inputs: MetricInputs) -> float:
        result = np.asarray(function(inputs))
        if result.size != 1:
            raise ExtensionError(
                f"{extension.title} returns an array of shape {result.shape}; it has to return a number."
            )
        return float(result.reshape(()))

    return MetricKind(compute, extension.declaration.groups)


_METRICS = {
    "auc": MetricKind(auc),
    "gauc": MetricKind(group_auc, key_parameter="uid_field"),
    "session_auc": MetricKind(group_auc, key_parameter="session_id_field"),
    "pr_auc": MetricKind(pr_auc),
    "max_f1": MetricKind(max_f1),
    "accuracy": MetricKind(accuracy),
    "precision": MetricKind(precision),
    "recall": MetricKind(recall),
    "recall_at_topk": MetricKind(recall_at_topk),
    "precision_at_topk": MetricKind(precision_at_topk),
    "mean_squared_error": MetricKind(mean_squared_error),
    "root_mean_squared_error": MetricKind(root_mean_squared_error),
    "mean_absolute_error": MetricKind(mean_absolute_error),
    "log_loss": MetricKind(log_loss),
    "normalized_entropy": MetricKind(normalized_entropy),
    "calibration": MetricKind(calibration),
    "xauc": MetricKind(xauc),
}

METRICS: Table[MetricKind] = Table("metric", _METRICS, _kind_of)
