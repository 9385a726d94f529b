"""The tasks of a pipeline: one for each tower, connected where one needs another."""

from collections.abc import Iterable, Sequence

from easymtl.config import view
from easymtl.errors import UserError, quoted
from easymtl.features.factors import kd_factors, tower_factors
from easymtl.features.numbers import NumberColumn
from easymtl.protos.loss_pb2 import LossType
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.calibration import OrderCalibration
from easymtl.tasks.distillation import Distillation
from easymtl.tasks.funnel import connect_tasks, weighed_tower
from easymtl.tasks.task import Task


def build_tasks(pipeline: Pipeline) -> list[Task]:
    """Returns the tasks of a pipeline, in the order of its towers.

    Raises:
        UserError: when a tower asks for something that is not available or does not exist.
    """
    tasks = [
        Task(
            weighed_tower(pipeline, tower),
            NumberColumn.plain(pipeline.data_config, view.label_name(pipeline, index)),
            tower_factors(pipeline, index),
            pipeline.model_config.loss_reduction,
        )
        for index, tower in enumerate(view.task_towers(pipeline))
    ]
    connect_tasks(pipeline, tasks)
    _calibrate_order(tasks)
    _distill(pipeline, tasks)
    _check_names(tasks)
    return tasks


def number_columns(tasks: Iterable[Task]) -> list[NumberColumn]:
    """Returns the number columns of all tasks, each once."""
    return list({column.name: column for task in tasks for column in task.number_columns}.values())


def key_fields(tasks: Iterable[Task]) -> list[str]:
    """Returns the key fields of all tasks, each once."""
    return list(dict.fromkeys(field for task in tasks for field in task.key_fields))


def _calibrate_order(tasks: Sequence[Task]) -> None:
    """Gives towers with ORDER_CALIBRATE_LOSS its term, which reads their relation towers."""
    by_name = {task.name: task for task in tasks}
    for task in tasks:
        earlier = [by_name[name] for name in task.tower.relation_tower_names if name in by_name]
        for entry in task.tower.losses:
            if entry.loss_type == LossType.ORDER_CALIBRATE_LOSS and earlier:
                name = f"{entry.loss_name or 'order_calibrate_loss'}_{task.name}"
                task.terms.append(OrderCalibration(name, entry.weight, task, earlier))


def _distill(pipeline: Pipeline, tasks: Sequence[Task]) -> None:
    """Gives tasks the losses against other models' predictions of theirs."""
    for kd in pipeline.model_config.kd:
        task = next((task for task in tasks if kd.pred_name in task.prediction_names), None)
        if task is None:
            raise UserError(f'model_config.kd: no task tower has a prediction "{kd.pred_name}".')
        task.distillations.append(Distillation(kd, task, kd_factors(pipeline, kd, task.tower)))


def _check_names(tasks: Sequence[Task]) -> None:
    for kind, names in (
        ("task tower", [task.name for task in tasks]),
        ("loss", [name for task in tasks for name in task.loss_names]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise UserError(f"Two entries share the {kind} name {quoted(twice)}; give each its own name.")
