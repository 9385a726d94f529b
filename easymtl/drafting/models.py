"""The network of a draft: groups of features, an architecture, and a tower for each label."""

from easymtl.drafting.architectures import ARCHITECTURES, FUNNELS
from easymtl.drafting.features import Features
from easymtl.drafting.labels import Label
from easymtl.drafting.plan import Plan
from easymtl.drafting.towers import can_have_parent, set_parent, set_relations, set_space, set_tower
from easymtl.protos.layer_pb2 import DNN
from easymtl.protos.model_pb2 import ModelConfig
from easymtl.protos.task_pb2 import TaskTower

_L2, _EMBEDDING_L2 = 1e-6, 1e-6
FEATURE_DROPOUT = 0.1
_WHY_NO_WEIGHTS = (
    ". No tower has a weight: labels are of a like spread for their losses, and which task matters more is yours to say"
)


def draft_model(name: str, plan: Plan) -> ModelConfig:
    """Returns the model of a draft; comments on its fields are added to `plan.comments`.

    Args:
        name: of an architecture that fits the plan, such as `mmoe`.
        plan: what it reads and learns.
    """
    architecture = ARCHITECTURES[name]
    model = ModelConfig(model_class=architecture.model_class, embedding_regularization=_EMBEDDING_L2)
    _set_group(model, plan.features)
    architecture.fill(model, plan)
    getattr(model, name).l2_regularization = _L2
    plan.comments["feature_groups[0].feature_dropout_rate"] = (
        "each training row goes without a tenth of its features, so that no task leans on a few"
    )
    towers = _towers(model, name, len(plan.labels))
    for label, (path, tower) in zip(_ordered(name, plan), towers):
        _draft_tower(tower, path, name, label, plan)
    if len(towers) > 1:
        plan.comments[towers[0][0]] += _WHY_NO_WEIGHTS
    return model


def _ordered(name: str, plan: Plan) -> list[Label]:
    """Returns the labels in the order of the towers: in funnels the event is first."""
    labels = list(plan.labels)
    return sorted(labels, key=lambda label: label.name in plan.parents) if name in FUNNELS else labels


def _towers(model: ModelConfig, name: str, count: int) -> list[tuple[str, TaskTower]]:
    """Returns new towers and their paths inside of the model."""
    network = getattr(model, name)
    if name in FUNNELS:
        return [(f"{name}.{tower}", getattr(network, tower)) for tower in ("ctr_tower", "cvr_tower")]
    return [(f"{name}.task_towers[{place}]", network.task_towers.add()) for place in range(count)]


def _draft_tower(tower: TaskTower, path: str, name: str, label: Label, plan: Plan) -> None:
    set_tower(tower, label, plan)
    if name == "stem":
        tower.feature_group = f"of_{plan.towers[label.name]}"
    plan.comments[path] = label.reason
    if label.name in plan.parents:
        _set_need(tower, path, name, label, plan)
    if tower.HasField("label_transform"):
        plan.comments[f"{path}.label_transform"] = "large numbers would drown the losses of the other tasks"


def _set_need(tower: TaskTower, path: str, name: str, label: Label, plan: Plan) -> None:
    """Tells a tower of the event that its label needs, in the way that the architecture and the label allow."""
    event = plan.parents[label.name]
    plan.comments[path] += f'; never without "{event}"'
    set_relations(tower, name, label, plan)
    if ARCHITECTURES[name].takes_parents and set_parent(tower, label, plan):
        plan.comments[f"{path}.parent"] = (
            "the chance of both is that of the parent, times that given the parent: both are predicted"
        )
    elif name not in FUNNELS and not can_have_parent(label):
        set_space(tower, label, plan)
        plan.comments[f"{path}.task_space_indicator_label"] = (
            f'"{label.name}" is learnt where "{event}" happened, and predicted as if it had: without it there is none, '
            "and so many zeros would hide how large it is. A product of chance and value cannot be learnt of a "
            "transformed label or a rate; to rank all rows multiply the two predictions"
        )


def _set_group(model: ModelConfig, features: Features) -> None:
    group = model.feature_groups.add(group_name="all", feature_dropout_rate=FEATURE_DROPOUT)
    for name, draft in features.drafts.items():
        if not features.in_history(name):
            group.feature_names.extend(feature.feature_name or name for feature in draft.features)
    for block in features.blocks:
        attention = group.sequence_features.add(group_name=block.name, need_key_feature=False, allow_key_transform=True)
        attention.seq_att_map.add(key=block.keys, hist_seq=block.histories)
        attention.seq_dnn.CopyFrom(DNN(hidden_units=[64, 32, 1], use_bn=False))
