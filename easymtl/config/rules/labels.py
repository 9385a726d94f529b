"""Rules of what labels become: the numbers that their texts stand for, and the transform of regressions."""

from easymtl.config import view
from easymtl.config.rules.review import INPUT_TYPES, LABELS, Review
from easymtl.config.rules.tasks import LOSS_FIELDS, losses_of
from easymtl.errors import quoted
from easymtl.protos.loss_pb2 import Loss, LossType
from easymtl.protos.task_pb2 import LabelTransform


def check_label_values(review: Review) -> None:
    """Each entry gives texts of a STRING label a number, and no text has two."""
    seen: dict[tuple[str, str], str] = {}
    for index, entry in enumerate(review.data.label_values):
        path, label = f"data_config.label_values[{index}]", entry.label_name
        if not label:
            review.problem(path, 'has no label_name, for example label_name: "click".')
            continue
        is_known = review.check_known(f"{path}.label_name", label, review.data.label_fields, LABELS[1], *LABELS)
        kind = review.input_types.get(label, "STRING")
        if is_known and kind != "STRING":
            text = f'"{label}" is a {kind} field, whose numbers need no names; remove the entry, or declare STRING.'
            review.problem(f"{path}.label_name", text, INPUT_TYPES)
        for number, written in enumerate(entry.texts):
            if not written.strip():
                review.problem(f"{path}.texts[{number}]", f'"{written}" is an empty text, which is a missing label.')
        for written in entry.texts or [""]:
            if (label, written) in seen:
                what = f'the text "{written}"' if written else "all other texts (it has no texts)"
                place = review.places.where(seen[label, written])
                review.problem(path, f'gives {what} of "{label}" a second number; {place} has the first.')
            seen.setdefault((label, written), path)


def check_label_transforms(review: Review) -> None:
    """Only a tower that predicts a number by itself can have its label transformed."""
    parents = view.parents(review.pipeline) if review.model() else {}
    for tower_path, tower in review.towers():
        if not tower.HasField("label_transform"):
            continue
        path, transform = f"{tower_path}.label_transform", tower.label_transform
        others = [LossType.Name(loss.loss_type) for loss in losses_of(tower) if not _is_of_numbers(loss)]
        if others:
            text = f"is for L2_LOSS alone; the tower has {quoted(others)}. {_ADVICE.get(others[0], 'Remove it.')}"
            review.problem(path, text, *(f"{tower_path}.{field}" for field in LOSS_FIELDS))
        elif tower.tower_name in parents:
            text = (
                f'does not go with the parent "{parents[tower.tower_name]}": the loss is that of p(parent) * value in '
                "the units of the label. Give the tower a weight instead, or no parent."
            )
            review.problem(path, text, f"{tower_path}.parent")
        elif transform.divide_by == 1 and transform.function == LabelTransform.IDENTITY:
            review.note(path, "has no effect: set divide_by or function, for example function: LOG1P.")


def _is_of_numbers(loss: Loss) -> bool:
    """Returns whether a loss compares the logit itself with the label: ours, or one that a package brings."""
    return loss.loss_type == LossType.L2_LOSS or view.predicts_value(loss)


_ADVICE = {
    "ZILN_LOSS": "It takes the log of the label by itself: remove label_transform.",
    "SIGMOID_L2_LOSS": "Its label lies in [0, 1] and has no need of it: remove label_transform.",
}
