"""The network of a draft: groups of features, an architecture, and a tower for each label."""

from collections.abc import Callable, Mapping, Sequence

from easymtl.drafting.features import Features
from easymtl.drafting.funnel import ancestors
from easymtl.drafting.labels import Label
from easymtl.drafting.roles import Roles
from easymtl.drafting.sizes import Sizes
from easymtl.errors import UserError, did_you_mean
from easymtl.protos.layer_pb2 import DNN
from easymtl.protos.loss_pb2 import LossType
from easymtl.protos.model_pb2 import ExtractionNetwork, ModelConfig
from easymtl.protos.task_pb2 import LabelTransform, TaskTower

_L2, _EMBEDDING_L2 = 1e-6, 1e-6
FEATURE_DROPOUT = 0.1


def dense(units: Sequence[int], dropout: float) -> DNN:
    """Returns layers with one rate of dropout."""
    return DNN(hidden_units=units, dropout_ratio=[dropout] * len(units) if dropout else [])


def _mmoe(model: ModelConfig, sizes: Sizes) -> None:
    model.mmoe.num_expert = sizes.experts
    model.mmoe.expert_dnn.CopyFrom(dense(sizes.expert_units, sizes.dropout))


def _omoe(model: ModelConfig, sizes: Sizes) -> None:
    model.omoe.num_expert = sizes.experts
    model.omoe.expert_dnn.CopyFrom(dense(sizes.expert_units, sizes.dropout))


def _shared_bottom(model: ModelConfig, sizes: Sizes) -> None:
    model.shared_bottom.bottom_dnn.CopyFrom(dense([2 * sizes.expert_units[0], sizes.expert_units[-1]], sizes.dropout))


def _dbmtl(model: ModelConfig, sizes: Sizes) -> None:
    model.dbmtl.bottom_dnn.CopyFrom(dense([2 * sizes.expert_units[0], sizes.expert_units[-1]], sizes.dropout))


def _aitm(model: ModelConfig, sizes: Sizes) -> None:
    model.aitm.bottom_dnn.CopyFrom(dense([2 * sizes.expert_units[0], sizes.expert_units[-1]], sizes.dropout))
    model.aitm.calibration_weight = 0


def _cgc(model: ModelConfig, sizes: Sizes) -> None:
    model.cgc.expert_num_per_task, model.cgc.share_num = 1, 2
    for network in (model.cgc.task_expert_net, model.cgc.share_expert_net):
        network.CopyFrom(dense(sizes.expert_units, sizes.dropout))


def _ple(model: ModelConfig, sizes: Sizes) -> None:
    network = dense(sizes.expert_units[-1:], sizes.dropout)
    for level in (1, 2):
        model.ple.extraction_networks.append(
            ExtractionNetwork(
                network_name=f"level_{level}",
                expert_num_per_task=1,
                share_num=2,
                task_expert_net=network,
                share_expert_net=network,
            )
        )


def _adatt(model: ModelConfig, sizes: Sizes) -> None:
    for units in (2 * sizes.expert_units[-1], sizes.expert_units[-1]):
        level = model.adatt.fusion_levels.add(expert_num_per_task=1, share_num=1)
        level.expert_net.CopyFrom(dense([units], sizes.dropout))


def _towers_alone(model: ModelConfig, sizes: Sizes) -> None:
    model.simple_multi_task.SetInParent()


# Architecture -> its class, and what sets what lies below the towers.
ARCHITECTURES: dict[str, tuple[str, Callable[[ModelConfig, Sizes], None]]] = {
    "mmoe": ("MMoE", _mmoe),
    "shared_bottom": ("SharedBottom", _shared_bottom),
    "simple_multi_task": ("SimpleMultiTask", _towers_alone),
    "omoe": ("OMoE", _omoe),
    "cgc": ("CGC", _cgc),
    "ple": ("PLE", _ple),
    "dbmtl": ("DBMTL", _dbmtl),
    "aitm": ("AITM", _aitm),
    "adatt": ("AdaTT", _adatt),
}


def require_architecture(name: str) -> None:
    """Checks that an architecture can be drafted.

    Raises:
        UserError: it cannot, or there is none of that name.
    """
    if name not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise UserError(f'--model: "{name}" cannot be drafted.{did_you_mean(name, ARCHITECTURES)} There are {known}.')


def draft_model(
    name: str,
    features: Features,
    labels: Sequence[Label],
    parents: Mapping[str, str],
    roles: Roles,
    sizes: Sizes,
    groups: Sequence[str],
) -> tuple[ModelConfig, dict[str, str]]:
    """Returns the model of a draft, and comments on its fields by their paths inside of it.

    Args:
        name: of the architecture, such as `mmoe`.
        features: what it reads.
        labels: what it learns.
        parents: which label needs which.
        roles: what other columns are.
        sizes: how large it is.
        groups: columns by whose values a metric compares rows: users, sessions.

    Raises:
        UserError: there is no such architecture, or none that can be drafted.
    """
    require_architecture(name)
    model_class, fill = ARCHITECTURES[name]
    model = ModelConfig(model_class=model_class, embedding_regularization=_EMBEDDING_L2)
    _set_group(model, features)
    fill(model, sizes)
    network = getattr(model, name)
    network.l2_regularization = _L2
    comments = {
        "feature_groups[0].feature_dropout_rate": "each training row goes without a tenth of its features, so that no "
        "task leans on a few"
    }
    for place, label in enumerate(labels):
        tower = network.task_towers.add()
        _set_tower(tower, label, sizes, roles, groups)
        path = f"{name}.task_towers[{place}]"
        comments[path] = label.reason
        if label.name in parents:
            _set_relations(tower, name, label, parents)
            comments[path] += f'; never without "{parents[label.name]}"'
        if tower.HasField("label_transform"):
            comments[f"{path}.label_transform"] = "large numbers would drown the losses of the other tasks"
    return model, comments


def _set_group(model: ModelConfig, features: Features) -> None:
    group = model.feature_groups.add(group_name="all", feature_dropout_rate=FEATURE_DROPOUT)
    in_blocks = {name for block in features.blocks for name in block.histories}
    for name, draft in features.drafts.items():
        if name not in in_blocks:
            group.feature_names.extend(feature.feature_name or name for feature in draft.features)
    for block in features.blocks:
        attention = group.sequence_features.add(group_name=block.name, need_key_feature=False, allow_key_transform=True)
        attention.seq_att_map.add(key=block.keys, hist_seq=block.histories)
        attention.seq_dnn.CopyFrom(DNN(hidden_units=[64, 32, 1], use_bn=False))


def _set_tower(tower: TaskTower, label: Label, sizes: Sizes, roles: Roles, groups: Sequence[str]) -> None:
    tower.tower_name = tower.label_name = label.name
    tower.dnn.CopyFrom(dense(sizes.tower_units, sizes.dropout))
    if label.kind == "event":
        tower.metrics_set.add().auc.SetInParent()
        for group in groups:
            if group == roles.session:
                tower.metrics_set.add().session_auc.session_id_field = group
            else:
                tower.metrics_set.add().gauc.uid_field = group
    elif label.kind == "classes":
        tower.num_class = label.num_classes
        tower.metrics_set.add().accuracy.SetInParent()
    elif label.kind == "rate":
        tower.loss_type = LossType.SIGMOID_L2_LOSS
        tower.metrics_set.add().root_mean_squared_error.SetInParent()
    else:
        _set_value(tower, label)


def _set_value(tower: TaskTower, label: Label) -> None:
    tower.loss_type = LossType.L2_LOSS
    tower.metrics_set.add().root_mean_squared_error.SetInParent()
    tower.metrics_set.add().mean_absolute_error.SetInParent()
    if label.is_skewed:
        tower.label_transform.function = LabelTransform.LOG1P
    elif not 0.2 <= label.deviation <= 3:
        tower.label_transform.divide_by = float(f"{label.deviation:.1g}")


def _set_relations(tower: TaskTower, name: str, label: Label, parents: Mapping[str, str]) -> None:
    if name == "dbmtl":
        tower.relation_tower_names.extend(ancestors(label.name, parents))
        tower.relation_dnn.hidden_units.append(32)
    elif name == "aitm":
        tower.relation_tower_names.append(parents[label.name])
