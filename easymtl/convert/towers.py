"""The tasks of a model: labels, losses, weights and metrics."""

from collections.abc import Callable
from dataclasses import dataclass

from easymtl.convert.columns import Columns
from easymtl.convert.features import Feature
from easymtl.convert.networks import dnn
from easymtl.convert.source import Node
from easymtl.errors import did_you_mean
from easymtl.protos.eval_pb2 import EvalMetrics
from easymtl.protos.loss_pb2 import Loss, LossType
from easymtl.protos.task_pb2 import TaskTower

_SCALE = (
    "there weights of rows are divided by their mean in a batch, here the loss by the number of rows with a weight: "
    "scale the weight of the tower if its share of the total loss moves."
)


@dataclass
class Tasks:
    """What the towers of a config refer to.

    Attributes:
        features: all features by name; losses and metrics name one to tell sessions apart.
        columns: the columns of the data.
    """

    features: dict[str, Feature]
    columns: Columns

    def column_of(self, node: Node, field: str) -> str:
        """Returns the column that a feature reads, which is what metrics and losses name here."""
        name = node.take(field)
        feature = self.features.get(name)
        if feature is None or feature.message is None:
            node.left_out(field, f'"{name}" is no feature that is read here.{did_you_mean(name, self.features)}')
            return name
        return feature.message.input_names[0]


def convert_tower(theirs: Node, tasks: Tasks) -> TaskTower:
    """Returns a task, without what only some architectures have."""
    theirs.is_about(theirs.take("tower_name"))
    tower = TaskTower(tower_name=theirs.take("tower_name"))
    if theirs.take("label_name"):
        tower.label_name = theirs.take("label_name")
    mlp = theirs.node("mlp")
    if mlp is not None:
        tower.dnn.CopyFrom(dnn(mlp))
    if theirs.take("num_class") != 1:
        tower.num_class = theirs.take("num_class")
    _losses(theirs, tower, tasks)
    for node in theirs.nodes("metrics"):
        _metric(node, tower, tasks)
    if theirs.has("train_metrics"):
        text = "metrics are of the evaluation data, which save_checkpoints_steps says how often; losses are logged."
        theirs.left_out("train_metrics", text)
    _weights(theirs, tower, tasks)
    _declare_label(theirs, tower, tasks)
    return tower


def _declare_label(theirs: Node, tower: TaskTower, tasks: Tasks) -> None:
    is_number = any(loss == LossType.L2_LOSS for loss in [tower.loss_type, *(one.loss_type for one in tower.losses)])
    if tower.label_name:
        tasks.columns.want(tower.label_name, "FLOAT" if is_number else "INT32")


def _losses(theirs: Node, tower: TaskTower, tasks: Tasks) -> None:
    losses = [_loss(node, tasks) for node in theirs.nodes("losses")]
    found = [loss for loss in losses if loss is not None]
    if not found:
        theirs.guessed("losses", "it names no loss that there is here: it is CLASSIFICATION.")
        found = [Loss(loss_type=LossType.CLASSIFICATION)]
    if len(found) == 1 and not found[0].WhichOneof("loss_param"):
        tower.loss_type = found[0].loss_type
    else:
        tower.losses.extend(found)


def _loss(node: Node, tasks: Tasks) -> Loss | None:
    theirs = node.chosen("loss")
    if theirs is None:
        node.left_out("", "a loss of semantic ids belongs to no ranking model.")
        node.mark_all()
        return None
    if theirs.take("label_smoothing"):
        theirs.left_out("label_smoothing", "labels are not smoothed in cross entropy; BINARY_FOCAL_LOSS does it.")
    if theirs.name == "L2Loss":
        return Loss(loss_type=LossType.L2_LOSS)
    if theirs.name == "JRCLoss":
        loss = Loss(loss_type=LossType.JRC_LOSS)
        loss.jrc_loss.session_name = tasks.column_of(theirs, "session_name")
        loss.jrc_loss.alpha = theirs.take("alpha")
        return loss
    if theirs.name == "BinaryFocalLoss":
        loss = Loss(loss_type=LossType.BINARY_FOCAL_LOSS)
        loss.binary_focal_loss.gamma = theirs.take("gamma")
        loss.binary_focal_loss.alpha = theirs.take("alpha")
        return loss
    return Loss(loss_type=LossType.CLASSIFICATION)


def _metric(node: Node, tower: TaskTower, tasks: Tasks) -> None:
    theirs = node.chosen("metric")
    if theirs is None:
        return
    metric = EvalMetrics()
    convert = _METRICS.get(theirs.path.rpartition(".")[2])
    if convert is None or not convert(theirs, metric, tasks):
        theirs.left_out("", "there is no such metric here.")
        theirs.mark_all()
    elif metric not in tower.metrics_set:
        tower.metrics_set.append(metric)


def _plain(name: str, *without_effect: str) -> Callable[[Node, EvalMetrics, Tasks], bool]:
    """Returns what makes a metric without parameters; those there are of how it is approximated."""

    def convert(theirs: Node, metric: EvalMetrics, tasks: Tasks) -> bool:
        getattr(metric, name).SetInParent()
        for field in without_effect:
            if theirs.has(field):
                theirs.not_needed(field, "the metric is exact.")
        return True

    return convert


def _accuracy(theirs: Node, metric: EvalMetrics, tasks: Tasks) -> bool:
    top = theirs.take("top_k")
    if top > 1:
        metric.recall_at_topk.topk = top
        theirs.changed("top_k", f"it is recall_at_topk with topk: {top}, the share of rows whose class is among these.")
    else:
        metric.accuracy.SetInParent()
    if abs(theirs.take("threshold") - 0.5) > 1e-6:
        theirs.left_out("threshold", "classes are told apart at 0.5.")
    return True


def _grouped(theirs: Node, metric: EvalMetrics, tasks: Tasks) -> bool:
    metric.gauc.uid_field = tasks.column_of(theirs, "grouping_key")
    return True


_METRICS: dict[str, Callable[[Node, EvalMetrics, Tasks], bool]] = {
    "auc": _plain("auc", "thresholds"),
    "mean_absolute_error": _plain("mean_absolute_error"),
    "mean_squared_error": _plain("mean_squared_error"),
    "normalized_entropy": _plain("normalized_entropy", "eta"),
    "xauc": _plain("xauc", "sample_ratio", "max_pairs", "in_batch"),
    "accuracy": _accuracy,
    "grouped_auc": _grouped,
}


def _weights(theirs: Node, tower: TaskTower, tasks: Tasks) -> None:
    if theirs.has("weight"):
        tower.weight = theirs.take("weight")
    column = theirs.take("sample_weight_name")
    if column:
        tower.sample_weights.add(column=column)
        tasks.columns.want(column, "FLOAT")
        theirs.changed("sample_weight_name", _SCALE)
    indicator = theirs.take("task_space_indicator_label")
    inside, outside = theirs.take("in_task_space_weight"), theirs.take("out_task_space_weight")
    if not indicator:
        return
    tower.task_space_indicator_label = indicator
    if not outside and inside:
        # Only their ratio counts there.
        inside = 1.0
    tower.in_task_space_weight, tower.out_task_space_weight = inside, outside
    if outside and inside != outside:
        theirs.changed("in_task_space_weight", _SCALE)
