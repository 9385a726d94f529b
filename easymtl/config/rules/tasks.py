"""Rules of the task towers: labels, losses and relations."""

from graphlib import CycleError, TopologicalSorter

from easymtl.config import view
from easymtl.config.rules.review import LABELS, Review
from easymtl.errors import quoted
from easymtl.protos.loss_pb2 import Loss, LossType
from easymtl.protos.task_pb2 import TaskTower

_WITH_RELATIONS = ("dbmtl", "aitm", "model_params")
_NUM_CLASS = {"JRC_LOSS": 2, "ZILN_LOSS": 3}
LOSS_PARAMETERS = {
    "f1_reweighted_loss": "F1_REWEIGHTED_LOSS",
    "binary_focal_loss": "BINARY_FOCAL_LOSS",
    "pairwise_loss": "PAIR_WISE_LOSS",
    "pairwise_focal_loss": "PAIRWISE_FOCAL_LOSS",
    "pairwise_logistic_loss": "PAIRWISE_LOGISTIC_LOSS",
    "jrc_loss": "JRC_LOSS",
    "pairwise_hinge_loss": "PAIRWISE_HINGE_LOSS",
    "listwise_rank_loss": "LISTWISE_RANK_LOSS",
    "listwise_distill_loss": "LISTWISE_DISTILL_LOSS",
    "ziln_loss": "ZILN_LOSS",
    "custom": "CUSTOM",
}
"""The loss that each member of the oneof `loss_param` belongs to."""

LOSS_FIELDS = ("loss_type", "num_class", "losses", "losses.loss_type")
"""The fields of a tower that say what its losses are."""

_MEANINGS = {"L2_LOSS": "value", "ZILN_LOSS": "value", "SIGMOID_L2_LOSS": "rate"}


def check_tower_labels(review: Review) -> None:
    """Each tower learns one of the label fields: the named one, or that of its place."""
    labels = list(review.data.label_fields)
    for index, (path, tower) in enumerate(review.towers()):
        if tower.label_name:
            review.check_label_field(f"{path}.label_name", tower.label_name)
        elif index >= len(labels):
            text = (
                f"has no label_name, and data_config.label_fields has no label for place {index}: ({quoted(labels)})."
            )
            review.problem(path, text, *LABELS)


def check_unused_labels(review: Review) -> None:
    """A label field that no tower learns or reads is noted."""
    labels = list(review.data.label_fields)
    used = {tower.label_name or "".join(labels[index : index + 1]) for index, (_, tower) in enumerate(review.towers())}
    for _, tower in review.towers():
        used.update([tower.task_space_indicator_label, *(weight.label for weight in tower.sample_weights)])
    used.update(kd.soft_label_name for kd in review.pipeline.model_config.kd)
    for index, label in enumerate(labels if review.towers() else []):
        if label not in used:
            review.note(f"data_config.label_fields[{index}]", f'"{label}" is learned by no tower.')


def check_losses(review: Review) -> None:
    """The losses of a tower fit its num_class, its parameters and each other."""
    for path, tower in review.towers():
        losses = [loss for loss in losses_of(tower) if loss.loss_type != LossType.ORDER_CALIBRATE_LOSS]
        for loss in losses:
            wanted = _num_class(loss)
            if wanted and tower.num_class != wanted:
                named = view.custom_loss(loss)
                name = f'"{named.name}"' if named else LossType.Name(loss.loss_type)
                text = f"is {tower.num_class}, but {name} needs num_class: {wanted}."
                review.problem(f"{path}.num_class", text)
        meanings = {_meaning(loss) for loss in losses}
        if len(meanings) > 1:
            text = f"disagree on what the tower predicts ({', '.join(sorted(meanings))}); make a tower for each."
            review.problem(f"{path}.losses", text)
        if tower.losses and tower.HasField("loss_type") and LossType.Name(tower.loss_type) not in loss_names(tower):
            review.note(f"{path}.loss_type", f"{LossType.Name(tower.loss_type)} has no effect: losses {{ }} is set.")
        _check_loss_entries(review, path, tower)


def check_sampling(review: Review) -> None:
    """A share of the negatives is one of a task that predicts whether one event happens, and is known of training."""
    for path, tower in review.towers():
        reads = [f"{path}.{field}" for field in LOSS_FIELDS]
        for field in ("negative_sampling_rate", "eval_negative_sampling_rate"):
            if tower.HasField(field) and task_kind(tower) != "binary":
                text = f'is of negatives, and the tower "{tower.tower_name}" predicts no probability of one event.'
                review.problem(f"{path}.{field}", f"{text} Remove it.", *reads)


def check_calibrations(review: Review) -> None:
    """What is calibrated is a probability of one event, and there is data for it."""
    pipeline, towers = review.pipeline, review.towers()
    calibrated = {path: tower for path, tower in towers if tower.HasField("post_calibration")}
    for path, tower in calibrated.items():
        if task_kind(tower) != "binary":
            text = f'is of a probability of one event, and the tower "{tower.tower_name}" predicts none. Remove it.'
            review.problem(f"{path}.post_calibration", text, *(f"{path}.{field}" for field in LOSS_FIELDS))
        elif not (pipeline.eval_config.calibration_input_path or view.eval_input(pipeline)):
            text = "is fitted on evaluation data, and there are none: set eval_config.calibration_input_path or"
            review.problem(f"{path}.post_calibration", f"{text} eval_input_path.", "eval_input_path")
    if pipeline.eval_config.calibration_input_path and not calibrated:
        review.note("eval_config.calibration_input_path", "has no effect without post_calibration in a task tower.")


def check_relations(review: Review) -> None:
    """Towers depend on towers that exist, and never on themselves in a circle."""
    towers = review.towers()
    names = [tower.tower_name for _, tower in towers]
    model = review.model()
    for path, tower in towers:
        for index, name in enumerate(tower.relation_tower_names):
            item = f"{path}.relation_tower_names[{index}]"
            review.check_known(item, name, names, "the towers", *review.tower_reads())
        uses_relations = "ORDER_CALIBRATE_LOSS" in loss_names(tower)
        if uses_relations and not tower.relation_tower_names:
            text = (
                "has ORDER_CALIBRATE_LOSS, which has no effect without relation_tower_names: name the towers whose "
                "events come first."
            )
            review.note(path, text)
        if (
            tower.relation_tower_names
            and not uses_relations
            and not tower.HasField("relation_dnn")
            and model
            and model[0].split(".")[-1] not in _WITH_RELATIONS
        ):
            text = f"has no effect in {model[0].split('.')[-1]} without a relation_dnn {{ }} that reads those towers."
            review.note(f"{path}.relation_tower_names", text)
    _check_cycles(review)


def loss_names(tower: TaskTower) -> list[str]:
    """Returns the names of the losses of a tower."""
    return [LossType.Name(loss.loss_type) for loss in losses_of(tower)]


def losses_of(tower: TaskTower) -> list[Loss]:
    """Returns the losses of a tower: `losses`, or the one of `loss_type`."""
    return list(tower.losses) or [Loss(loss_type=tower.loss_type)]


def _meaning(loss: Loss) -> str:
    """Returns what the logits of a loss stand for: `probability`, `value` or `rate`."""
    if loss.loss_type == LossType.CUSTOM:
        return "value" if view.predicts_value(loss) else "probability"
    return _MEANINGS.get(LossType.Name(loss.loss_type), "probability")


def _num_class(loss: Loss) -> int:
    """Returns the num_class that a loss needs, 0 for any."""
    if loss.loss_type == LossType.CUSTOM:
        named = view.custom_loss(loss)
        declared = named.declaration() if named else None
        return declared.num_class if declared else 0
    return 0 if loss.loss_type == LossType.CLASSIFICATION else _NUM_CLASS.get(LossType.Name(loss.loss_type), 1)


def task_kind(tower: TaskTower) -> str:
    """Returns what a tower predicts: `binary`, `classes` or `value`."""
    if any(_meaning(loss) != "probability" for loss in losses_of(tower)):
        return "value"
    return "classes" if tower.num_class > 1 and "JRC_LOSS" not in loss_names(tower) else "binary"


def _check_loss_entries(review: Review, path: str, tower: TaskTower) -> None:
    for index, loss in enumerate(tower.losses):
        loss_path = f"{path}.losses[{index}]"
        parameters = loss.WhichOneof("loss_param")
        name = LossType.Name(loss.loss_type)
        if not loss.HasField("loss_type"):
            review.problem(loss_path, "has no loss_type.")
        elif parameters and LOSS_PARAMETERS.get(parameters) != name:
            text = f"belongs to {LOSS_PARAMETERS.get(parameters, 'another loss')}, but loss_type is {name}."
            review.problem(f"{loss_path}.{parameters}", text)


def _check_cycles(review: Review) -> None:
    towers = {tower.tower_name: (path, tower) for path, tower in review.towers()}
    if len(towers) < len(review.towers()):
        # Names are taken twice, which is reported: who is meant is not known.
        return
    relations = {name: [*tower.relation_tower_names] for name, (_, tower) in towers.items()}
    try:
        TopologicalSorter(relations).prepare()
    except CycleError as error:
        cycle = list(reversed(error.args[1]))
        path = f"{towers[cycle[0]][0]}.relation_tower_names"
        review.problem(path, f"make a circle: {' needs '.join(cycle)}. Remove one of these relations.")
