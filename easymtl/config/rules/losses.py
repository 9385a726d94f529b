"""Rules of losses that look beyond one row: sessions, calibration of one task against another, distillation."""

from easymtl.config import view
from easymtl.config.names import distillation_name, numbered
from easymtl.config.rules.normalizers import normalizer_fault
from easymtl.config.rules.review import Review
from easymtl.config.rules.spaces import check_indicator
from easymtl.config.rules.tasks import LOSS_PARAMETERS, loss_names, task_kind
from easymtl.errors import quoted
from easymtl.protos.loss_pb2 import Loss, LossType
from easymtl.protos.task_pb2 import KD, TaskTower

_NEED_SESSIONS = {
    "JRC_LOSS": "jrc_loss",
    "LISTWISE_RANK_LOSS": "listwise_rank_loss",
    "LISTWISE_DISTILL_LOSS": "listwise_distill_loss",
}
_OF_PROBABILITIES = ("CROSS_ENTROPY_LOSS", "BINARY_CROSS_ENTROPY_LOSS", "KL_DIVERGENCE_LOSS")
_OF_LOGITS = (
    "CLASSIFICATION",
    "BINARY_FOCAL_LOSS",
    "F1_REWEIGHTED_LOSS",
)
_OF_NUMBERS = (
    "L2_LOSS",
    "PAIR_WISE_LOSS",
    "PAIRWISE_FOCAL_LOSS",
    "PAIRWISE_LOGISTIC_LOSS",
    "PAIRWISE_HINGE_LOSS",
    "LISTWISE_RANK_LOSS",
    "LISTWISE_DISTILL_LOSS",
)


def check_sessions(review: Review) -> None:
    """Losses within sessions say what a session is, and name a function of the labels that exists."""
    for path, tower in review.towers():
        for index, loss in enumerate(tower.losses):
            _check_parameters(review, f"{path}.losses[{index}]", loss)
        if not tower.losses and LossType.Name(tower.loss_type) in _NEED_SESSIONS:
            _miss_session(review, path, LossType.Name(tower.loss_type))


def check_loss_names(review: Review) -> None:
    """No loss is named as another: further ones of a tower get `_2`, as a tower may end in, and those of kd do not."""
    named: list[tuple[str, str, str]] = []
    for path, tower in review.towers():
        entries = [(f"{path}.losses[{index}]", loss) for index, loss in enumerate(tower.losses)]
        names = [_title(loss) for _, loss in entries] or loss_names(tower)
        ends = numbered(f"{name}_{tower.tower_name}" for name in names)
        rest = "Give it a loss_name, or rename the tower."
        named += [(name, place, rest) for name, (place, _) in zip(ends, entries or [(path, tower)])]
    for index, kd in enumerate(review.pipeline.model_config.kd):
        named.append((distillation_name(kd), f"model_config.kd[{index}]", "Give it a loss_name of its own."))
    taken: dict[str, str] = {}
    for name, place, rest in named:
        if name in taken:
            review.problem(place, f'has a loss named "{name}", as {review.places.where(taken[name])} has. {rest}')
        taken.setdefault(name, place)


def _title(loss: Loss) -> str:
    named = view.custom_loss(loss)
    return loss.loss_name or (named.name if named else LossType.Name(loss.loss_type))


def check_order_calibration(review: Review) -> None:
    """ORDER_CALIBRATE_LOSS stands beside a loss that teaches the tower, between towers that predict one event each."""
    kinds = {tower.tower_name: task_kind(tower) for _, tower in review.towers()}
    for path, tower in review.towers():
        names = loss_names(tower)
        if "ORDER_CALIBRATE_LOSS" not in names:
            continue
        if set(names) == {"ORDER_CALIBRATE_LOSS"}:
            text = (
                "have ORDER_CALIBRATE_LOSS alone, which learns from no label; add losses { loss_type: CLASSIFICATION }."
            )
            review.problem(f"{path}.losses", text)
        others = [name for name in (tower.tower_name, *tower.relation_tower_names) if kinds.get(name) != "binary"]
        known = [name for name in others if name in kinds]
        if known:
            text = (
                f"have ORDER_CALIBRATE_LOSS, which compares probabilities of one event; {quoted(known)} predict none."
            )
            review.problem(f"{path}.losses", text, *review.tower_reads("loss_type", "num_class", "losses"))


def check_distillation(review: Review) -> None:
    """Each entry of kd names a prediction, a column to compare it with, and a loss that fits both."""
    results = view.result_names(review.pipeline) if review.model() else {}
    predictions = {
        name: tower for _, tower in review.towers() for name in _prediction_names(tower, results[tower.tower_name][0])
    }
    for index, kd in enumerate(review.pipeline.model_config.kd):
        path = f"model_config.kd[{index}]"
        _check_soft_label(review, path, kd)
        _check_space(review, path, kd)
        if not kd.HasField("loss_type"):
            review.problem(path, "has no loss_type, for example loss_type: BINARY_CROSS_ENTROPY_LOSS.")
            continue
        if review.check_known(
            f"{path}.pred_name", kd.pred_name, predictions, "the predictions of the towers", *review.tower_reads()
        ):
            _check_compared(review, path, kd)
        _check_kd_parameters(review, path, kd)


def _check_parameters(review: Review, path: str, loss: Loss) -> None:
    name, member = LossType.Name(loss.loss_type), loss.WhichOneof("loss_param")
    if name in _NEED_SESSIONS and member in (None, _NEED_SESSIONS[name]):
        parameters = getattr(loss, _NEED_SESSIONS[name])
        if not parameters.session_name:
            _miss_session(review, path, name)
    if member:
        _check_fields(review, f"{path}.{member}", getattr(loss, member))


def _check_kd_parameters(review: Review, path: str, kd: KD) -> None:
    name, member = LossType.Name(kd.loss_type), kd.WhichOneof("loss_param")
    if member and LOSS_PARAMETERS.get(member) != name:
        text = f"belongs to {LOSS_PARAMETERS.get(member, 'another loss')}, but loss_type is {name}."
        review.problem(f"{path}.{member}", text)
    elif name in _NEED_SESSIONS and not (member and getattr(kd, member).session_name):
        _miss_session(review, path, name)
    elif member:
        _check_fields(review, f"{path}.{member}", getattr(kd, member))


def _check_fields(review: Review, path: str, parameters) -> None:
    if getattr(parameters, "session_name", ""):
        review.check_input_field(f"{path}.session_name", parameters.session_name)
    function = getattr(parameters, "transform_fn", "")
    fault = normalizer_fault(function) if function else ""
    if fault:
        review.problem(f"{path}.transform_fn", fault)
    if getattr(parameters, "scale_logits", False) and path.startswith("model_config.kd"):
        review.problem(f"{path}.scale_logits", "is for losses of a tower; leave it out.")


def _miss_session(review: Review, path: str, name: str) -> None:
    member = _NEED_SESSIONS[name]
    text = (
        f"has {name}, which compares the rows of a session; name the input field that tells sessions apart: "
        f'{member} {{ session_name: "user_id" }}.'
    )
    review.problem(path, text, f"{path}.{member}.session_name")


def _check_soft_label(review: Review, path: str, kd: KD) -> None:
    if kd.soft_label_name:
        review.check_number_field(f"{path}.soft_label_name", kd.soft_label_name)
    else:
        review.problem(path, "has no soft_label_name, the input field that holds the other model's prediction.")


def _check_space(review: Review, path: str, kd: KD) -> None:
    if kd.HasField("task_space_indicator_name") != kd.HasField("task_space_indicator_value"):
        review.problem(path, "needs both task_space_indicator_name and task_space_indicator_value, or neither.")
    elif kd.task_space_indicator_name:
        check_indicator(review, path, kd)


def _check_compared(review: Review, path: str, kd: KD) -> None:
    """Reports a loss that does not go with the prediction that is named, and what the entry says of it."""
    name, is_logit = LossType.Name(kd.loss_type), kd.pred_name.startswith("logits_")
    is_value = kd.pred_name.startswith("y_")
    allowed = _OF_NUMBERS if is_value else (*_OF_PROBABILITIES, *_OF_LOGITS, *_OF_NUMBERS)
    if name not in allowed:
        text = (
            f"{name} cannot hold {kd.pred_name} against another model's prediction; use one of {quoted(allowed, 30)}."
        )
        review.problem(f"{path}.loss_type", text)
    elif name in _OF_LOGITS and not is_logit:
        text = f'"{kd.pred_name}" is no logit, and {name} needs one; name "logits_{kd.pred_name.partition("_")[2]}".'
        review.problem(f"{path}.pred_name", text)
    elif name in _OF_PROBABILITIES and is_logit != kd.pred_is_logits:
        found, wanted = ("a logit", "true") if is_logit else ("a probability", "false")
        review.problem(f"{path}.pred_is_logits", f'has to be {wanted}: "{kd.pred_name}" is {found}.')
    elif name == "CROSS_ENTROPY_LOSS" and not (kd.label_is_logits and kd.pred_is_logits):
        text = (
            "CROSS_ENTROPY_LOSS takes the log of a probability for its logit, as EasyRec does: a soft label of 0.5 "
            "teaches 0.33. BINARY_CROSS_ENTROPY_LOSS teaches 0.5."
        )
        review.note(f"{path}.loss_type", text)


def _prediction_names(tower: TaskTower, name: str) -> list[str]:
    kind = task_kind(tower)
    if tower.num_class > 1:
        return []
    return [f"y_{name}"] if kind == "value" else [f"logits_{name}", f"probs_{name}"]
