"""Rules of task balancing and of learned loss weights."""

from easymtl.config import view
from easymtl.config.rules.review import Review
from easymtl.protos.loss_pb2 import LossType
from easymtl.protos.model_pb2 import ModelConfig
from easymtl.protos.train_pb2 import TaskBalancing

_BALANCING = "train_config.task_balancing"
_COMPARING = "train_config.log_gradient_conflict_every"
_METHODS = tuple(member.name for member in TaskBalancing.DESCRIPTOR.oneofs_by_name["method"].fields)
_OF_GRADIENTS = ("gradnorm", "pcgrad", "mgda", "cagrad", "nash_mtl", "pareto")
_ROUNDING = 1e-6
_EXAMPLE = "task_balancing { uncertainty { } }"


def check_task_balancing(review: Review) -> None:
    """A method is named, and the model has what it needs."""
    train = review.pipeline.train_config
    if train.HasField("task_balancing"):
        method = train.task_balancing.WhichOneof("method")
        if method is None:
            text = f"names no method, for example {_EXAMPLE}; leave it out for fixed weights."
            review.problem(_BALANCING, text, *(f"{_BALANCING}.{member}" for member in _METHODS))
        else:
            _check_method(review, method)
    if train.log_gradient_conflict_every and _has_several_towers(review, _COMPARING, "compares"):
        _check_shared(review, _COMPARING, "leave it out, or take a model with shared layers.")


def _check_method(review: Review, method: str) -> None:
    path = f"{_BALANCING}.{method}"
    strategy = review.pipeline.model_config.loss_weight_strategy
    if strategy != ModelConfig.Fixed:
        name = ModelConfig.LossWeightStrategy.Name(strategy)
        text = f"and model_config.loss_weight_strategy {name} both weigh the losses; keep one of them."
        review.problem(path, text, "model_config.loss_weight_strategy")
    if _has_several_towers(review, path, "weighs") and method in _OF_GRADIENTS:
        advice = "take a model with shared layers, or uncertainty, random or dwa, which need the losses alone."
        _check_shared(review, path, advice)
    if method == "pareto":
        _check_floors(review, path)


def _has_several_towers(review: Review, path: str, does: str) -> bool:
    """Reports a model of one tower; returns whether there are several, which is not known without a model."""
    towers = review.towers()
    if len(towers) == 1 and not review.pipeline.model_config.HasField("model_params"):
        only = towers[0][1].tower_name
        text = f'{does} tasks against each other, and the model has one tower ("{only}"); leave it out.'
        review.problem(path, text, *review.tower_reads())
    return len(towers) > 1


def _check_shared(review: Review, path: str, advice: str) -> None:
    if view.model_name(review.pipeline) == "simple_multi_task":
        text = (
            "looks at the dense weights that several tasks share, and the towers of simple_multi_task share embeddings "
            f"only; {advice}"
        )
        review.problem(path, text)


def _check_floors(review: Review, path: str) -> None:
    pareto = review.pipeline.train_config.task_balancing.pareto
    names = [tower.tower_name for _, tower in review.towers()]
    floors = dict.fromkeys(names, pareto.min_weight)
    entries = [(f"{path}.floors[{index}].tower_name", entry) for index, entry in enumerate(pareto.floors)]
    named = [(entry_path, entry.tower_name) for entry_path, entry in entries]
    review.check_unique(named, "Keep one of them.")
    for entry_path, entry in entries:
        if review.check_known(entry_path, entry.tower_name, names, "the towers", *review.tower_reads()):
            floors[entry.tower_name] = entry.min_weight
    total = sum(floors.values())
    if total > 1 + _ROUNDING:
        text = (
            f"has floors that sum to {total:g} over {len(names)} towers; the weights sum to 1, so lower min_weight "
            "until the floors sum to less."
        )
        review.problem(path, text, *review.tower_reads())


def check_learned_losses(review: Review) -> None:
    """A strategy and the losses that it weighs come together."""
    strategy = review.pipeline.model_config.loss_weight_strategy
    marked = {
        f"{path}.losses[{index}].learn_loss_weight": loss.loss_type
        for path, tower in review.towers()
        for index, loss in enumerate(tower.losses)
        if loss.learn_loss_weight
    }
    for path, loss_type in marked.items():
        if loss_type == LossType.ORDER_CALIBRATE_LOSS:
            review.problem(
                path, "is for losses of a tower's own logits; set the weight of ORDER_CALIBRATE_LOSS by hand."
            )
    if strategy == ModelConfig.Fixed:
        for path in marked:
            review.note(path, "has no effect: model_config.loss_weight_strategy is Fixed.")
    elif not marked and review.towers():
        text = (
            f"{ModelConfig.LossWeightStrategy.Name(strategy)} has no effect: no losses {{ }} of a tower has "
            "learn_loss_weight: true."
        )
        review.note("model_config.loss_weight_strategy", text)
