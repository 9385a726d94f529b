"""What lies below the towers of each architecture that can be drafted, and which labels it is made for."""

from collections.abc import Callable
from dataclasses import dataclass

from easymtl.drafting import names
from easymtl.drafting.funnel import ancestors
from easymtl.drafting.layers import dense
from easymtl.drafting.plan import Plan
from easymtl.drafting.towers import is_transformed
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.protos.feature_pb2 import FeatureGroupConfig
from easymtl.protos.layer_pb2 import DNN
from easymtl.protos.model_pb2 import ESCM2, ExtractionNetwork, ModelConfig

_MANY_IDS = 50


def _bottom(plan: Plan) -> DNN:
    units = plan.sizes.expert_units
    return dense([2 * units[0], units[-1]], plan.sizes.dropout)


def _expert(plan: Plan) -> DNN:
    return dense(plan.sizes.expert_units, plan.sizes.dropout)


def _mmoe(model: ModelConfig, plan: Plan) -> None:
    model.mmoe.num_expert = plan.sizes.experts
    model.mmoe.expert_dnn.CopyFrom(_expert(plan))


def _omoe(model: ModelConfig, plan: Plan) -> None:
    model.omoe.num_expert = plan.sizes.experts
    model.omoe.expert_dnn.CopyFrom(_expert(plan))


def _shared_bottom(model: ModelConfig, plan: Plan) -> None:
    model.shared_bottom.bottom_dnn.CopyFrom(_bottom(plan))


def _dbmtl(model: ModelConfig, plan: Plan) -> None:
    model.dbmtl.bottom_dnn.CopyFrom(_bottom(plan))


def _aitm(model: ModelConfig, plan: Plan) -> None:
    model.aitm.bottom_dnn.CopyFrom(_bottom(plan))
    model.aitm.calibration_weight = 0


def _cgc(model: ModelConfig, plan: Plan) -> None:
    model.cgc.expert_num_per_task, model.cgc.share_num = 1, 2
    for network in (model.cgc.task_expert_net, model.cgc.share_expert_net):
        network.CopyFrom(_expert(plan))


def _ple(model: ModelConfig, plan: Plan) -> None:
    network = dense(plan.sizes.expert_units[-1:], plan.sizes.dropout)
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


def _adatt(model: ModelConfig, plan: Plan) -> None:
    for units in (2 * plan.sizes.expert_units[-1], plan.sizes.expert_units[-1]):
        level = model.adatt.fusion_levels.add(expert_num_per_task=1, share_num=1)
        level.expert_net.CopyFrom(dense([units], plan.sizes.dropout))


def _towers_alone(model: ModelConfig, plan: Plan) -> None:
    model.simple_multi_task.SetInParent()


def _esmm(model: ModelConfig, plan: Plan) -> None:
    model.esmm.groups.add(input="all", dnn=_bottom(plan))


def _escm2(model: ModelConfig, plan: Plan) -> None:
    model.escm2.groups.add(input="all", dnn=_bottom(plan))
    model.escm2.counterfactual = ESCM2.DR
    plan.comments["escm2.counterfactual"] = (
        "right where either the chance of the event or the imputed loss is right (docs/guides/funnels.md)"
    )


def _home(model: ModelConfig, plan: Plan) -> None:
    """Sets experts, and puts labels that need the same event into one group."""
    home = model.home
    home.expert_dnn.CopyFrom(DNN(hidden_units=plan.sizes.expert_units[-1:]))
    groups: dict[str, list[str]] = {}
    for label in plan.labels:
        first = (ancestors(label.name, plan.parents) or [label.name])[0]
        groups.setdefault(f"with_{plan.towers[first]}", []).append(plan.towers[label.name])
    for group_name, members in groups.items():
        home.task_groups.add(group_name=group_name, tower_names=members)
    plan.comments["home.task_groups[0]"] = "labels that need the same event are alike; the others are groups of one"


def _stem(model: ModelConfig, plan: Plan) -> None:
    """Sets experts, and for each label a group with the tables that are its alone."""
    model.stem.expert_num_per_task, model.stem.share_num = 1, 2
    for network in (model.stem.task_expert_net, model.stem.share_expert_net):
        network.CopyFrom(_expert(plan))
    own = _own_features(plan)
    path = f"feature_groups[{len(model.feature_groups)}]"
    for label in plan.labels:
        group = model.feature_groups.add(group_name=f"of_{plan.towers[label.name]}", feature_names=own)
        group.feature_dropout_rate = model.feature_groups[0].feature_dropout_rate
    plan.comments[path] = "tables of each task alone, of what shares its table with nothing else"


def _own_features(plan: Plan) -> list[str]:
    """Returns the features outside of histories whose tables have no name, and so can be those of one task."""
    return [
        feature.feature_name or name
        for name, draft in plan.features.drafts.items()
        if not plan.features.in_history(name)
        for feature in draft.features
        if not feature.embedding_name and feature.embedding_dim
    ]


def _pepnet(model: ModelConfig, plan: Plan) -> None:
    """Sets gates that read the scene, where there are columns of it, and who meets what."""
    rows = {name: draft for name, draft in plan.features.drafts.items() if not plan.features.in_history(name)}
    scene = [name for name in rows if names.is_scene(name)]
    people = [name for name, draft in rows.items() if name == plan.roles.user or draft.num_ids > _MANY_IDS]
    people = people or [name for name in rows if name not in scene] or list(rows)
    for group_name, chosen in (("scene", scene), ("people", people)):
        if chosen:
            found = [feature.feature_name or name for name in chosen for feature in rows[name].features]
            model.feature_groups.append(FeatureGroupConfig(group_name=group_name, feature_names=found))
    if scene:
        model.pepnet.domain_group = "scene"
        plan.comments["pepnet.domain_group"] = "by their names of the page or the device: its gate scales inputs"
    model.pepnet.personal_group = "people"
    plan.comments["pepnet.personal_group"] = "who meets what: its gates scale the towers"


@dataclass(frozen=True)
class Architecture:
    """An architecture.

    Attributes:
        model_class: its name in a config.
        fill: sets what lies below the towers.
        why_not: says why labels do not fit it, where they do not.
        takes_parents: whether its towers may name a parent; the others have relations of their own.
        shares_layers: whether its tasks train dense weights together, so that their gradients can be compared.
    """

    model_class: str
    fill: Callable[[ModelConfig, Plan], None]
    why_not: Callable[[Plan], str] = lambda plan: ""
    takes_parents: bool = True
    shares_layers: bool = True


def _no_funnel(plan: Plan) -> str:
    """Returns why labels are no event and what needs it."""
    shown = quoted([label.name for label in plan.labels])
    if len(plan.labels) != 2:
        return f"it learns two labels, an event and one that needs it, and --labels names {shown}"
    if not plan.parents:
        return f"it learns an event and a label that never is above 0 without it, and {shown} do not need each other"
    later = next(label for label in plan.labels if label.name in plan.parents)
    if is_transformed(later):
        return (
            f'"{later.name}" ({later.reason}) needs a label_transform, which what is learnt given an event cannot have'
        )
    return ""


def _no_own_table(plan: Plan) -> str:
    if _own_features(plan):
        return ""
    return "it gives each task tables of its own, and all features share theirs with histories, or have none"


def _no_row_feature(plan: Plan) -> str:
    if any(not plan.features.in_history(name) for name in plan.features.drafts):
        return ""
    return "its gates read features of the row, and there are only histories"


ARCHITECTURES: dict[str, Architecture] = {
    "mmoe": Architecture("MMoE", _mmoe),
    "shared_bottom": Architecture("SharedBottom", _shared_bottom),
    "simple_multi_task": Architecture("SimpleMultiTask", _towers_alone, shares_layers=False),
    "omoe": Architecture("OMoE", _omoe),
    "cgc": Architecture("CGC", _cgc),
    "ple": Architecture("PLE", _ple),
    "dbmtl": Architecture("DBMTL", _dbmtl, takes_parents=False),
    "aitm": Architecture("AITM", _aitm, takes_parents=False),
    "adatt": Architecture("AdaTT", _adatt),
    "home": Architecture("HoME", _home),
    "pepnet": Architecture("PEPNet", _pepnet, _no_row_feature),
    "stem": Architecture("STEM", _stem, _no_own_table),
    "esmm": Architecture("ESMM", _esmm, _no_funnel, takes_parents=False),
    "escm2": Architecture("ESCM2", _escm2, _no_funnel, takes_parents=False),
}
FUNNELS = ("esmm", "escm2")
"""Those with a tower for an event and one for what needs it, by names of their own."""


def require_architecture(name: str) -> None:
    """Checks that an architecture can be drafted.

    Raises:
        UserError: it cannot, or there is none of that name.
    """
    if name not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise UserError(f'--model: "{name}" cannot be drafted.{did_you_mean(name, ARCHITECTURES)} There are {known}.')


def require_fitting(name: str, plan: Plan) -> None:
    """Checks that an architecture can learn these labels from these features.

    Raises:
        UserError: it cannot; the message says why, and which would.
    """
    why = ARCHITECTURES[name].why_not(plan)
    if why:
        fitting = [other for other, one in ARCHITECTURES.items() if not one.why_not(plan)]
        raise UserError(f"--model: {name} does not fit: {why}. Those that do: {', '.join(fitting)}.")
