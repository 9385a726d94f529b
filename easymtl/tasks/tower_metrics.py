"""The metrics of a tower: the entries of its `metrics_set`, each held against what the tower predicts."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from google.protobuf.message import Message

from easymtl.config import names as config_names
from easymtl.config import view
from easymtl.config.extension_parameters import parameters_of
from easymtl.errors import UserError, quoted
from easymtl.protos.eval_pb2 import EvalMetrics
from easymtl.tasks.grouped_metrics import REDUCTIONS
from easymtl.tasks.metrics import METRICS, MetricKind


@dataclass(frozen=True)
class Metric:
    """One entry of a tower's `metrics_set`.

    Attributes:
        name: its name without the tower, such as `auc`, `weighted_auc`, or `gauc_2` for a second, other gauc.
        kind: its row of `METRICS`.
        parameters: its own message.
        weighted: whether rows count by the task's sample weights and space, or one each.
        of_second_class: of a task with two classes, whether it takes the probability of the second one only.
        is_of_order: whether it depends on nothing but the order of the predictions.
        is_error: whether smaller is better.
    """

    name: str
    kind: MetricKind
    parameters: Message
    weighted: bool
    of_second_class: bool
    is_of_order: bool = False
    is_error: bool = False

    @property
    def is_calibration(self) -> bool:
        """Whether it is best at 1, and an error above and below it."""
        return self.kind is METRICS["calibration"]

    @property
    def key_field(self) -> str:
        """Field that holds the group of a row, or an empty string."""
        return getattr(self.parameters, self.kind.key_parameter) if self.kind.key_parameter else ""


def build_metrics(entries: Iterable[EvalMetrics], predicted: str, num_class: int, where: str) -> list[Metric]:
    """Returns the metrics of a tower.

    Args:
        entries: the tower's `metrics_set`.
        predicted: what the tower predicts: `binary`, `classes` or `value`.
        num_class: the tower's number of classes.
        where: the tower, to begin a message with.

    Raises:
        UserError: when a metric does not go with what the tower predicts, or lacks a parameter.
    """
    metrics = [_build_metric(entry, predicted, num_class, where) for entry in entries]
    names = config_names.numbered(metric.name for metric in metrics)
    return [replace(metric, name=name) for metric, name in zip(metrics, names)]


def _build_metric(entry: EvalMetrics, predicted: str, num_class: int, where: str) -> Metric:
    suitable = [name for name in METRICS if _suits(name, predicted, num_class)]
    name, named = view.metric_name(entry), view.custom_metric(entry)
    suitable += [name] if named and _suits(name, predicted, num_class) else []
    if not name:
        raise UserError(f"{where}: an entry of metrics_set names no metric; use one of {quoted(suitable)}.")
    if name not in suitable:
        raise UserError(
            f"{where}: metric {name} cannot be computed on its prediction ({predicted}, num_class {num_class}); "
            f"use one of {quoted(suitable)}."
        )
    metric = Metric(
        name=f"weighted_{name}" if entry.weighted else name,
        kind=METRICS[name],
        parameters=parameters_of(named) if named else getattr(entry, name),
        weighted=entry.weighted,
        of_second_class=config_names.METRICS[name].most_classes == 2,
        is_of_order=config_names.METRICS[name].is_of_order,
        is_error=config_names.METRICS[name].is_error,
    )
    _check_groups(metric, where)
    return metric


def _suits(name: str, predicted: str, num_class: int) -> bool:
    rule = config_names.METRICS[name]
    return predicted in rule.tasks and (not rule.most_classes or num_class <= rule.most_classes)


def _check_groups(metric: Metric, where: str) -> None:
    if not metric.kind.key_parameter:
        return
    if not metric.key_field:
        raise UserError(f"{where}: metric {metric.name} needs {metric.kind.key_parameter}, the field of its groups.")
    # A metric of a package has a reduction of its own, or none.
    reduction = metric.parameters.reduction if metric.kind in METRICS.values() else REDUCTIONS[0]
    if reduction not in REDUCTIONS:
        raise UserError(f'{where}: metric {metric.name} has reduction "{reduction}"; allowed: {quoted(REDUCTIONS)}.')
