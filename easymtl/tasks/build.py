"""The tasks of a pipeline: one for each tower, connected where one needs another."""

from collections.abc import Iterable, Sequence

from easymtl.config import view
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.features.numbers import NumberColumn
from easymtl.protos.loss_pb2 import LossType
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.task_pb2 import KD, SampleWeight, TaskTower
from easymtl.tasks.calibration import OrderCalibration
from easymtl.tasks.distillation import Distillation
from easymtl.tasks.funnel import connect_tasks, weighed_tower
from easymtl.tasks.sample_weights import Factor, Space, Value
from easymtl.tasks.task import Task


def build_tasks(pipeline: Pipeline) -> list[Task]:
    """Returns the tasks of a pipeline, in the order of its towers.

    Raises:
        UserError: when a tower asks for something that is not available or does not exist.
    """
    tasks = [
        Task(
            weighed_tower(pipeline, tower),
            view.label_name(pipeline, index),
            _factors(pipeline, tower, view.label_name(pipeline, index)),
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
    data = pipeline.data_config
    for kd in pipeline.model_config.kd:
        task = next((task for task in tasks if kd.pred_name in task.prediction_names), None)
        if task is None:
            raise UserError(f'model_config.kd: no task tower has a prediction "{kd.pred_name}".')
        factors: list[Factor] = []
        if task.tower.use_sample_weight and data.sample_weight:
            factors.append(Value(_plain(data.sample_weight)))
        if kd.task_space_indicator_name:
            column = _indicator_column(pipeline, "model_config.kd", kd)
            factors.append(Space(column, kd.in_task_space_weight, kd.out_task_space_weight))
        task.distillations.append(Distillation(kd, task, factors))


def _check_names(tasks: Sequence[Task]) -> None:
    for kind, names in (
        ("task tower", [task.name for task in tasks]),
        ("loss", [name for task in tasks for name in task.loss_names]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise UserError(f"Two entries share the {kind} name {quoted(twice)}; give each its own name.")


def _factors(pipeline: Pipeline, tower: TaskTower, label: str) -> list[Factor]:
    factors: list[Factor] = []
    if tower.use_sample_weight and pipeline.data_config.sample_weight:
        factors.append(Value(_plain(pipeline.data_config.sample_weight), keeps_in_space=True))
    inside, outside = tower.in_task_space_weight, tower.out_task_space_weight
    if tower.task_space_indicator_label:
        factors.append(Space(_plain(tower.task_space_indicator_label), inside, outside))
    if tower.task_space_indicator_name:
        factors.append(Space(_indicator_column(pipeline, f'Task tower "{tower.tower_name}"', tower), inside, outside))
    factors.extend(_extra_factor(entry, label) for entry in tower.sample_weights if entry.WhichOneof("factor"))
    return factors


def _extra_factor(entry: SampleWeight, label: str) -> Factor:
    if entry.WhichOneof("factor") == "class_weights":
        return Space(_plain(label), entry.class_weights.positive, entry.class_weights.negative)
    return Value(_plain(entry.column or entry.label))


def _plain(field: str) -> NumberColumn:
    return NumberColumn(field, field)


def _indicator_column(pipeline: Pipeline, where: str, tower: TaskTower | KD) -> NumberColumn:
    """Returns the indicator "the named feature has the value": of its first input field, or of a field of that name."""
    name, value = tower.task_space_indicator_name, tower.task_space_indicator_value
    fields = {field.input_name: field.input_name for field in pipeline.data_config.input_fields}
    fields |= {view.feature_name(feature): feature.input_names[0] for feature in view.features(pipeline)}
    if name not in fields:
        raise UserError(
            f'{where}: task_space_indicator_name "{name}" is neither a feature nor an '
            f"input field (there are {quoted(fields)}).{did_you_mean(name, fields)}"
        )
    return NumberColumn.indicator(fields[name], value)
