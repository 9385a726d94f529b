"""The tower of each label: its loss, its metrics, and what has to happen before it."""

from easymtl.drafting.funnel import ancestors
from easymtl.drafting.labels import Label
from easymtl.drafting.layers import dense
from easymtl.drafting.plan import Plan
from easymtl.protos.loss_pb2 import LossType
from easymtl.protos.task_pb2 import LabelTransform, TaskTower

_PLAIN_DEVIATIONS = (0.2, 3.0)


def set_tower(tower: TaskTower, label: Label, plan: Plan) -> None:
    """Sets layers, loss and metrics."""
    tower.tower_name, tower.label_name = plan.towers[label.name], label.name
    tower.dnn.CopyFrom(dense(plan.sizes.tower_units, plan.sizes.dropout))
    if label.kind == "event":
        _set_event(tower, plan)
    elif label.kind == "classes":
        tower.num_class = label.num_classes
        tower.metrics_set.add().accuracy.SetInParent()
    elif label.kind == "rate":
        tower.loss_type = LossType.SIGMOID_L2_LOSS
        tower.metrics_set.add().root_mean_squared_error.SetInParent()
    else:
        _set_value(tower, label)


def _set_event(tower: TaskTower, plan: Plan) -> None:
    tower.metrics_set.add().auc.SetInParent()
    for group in plan.groups:
        if group == plan.roles.session:
            tower.metrics_set.add().session_auc.session_id_field = group
        else:
            tower.metrics_set.add().gauc.uid_field = group


def _set_value(tower: TaskTower, label: Label) -> None:
    tower.loss_type = LossType.L2_LOSS
    tower.metrics_set.add().root_mean_squared_error.SetInParent()
    tower.metrics_set.add().mean_absolute_error.SetInParent()
    if label.is_skewed:
        tower.label_transform.function = LabelTransform.LOG1P
    elif is_transformed(label):
        tower.label_transform.divide_by = float(f"{label.deviation:.1g}")


def is_transformed(label: Label) -> bool:
    """Returns whether a label goes through a function, or is divided, before the loss sees it."""
    low, high = _PLAIN_DEVIATIONS
    return label.kind in ("count", "value") and (label.is_skewed or not low <= label.deviation <= high)


def set_relations(tower: TaskTower, name: str, label: Label, plan: Plan) -> None:
    """Lets a tower of an architecture with relations of its own read those of what has to happen before."""
    if name == "dbmtl":
        tower.relation_tower_names.extend(plan.towers[before] for before in ancestors(label.name, plan.parents))
        tower.relation_dnn.hidden_units.append(32)
    elif name == "aitm":
        tower.relation_tower_names.append(plan.towers[plan.parents[label.name]])


def set_parent(tower: TaskTower, label: Label, plan: Plan) -> bool:
    """Makes the label one that is learnt given what it needs; returns whether that can be.

    Values that go through a function, or are divided, cannot, nor can rates.
    """
    if not can_have_parent(label):
        return False
    tower.parent = plan.towers[plan.parents[label.name]]
    return True


def can_have_parent(label: Label) -> bool:
    """Returns whether the chance of an event can be multiplied with what is predicted of a label."""
    return not is_transformed(label) and label.kind != "rate"


def set_space(tower: TaskTower, label: Label, plan: Plan) -> None:
    """Lets the label be learnt of the rows alone in which what it needs happened."""
    tower.task_space_indicator_label = plan.parents[label.name]
    tower.out_task_space_weight = 0
