"""Rules of `export_config.final_score`: names of their own, and formulas over numbers that the tasks give."""

import re
from collections.abc import Iterator

from easymtl.config import view
from easymtl.config.expressions import SCORES, ExpressionFault, Tree, parse_expression, positions
from easymtl.config.feature_outputs import feature_outputs
from easymtl.config.final_scores import names_of_several, score_names
from easymtl.config.rules.groups import grouped_names
from easymtl.config.rules.review import INPUT_NAMES, Review, feature_name
from easymtl.protos.export_pb2 import FinalScore

_PATH = "export_config.final_score"
_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_TOWERS = ("num_class", "loss_type", "losses", "losses.loss_type", "parent")


def check_final_scores(review: Review) -> None:
    """Each has a name that nothing else has, and a formula over the scores of the tasks and earlier ones."""
    scores = review.pipeline.export_config.final_score
    if not scores or not review.model():
        return
    known, taken = score_names(review.pipeline), _taken(review)
    for index, score in enumerate(scores):
        path = f"{_PATH}[{index}]"
        _check_name(review, path, score.name, taken)
        if not score.expression:
            review.problem(path, f'has no expression, for example expression: "{_example(known)}".')
        else:
            _check_formula(review, path, score, known)
        if score.name:
            taken.setdefault(score.name, f"the final_score of {review.places.where(path)}")
            known.setdefault(score.name, score.name)


def _check_name(review: Review, path: str, name: str, taken: dict[str, str]) -> None:
    if not name:
        review.problem(path, 'has no name, which is that of the output, for example name: "rank".')
    elif not _IDENTIFIER.fullmatch(name):
        review.problem(
            f"{path}.name", f'"{name}" is no name of an output: letters of any language, digits and "_" are allowed.'
        )
    elif name in taken:
        reads = (*review.tower_reads(*_TOWERS), *INPUT_NAMES)
        review.problem(f"{path}.name", f'"{name}" is {taken[name]} already. Give it another name.', *reads)


def _check_formula(review: Review, path: str, score: FinalScore, known: dict[str, str]) -> None:
    several = names_of_several(review.pipeline)
    try:
        tree = parse_expression(score.expression, SCORES, [*known, *several], "the scores of the tasks")
        _require_numbers(score.expression, tree, several)
    except ExpressionFault as fault:
        review.problem(f"{path}.expression", str(fault), *review.tower_reads(*_TOWERS))
        return
    if not positions(tree):
        text = f'"{score.expression}" names no score ({_example(known)}), so it is the same in all rows.'
        review.problem(f"{path}.expression", text)


def _require_numbers(text: str, tree: Tree, several: dict[str, str]) -> None:
    """Raises a fault at the first name that stands for several numbers.

    Raises:
        ExpressionFault: there is one.
    """
    for name, position in positions(tree).items():
        if name in several:
            message = f'"{name}" is not one number for each row, as {several[name]}. Leave it out.'
            raise ExpressionFault(text, position, message)


def _example(known: dict[str, str]) -> str:
    towers = [name for name, output in known.items() if name != output]
    return " * ".join(towers[:2]) or "ctr * cvr"


def _taken(review: Review) -> dict[str, str]:
    """Returns the names that a final score cannot have, with what has them."""
    taken: dict[str, str] = {}
    for name, what in _others(review):
        taken.setdefault(name, what)
    return taken


def _others(review: Review) -> Iterator[tuple[str, str]]:
    for _, tower in review.towers():
        yield tower.tower_name, "a task tower"
    for names in view.result_names(review.pipeline).values():
        yield from ((name, "the name of a result of a tower") for name in names)
    outputs = {**score_names(review.pipeline), **names_of_several(review.pipeline)}
    yield from ((name, "the name of an output") for name in outputs)
    yield from ((name, "a column (data_config.input_fields)") for name in review.input_types)
    if review.pipeline.export_config.export_features:
        grouped = grouped_names(review)
        for _, feature in review.written_features():
            if (own := feature_name(feature)) in grouped:
                yield from ((name, "the name of an output") for name in feature_outputs(feature, own))
