"""Rules of funnels: towers with a parent, ESMM and ESCM2, and the chains of AITM."""

from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter

from google.protobuf.message import Message

from easymtl.config import view
from easymtl.config.names import IMPUTATION, JOINT_OF_ESMM
from easymtl.config.rules.review import Review
from easymtl.config.rules.tasks import LOSS_FIELDS, loss_names, task_kind
from easymtl.errors import quoted
from easymtl.protos.model_pb2 import AITM, ESCM2, ESMM
from easymtl.protos.task_pb2 import TaskTower

_COUNTERFACTUAL = (
    "CLASSIFICATION",
    "CROSS_ENTROPY_LOSS",
    "BINARY_CROSS_ENTROPY_LOSS",
    "L2_LOSS",
    "SIGMOID_L2_LOSS",
)


def check_parents(review: Review) -> None:
    """Parents exist, predict a probability, do not need each other in a circle, and leave names free."""
    towers = {tower.tower_name: (path, tower) for path, tower in review.towers()}
    for path, tower in review.towers():
        if not tower.parent:
            continue
        if isinstance(_model(review), (ESMM, ESCM2)):
            review.problem(f"{path}.parent", "is given by the model: the cvr_tower needs the ctr_tower. Remove it.")
        elif review.check_known(f"{path}.parent", tower.parent, towers, "the towers", *review.tower_reads()):
            _check_link(review, path, tower, *towers[tower.parent])
    _check_cycles(review, towers)
    _check_names(review, towers)


def check_chains(review: Review) -> None:
    """What the models of funnels are made of is there and fits."""
    model = review.model()
    rule = _MODELS.get(type(model[1])) if model else None
    if model and rule:
        rule(review, *model)


def _model(review: Review) -> Message | None:
    model = review.model()
    return model[1] if model else None


def _check_link(review: Review, path: str, tower: TaskTower, parent_path: str, parent: TaskTower) -> None:
    """Checks a tower and its parent against each other."""
    reads = [f"{p}.{field}" for p in (path, parent_path) for field in LOSS_FIELDS]
    if task_kind(parent) != "binary":
        text = f'"{tower.parent if tower.parent else parent.tower_name}" predicts no probability of one event; '
        text += "only such a tower can be what must happen first: CLASSIFICATION with num_class: 1."
        review.problem(f"{path}.parent" if tower.parent else parent_path, text, *reads)
    if tower.num_class != 1:
        text = f"is {tower.num_class}, but a tower with a parent predicts one event or one value: num_class: 1."
        review.problem(f"{path}.num_class", text, *reads)
    labels = {t.tower_name: _label(review, index) for index, (_, t) in enumerate(review.towers())}
    space = tower.task_space_indicator_label
    if space and space == labels.get(parent.tower_name) and tower.out_task_space_weight == 0:
        text = (
            f'"{space}" leaves out the rows where the parent did not happen. The loss is that of p(this) over all '
            "rows and needs them: remove it."
        )
        review.problem(f"{path}.task_space_indicator_label", text)


def _label(review: Review, index: int) -> str:
    """Returns the label of the tower at a place, empty when it has none."""
    _, tower = review.towers()[index]
    return tower.label_name or "".join(review.data.label_fields[index : index + 1])


def _check_cycles(review: Review, towers: dict[str, tuple[str, TaskTower]]) -> None:
    needs = {name: {tower.parent} for name, (_, tower) in towers.items() if tower.parent}
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        text = f"makes a circle: {' needs '.join(circle)}. One of these towers must happen without the others."
        review.problem(f"{towers[circle[0]][0]}.parent", text)


def _check_names(review: Review, towers: dict[str, tuple[str, TaskTower]]) -> None:
    """No tower, and no result of one given its parent, is named as the results of another one are."""
    given: dict[str, str] = {}
    for path, tower in review.towers():
        if not tower.parent:
            continue
        name = view.given_name(tower.tower_name, tower.parent)
        if name in towers:
            text = f'"{name}" is what the results of "{tower.tower_name}" given its parent are named. Rename it.'
            review.problem(f"{towers[name][0]}.tower_name", text)
        if given.setdefault(name, tower.tower_name) != tower.tower_name:
            text = f'"{tower.tower_name}" given its parent has results "{name}", as "{given[name]}" has. Rename it.'
            review.problem(f"{path}.tower_name", text)


def _check_funnel(review: Review, path: str, model: ESMM | ESCM2) -> None:
    towers = dict(review.towers())
    for field in ("ctr_tower", "cvr_tower"):
        if not model.HasField(field):
            review.problem(path, f"needs {field}.")
    inputs = [(f"{path}.groups[{i}].input", group.input) for i, group in enumerate(model.groups)]
    review.check_unique(inputs, "Keep one of them.")
    for index, group in enumerate(model.groups):
        if not group.input:
            review.problem(f"{path}.groups[{index}]", "needs input, the name of a feature group.")
    taken = {JOINT_OF_ESMM, f"{model.cvr_tower.tower_name}_masked", f"{model.cvr_tower.tower_name}{IMPUTATION}"}
    # The layers of a group are named after it.
    taken |= {group.input for group in model.groups if group.HasField("dnn")}
    for tower_path, tower in towers.items():
        if tower.tower_name in taken:
            text = f'"{tower.tower_name}" is a name of what the model makes of its towers. Use another one.'
            review.problem(f"{tower_path}.tower_name", text)
    if len(towers) == 2:
        (click_path, click), (conversion_path, conversion) = towers.items()
        _check_link(review, conversion_path, conversion, click_path, click)


def _check_escm2(review: Review, path: str, model: ESCM2) -> None:
    _check_funnel(review, path, model)
    names = loss_names(model.cvr_tower)
    cvr = f"{path}.cvr_tower"
    reads = [f"{cvr}.{field}" for field in LOSS_FIELDS]
    if len(names) > 1:
        review.problem(f"{cvr}.losses", "are several; the counterfactual loss is that of one. Keep one.", *reads)
    elif names[0] not in _COUNTERFACTUAL:
        text = f"has {names[0]}, which is no loss of one row alone; use one of {quoted(_COUNTERFACTUAL)}."
        review.problem(cvr, text, *reads)
    if model.HasField("imputation_dnn") and model.counterfactual != ESCM2.DR:
        review.note(f"{path}.imputation_dnn", "has no effect without counterfactual: DR.")


def _check_aitm(review: Review, path: str, model: AITM) -> None:
    for tower_path, tower in review.towers():
        if len(tower.relation_tower_names) > 1:
            text = f"are {quoted(tower.relation_tower_names)}; in aitm one tower hands on to another. Keep one."
            review.problem(f"{tower_path}.relation_tower_names", text)
        if tower.HasField("relation_dnn"):
            text = "is not read by aitm, which transfers by attention: leave it out, or see transfer_dnn of the model."
            review.problem(f"{tower_path}.relation_dnn", text)
    if not model.calibration_weight:
        return
    before = view.chain(model.task_towers)
    linked = {*(name for name, source in before.items() if source), *before.values()}
    for tower_path, tower in review.towers():
        if tower.tower_name in linked and task_kind(tower) != "binary":
            text = (
                f'needs probabilities, and the tower "{tower.tower_name}" predicts none. Set calibration_weight: 0, '
                "or take the tower out of the chain with relation_tower_names."
            )
            reads = [f"{tower_path}.{field}" for field in LOSS_FIELDS]
            review.problem(f"{path}.calibration_weight", text, *reads)


_MODELS: dict[type, Callable[[Review, str, Message], None]] = {
    ESMM: _check_funnel,
    ESCM2: _check_escm2,
    AITM: _check_aitm,
}
