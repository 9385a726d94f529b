"""Rules of the metrics: they fit what their tower predicts, and the fields they group by exist."""

from easymtl.config import view
from easymtl.config.names import METRICS
from easymtl.config.rules.review import Review
from easymtl.config.rules.tasks import task_kind
from easymtl.extensions import ExtensionError
from easymtl.protos.eval_pb2 import EvalMetrics
from easymtl.protos.task_pb2 import TaskTower

_GROUP_FIELDS = {"gauc": "uid_field", "session_auc": "session_id_field"}
_KINDS = {"binary": "a probability", "classes": "a class of several", "value": "a number"}


def check_metrics(review: Review) -> None:
    """Each metric of a tower is set once and can be computed on what the tower predicts."""
    for path, tower in review.towers():
        seen: set[tuple[str, bool]] = set()
        for index, entry in enumerate(tower.metrics_set):
            metric_path = f"{path}.metrics_set[{index}]"
            name = view.metric_name(entry)
            if entry.WhichOneof("metric") is None:
                review.problem(metric_path, "names no metric, for example metrics_set { auc { } }.")
                continue
            if (name, entry.weighted) in seen:
                review.problem(metric_path, f"{name} is in this tower's metrics already. Remove one of them.")
            seen.add((name, entry.weighted))
            _check_fit(review, metric_path, name, tower)
            _check_group_field(review, metric_path, name, entry)


def _check_fit(review: Review, path: str, name: str, tower: TaskTower) -> None:
    try:
        metric, kind = METRICS[name], task_kind(tower)
    except ExtensionError:
        # It is not there, which is reported by rules.extensions.
        return
    fits_classes = not metric.most_classes or tower.num_class <= metric.most_classes
    if kind in metric.tasks and fits_classes:
        return
    allowed = [other for other, rule in METRICS.items() if kind in rule.tasks and not rule.most_classes]
    text = (
        f'{name} does not fit the tower "{tower.tower_name}", which predicts {_KINDS[kind]}; '
        f"for such towers there are {', '.join(allowed)}."
    )
    tower_path = path.rpartition(".")[0]
    reads = ("loss_type", "num_class", "losses", "losses.loss_type")
    review.problem(path, text, *(f"{tower_path}.{field}" for field in reads))


def _check_group_field(review: Review, path: str, name: str, entry: EvalMetrics) -> None:
    field = _GROUP_FIELDS.get(name)
    if field is None:
        return
    group_field = getattr(getattr(entry, name), field)
    if group_field:
        review.check_input_field(f"{path}.{name}.{field}", group_field)
    else:
        review.problem(f"{path}.{name}", f'needs {field}, the column to group by, for example {field}: "user_id".')


def check_best_metric(review: Review) -> None:
    """The metric that the best export is chosen by is one of the towers'."""
    export = review.pipeline.export_config
    is_used = export.exporter_type == "best" or export.enable_early_stop
    if export.best_margin and not is_used:
        why = f'has no effect with exporter_type: "{export.exporter_type}" and without enable_early_stop.'
        review.note("export_config.best_margin", why)
    # The default, auc, gives way to the loss where no tower has it.
    if not is_used or not export.HasField("best_exporter_metric"):
        return
    name = export.best_exporter_metric
    if name not in view.LOSS_NAMES and not view.results_of_metric(review.pipeline, name):
        known = [*view.metric_results(review.pipeline), *view.LOSS_NAMES]
        path = "export_config.best_exporter_metric"
        review.check_known(path, name, known, "the metrics of the towers", *review.tower_reads("metrics_set"))
