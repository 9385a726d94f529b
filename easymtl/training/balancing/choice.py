"""Which balancing a config asks for."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from easymtl.checkpoints.folder import Checkpoint
from easymtl.checkpoints.weights import advice_for_another_config
from easymtl.errors import UserError
from easymtl.protos.loss_pb2 import LossType
from easymtl.protos.model_pb2 import ModelConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.ranker import Ranker
from easymtl.tasks.task import Task
from easymtl.training.balancing.combinations import COMBINATIONS
from easymtl.training.balancing.descents import CombinedTasks, Descent, Fixed, LearnedLosses, WeighedTasks
from easymtl.training.balancing.weightings import (
    DynamicWeightAverage,
    RandomWeights,
    UncertaintyWeights,
    Weighable,
    Weighting,
)

_FIXED = "fixed weights"
_SQUARED = (LossType.L2_LOSS, LossType.SIGMOID_L2_LOSS)


def make_descent(pipeline: Pipeline, ranker: Ranker) -> Descent:
    """Returns the descent that a config asks for, and adds what it has to remember to the parameters of the ranker.

    So checkpoints, the check for finite weights and `freeze_gradient` know it by name, as they do the model's. A single
    task is not balanced.
    """
    descent = _descent(pipeline, ranker.tasks)
    ranker.parameters |= descent.parameters
    return descent


def _descent(pipeline: Pipeline, tasks: Sequence[Task]) -> Descent:
    marked = _marked_losses(pipeline.model_config, tasks)
    if marked:
        names = [loss.name for loss in marked]
        strategy = pipeline.model_config.loss_weight_strategy
        return LearnedLosses(_STRATEGIES[strategy](marked), names)
    balancing = pipeline.train_config.task_balancing
    method = balancing.WhichOneof("method")
    if method is None or len(tasks) < 2:
        return Fixed()
    if method in COMBINATIONS:
        combination = COMBINATIONS[method](getattr(balancing, method), [task.name for task in tasks])
        return CombinedTasks(combination, f"train_config.task_balancing.{method}")
    return WeighedTasks(_WEIGHTINGS[method](getattr(balancing, method), tasks))


def _marked_losses(model: ModelConfig, tasks: Sequence[Task]) -> list[Weighable]:
    """Returns the losses that a strategy of the model weighs."""
    if model.loss_weight_strategy == ModelConfig.Fixed:
        return []
    return [
        Weighable(name, task.tower.weight * entry.weight, entry.loss_type in _SQUARED)
        for task in tasks
        for name, entry in task.loss_entries.items()
        if entry.learn_loss_weight
    ]


def _uncertainty_of_losses(losses: Sequence[Weighable]) -> Weighting:
    return UncertaintyWeights(losses, [f"{loss.name}_loss_weight" for loss in losses])


def _is_regression(task: Task) -> bool:
    return all(entry.loss_type in _SQUARED for entry in task.loss_entries.values())


def _uncertainty_of_tasks(settings: Any, tasks: Sequence[Task]) -> Weighting:
    losses = [Weighable(task.name, task.tower.weight, _is_regression(task)) for task in tasks]
    return UncertaintyWeights(losses, [f"task_balancing/uncertainty/{task.name}" for task in tasks])


_STRATEGIES: dict[int, Callable[[Sequence[Weighable]], Weighting]] = {
    ModelConfig.Uncertainty: _uncertainty_of_losses,
    ModelConfig.Random: lambda losses: RandomWeights(len(losses), 1.0),
}
_WEIGHTINGS: dict[str, Callable[[Any, Sequence[Task]], Weighting]] = {
    "uncertainty": _uncertainty_of_tasks,
    "random": lambda settings, tasks: RandomWeights(len(tasks), float(len(tasks))),
    "dwa": lambda settings, tasks: DynamicWeightAverage(settings, [task.name for task in tasks]),
}


def balancing_name(pipeline: Pipeline) -> str:
    """Returns how the losses are balanced, as a checkpoint remembers it."""
    strategy = pipeline.model_config.loss_weight_strategy
    if strategy != ModelConfig.Fixed:
        return f"loss_weight_strategy {ModelConfig.LossWeightStrategy.Name(strategy)}"
    method = pipeline.train_config.task_balancing.WhichOneof("method")
    return f"task_balancing {method}" if method else _FIXED


def require_same_balancing(pipeline: Pipeline, checkpoint: Checkpoint, state: Mapping[str, Any]) -> None:
    """Refuses to go on training with another balancing: it would begin in the middle, with nothing learned.

    Raises:
        UserError: the config and the training that wrote the checkpoint differ.
    """
    here = balancing_name(pipeline)
    there = state.get("balancing", here)
    if there != here:
        raise UserError(
            f"{checkpoint.path}: the losses have {here} in the config and had {there} in the training. "
            f"{advice_for_another_config(checkpoint.path, is_training=True)}"
        )
