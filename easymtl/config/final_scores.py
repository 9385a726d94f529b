"""What the formulas of `export_config.final_score` may name: the scores of the tasks, one number for each row."""

from collections.abc import Callable

from easymtl.config import view
from easymtl.config.expressions import SCORES, ExpressionFault, names_in, parse_expression
from easymtl.config.rules.tasks import loss_names, task_kind
from easymtl.protos.export_pb2 import FinalScore
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.task_pb2 import TaskTower


def score_names(pipeline: Pipeline) -> dict[str, str]:
    """Returns the names that a formula may read, each with the output that it stands for.

    An output stands for itself. The name of a task stands for its main score: `probs_<name>` of an event,
    `y_<name>` of a value. Where a parent has to happen first, `<task>_given_<parent>` has its own.
    """
    outputs: dict[str, str] = {}
    for name, tower in _named_towers(pipeline):
        numbers, _ = _outputs(tower, name)
        outputs |= {output: output for output in numbers}
        main = f"{'y' if task_kind(tower) == 'value' else 'probs'}_{name}"
        if main in numbers:
            outputs[name] = main
    return outputs


def names_of_several(pipeline: Pipeline) -> dict[str, str]:
    """Returns outputs, and names of towers, that hold several numbers for each row or the number of a class, and why.

    No formula can read them.
    """
    several: dict[str, str] = {}
    for name, tower in _named_towers(pipeline):
        _, wide = _outputs(tower, name)
        if task_kind(tower) == "classes":
            wide = [*wide, name]
        why = f'the tower "{tower.tower_name}" has num_class: {tower.num_class}'
        if task_kind(tower) == "value":
            why = "it has three numbers for each row"
        several |= dict.fromkeys(wide, why)
    message = view.model_message(pipeline)
    return several | dict.fromkeys(getattr(message, "outputs", ()), "it is the value of a block")


def without_towers(pipeline: Pipeline, is_kept: Callable[[TaskTower], bool]) -> list[bool]:
    """Returns which final scores can still be computed when towers are left out; a wrong formula is kept."""
    gone: set[str] = set()
    for name, tower in _named_towers(pipeline):
        if not is_kept(tower):
            numbers, wide = _outputs(tower, name)
            gone |= {name, *numbers, *wide}
    kept = []
    for score in pipeline.export_config.final_score:
        kept.append(gone.isdisjoint(_reads(score)))
        if not kept[-1]:
            gone.add(score.name)
    return kept


def _reads(score: FinalScore) -> list[str]:
    try:
        return names_in(parse_expression(score.expression, SCORES))
    except ExpressionFault:
        return []


def _named_towers(pipeline: Pipeline) -> list[tuple[str, TaskTower]]:
    """Returns what stands behind the kind in the names of predictions, `probs_<name>`, with its tower."""
    results, parents = view.result_names(pipeline), view.parents(pipeline)
    named = []
    for tower in view.task_towers(pipeline):
        first, *_ = results[tower.tower_name]
        named.append((first, tower))
        if parent := parents.get(tower.tower_name):
            own = tower.tower_name
            named.append((view.given_name(own, parent) if first == own else own, tower))
    return named


def _outputs(tower: TaskTower, name: str) -> tuple[list[str], list[str]]:
    """Returns the outputs of a task that are one number for each row, and those that are not."""
    kind, losses = task_kind(tower), loss_names(tower)
    if kind == "classes":
        return [], [f"probs_{name}", f"logits_{name}", f"y_{name}"]
    if "ZILN_LOSS" in losses:
        return [f"probs_{name}", f"y_{name}"], [f"logits_{name}"]
    if kind == "value":
        return [f"y_{name}"], []
    if "JRC_LOSS" in losses:
        return [f"probs_{name}", f"pos_logits_{name}"], [f"logits_{name}"]
    return [f"probs_{name}", f"logits_{name}"], []
