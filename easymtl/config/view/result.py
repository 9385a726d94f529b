"""How a config has results of tasks and metrics named in reports."""

from easymtl.config.names import JOINT_OF_ESMM, METRICS, metric_result
from easymtl.config.view.extension import metric_name
from easymtl.config.view.tower import FUNNEL_MODELS, model_name, parents, task_towers
from easymtl.extensions import ExtensionError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.task_pb2 import TaskTower

LOSS_NAMES = ("loss",)
"""Results of an evaluation that are no metric and can choose the best export all the same."""


def given_name(tower: str, parent: str) -> str:
    """Returns the name of a task where its parent happened, in predictions and metrics: `order_given_click`."""
    return f"{tower}_given_{parent}"


def result_names(pipeline: Pipeline) -> dict[str, tuple[str, ...]]:
    """Returns what stands behind the metric in reports, `auc_<name>`, by tower: first the one over all rows.

    A tower with a parent has a second one, over the rows where the parent happened. ESMM names them in its own way.
    """
    names: dict[str, tuple[str, ...]] = {tower.tower_name: (tower.tower_name,) for tower in task_towers(pipeline)}
    for tower, parent in parents(pipeline).items():
        is_esmm = model_name(pipeline) in FUNNEL_MODELS
        names[tower] = (JOINT_OF_ESMM, f"{tower}_masked") if is_esmm else (tower, given_name(tower, parent))
    return names


def result_rows(pipeline: Pipeline) -> list[str]:
    """Returns what a table of results has a row for: the towers, their other results, and the final scores.

    See `result_names` and `scored_for`.
    """
    names = result_names(pipeline)
    rows = [name for tower, results in names.items() for name in (tower, *results)]
    for score in pipeline.export_config.final_score:
        rows += [score.name, *(scored_for(score.name, results[0]) for results in names.values())]
    return list(dict.fromkeys(rows))


def scored_for(score: str, result: str) -> str:
    """Returns what stands behind a metric of a final score on the labels of a task: `auc_rank_for_ctr`."""
    return f"{score}_for_{result}"


def metric_results(pipeline: Pipeline) -> dict[str, str]:
    """Returns the names of all metrics in reports, tower by tower, each with its metric: `auc_ctr` is an `auc`."""
    names = result_names(pipeline)
    results = {
        result: metric
        for tower in task_towers(pipeline)
        for name in names[tower.tower_name]
        for result, metric in results_of_tower(tower, name).items()
    }
    for score in pipeline.export_config.final_score:
        for tower in task_towers(pipeline):
            of_score = results_of_tower(tower, scored_for(score.name, names[tower.tower_name][0]))
            results |= {result: metric for result, metric in of_score.items() if is_of_order(metric)}
    return results


def results_of_tower(tower: TaskTower, name: str = "") -> dict[str, str]:
    """Returns the names of a tower's metrics in reports, each with its metric.

    Args:
        tower: the tower.
        name: what stands behind the metric if not the tower's own name, see `result_names`.
    """
    metrics = ((metric_name(entry), entry.weighted) for entry in tower.metrics_set)
    return {metric_result(metric, name or tower.tower_name, weighted): metric for metric, weighted in metrics}


def is_of_order(metric: str) -> bool:
    """Returns whether a metric depends on the order of the predictions alone; of one that nothing brings it is not."""
    try:
        return METRICS[metric].is_of_order
    except ExtensionError:
        return False


def results_of_metric(pipeline: Pipeline, name: str) -> list[str]:
    """Returns the results that a name stands for, empty when there is none.

    A full name (`auc_ctr`) is itself; a bare one (`auc`, `weighted_auc`) is the mean over the towers that have it, of
    a tower with a parent over all rows.
    """
    results = metric_results(pipeline)
    firsts = [names[0] for names in result_names(pipeline).values()]
    return [name] if name in results else [full for first in firsts if (full := f"{name}_{first}") in results]
