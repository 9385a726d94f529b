"""The architectures of TorchEasyRec that are ours, too; the others are refused by name."""

from collections.abc import Callable
from typing import Any

from easymtl.convert.groups import Groups
from easymtl.convert.networks import activation, dnn
from easymtl.convert.source import Node
from easymtl.convert.towers import Tasks, convert_tower
from easymtl.errors import UserError
from easymtl.protos.model_pb2 import ModelConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.task_pb2 import TaskTower

_ONE_TASK = (
    "it has one task. A multi-task config of TorchEasyRec, such as simple_multi_task with one task_towers { } over "
    "the same features, is converted"
)
_RETRIEVES = "it retrieves and does not rank: easymtl trains ranking models"
_HISTORY = "it is a sequence model as a whole: use dbmtl or mmoe with a din_encoder over the history"
_REFUSED = {
    "dc2vr": "its towers intervene on each other. Use dbmtl, whose towers read each other by relation_tower_names",
    **dict.fromkeys(("dlrm_hstu", "ultra_hstu"), _HISTORY),
    **dict.fromkeys(("dssm", "dssm_v2", "dat", "hstu_match", "mind", "tdm"), _RETRIEVES),
    **dict.fromkeys(("sid_rqvae", "sid_rqkmeans"), "it makes semantic ids, and does not rank"),
}
_PEPNET_GROUPS = ("all", "domain", "uia")
_WITHOUT_GROUP = 'without a group "{}" it has no effect there, either.'
_HALF_OPEN = 2.0


def find_model(model_config: Node | None, path: str) -> tuple[str, Node]:
    """Returns name and message of the architecture.

    Raises:
        UserError: it is none of ours.
    """
    allowed = ", ".join(_MODELS)
    if model_config is None:
        raise UserError(f"{path}: there is no model_config. Models that are converted: {allowed}.")
    node = model_config.chosen("model")
    if node is None:
        raise UserError(f"{model_config.where()}: model_config names no model. Models that are converted: {allowed}.")
    name = node.path.rpartition(".")[2]
    if name not in _MODELS:
        reason = _REFUSED.get(name, _ONE_TASK)
        raise UserError(f"{node.where()}: {name} is not converted: {reason}. Models that are converted: {allowed}.")
    return name, node


def groups_read_by(name: str, model_config: Node) -> list[str]:
    """Returns the names of the groups that a model reads; empty for those that read the first one."""
    if name != "pepnet":
        return []
    given = [group.group_name for group in model_config.message.feature_groups]
    return [group for group in _PEPNET_GROUPS if group in given]


def convert_model(name: str, node: Node, model_config: Node, groups: Groups, tasks: Tasks, pipeline: Pipeline) -> None:
    """Fills `model_config`, and what train_config says of the tasks' weights.

    Args:
        name: the architecture.
        node: its message in the source.
        model_config: the message around it.
        groups: the groups that it reads.
        tasks: what its towers refer to.
        pipeline: where it goes.
    """
    ours = pipeline.model_config
    ours.feature_groups.extend(groups.messages)
    model = getattr(ours, name)
    _MODELS[name](node, model, groups)
    towers = node.nodes("task_towers")
    for theirs in towers:
        tower = convert_tower(theirs, tasks)
        _relations(theirs, tower)
        if name == "pepnet" and model.personal_group:
            _personal_layers(node, tower)
        model.task_towers.append(tower)
    # There is no regularization of the layers there, and a little by default here.
    model.l2_regularization = 0
    _variational_dropout(model_config, ours)
    _pareto(model_config, towers, pipeline)


def _relations(theirs: Node, tower: TaskTower) -> None:
    names = theirs.values("relation_tower_names")
    mlp = theirs.node("relation_mlp") if theirs.has("relation_mlp") else None
    if mlp is not None:
        tower.relation_tower_names.extend(names)
        tower.relation_dnn.CopyFrom(dnn(mlp))
    elif names:
        text = "without a relation_mlp a tower does not read its relations there, so they are left out."
        theirs.changed("relation_tower_names", text)


def _variational_dropout(model_config: Node, ours: ModelConfig) -> None:
    theirs = model_config.node("variational_dropout")
    if theirs is None:
        return
    ours.variational_dropout.regularization_lambda = float(f"{theirs.take('regularization_lambda'):.7g}")
    if theirs.take("embedding_wise_variational_dropout"):
        ours.variational_dropout.embedding_wise_variational_dropout = True


def _pareto(model_config: Node, towers: list[Node], pipeline: Pipeline) -> None:
    """Weighs the tasks so that their losses fall together, each with a floor, when the source does."""
    if not model_config.take("use_pareto_loss_weight"):
        return
    pareto = pipeline.train_config.task_balancing.pareto
    pareto.SetInParent()
    for tower in towers:
        least = tower.take("pareto_min_loss_weight")
        if least:
            pareto.floors.add(tower_name=tower.take("tower_name"), min_weight=least)


def _experts(node: Node, model: Any) -> None:
    experts = node.node("expert_mlp")
    if experts is not None:
        model.expert_dnn.CopyFrom(dnn(experts))
        model.num_expert = node.take("num_expert")
    node.mark("num_expert")
    gate = node.node("gate_mlp")
    if gate is not None:
        model.gate_dnn.CopyFrom(dnn(gate))


def _dbmtl(node: Node, model: Any, groups: Groups) -> None:
    masks = node.node("mask_net")
    if masks is not None:
        masks.left_out("", "the towers read the features without it: a MaskNet is a block of a backbone.")
        masks.mark_all()
    bottom = node.node("bottom_mlp")
    if bottom is not None:
        model.bottom_dnn.CopyFrom(dnn(bottom))
    _experts(node, model)


def _mmoe(node: Node, model: Any, groups: Groups) -> None:
    _experts(node, model)


def _ple(node: Node, model: Any, groups: Groups) -> None:
    for theirs in node.nodes("extraction_networks"):
        level = model.extraction_networks.add(network_name=theirs.take("network_name"))
        level.expert_num_per_task = theirs.take("expert_num_per_task")
        if theirs.has("share_num"):
            level.share_num = theirs.take("share_num")
        for field in ("task_expert_net", "share_expert_net"):
            mlp = theirs.node(field)
            if mlp is not None:
                getattr(level, field).CopyFrom(dnn(mlp))


def _simple(node: Node, model: Any, groups: Groups) -> None:
    """It is its towers."""


def _pepnet(node: Node, model: Any, groups: Groups) -> None:
    for ours, theirs in (("domain_group", "domain"), ("personal_group", "uia")):
        if theirs in groups.names:
            setattr(model, ours, theirs)
    if not model.domain_group and node.has("epnet_hidden_unit"):
        node.not_needed("epnet_hidden_unit", _WITHOUT_GROUP.format("domain"))
    elif node.has("epnet_hidden_unit"):
        model.gate_hidden_units = node.take("epnet_hidden_unit")
        if model.personal_group:
            node.changed("epnet_hidden_unit", "it is the width of the gates of the towers, too.")
    if not model.personal_group and node.has("ppnet_hidden_units"):
        node.not_needed("ppnet_hidden_units", _WITHOUT_GROUP.format("uia"))
        node.mark("ppnet_dropout_ratio", "ppnet_activation")
    for field in ("epnet_gamma", "ppnet_gamma"):
        if node.take(field) != _HALF_OPEN:
            node.left_out(field, "a gate gives factors between 0 and 2 here.")
    if (node.take("task_domain_num") or 1) > 1 or node.take("domain_input_name"):
        node.left_out("domain_input_name", "a task has one tower for all domains.")
        node.mark("task_domain_num")


def _personal_layers(node: Node, tower: TaskTower) -> None:
    """Puts the layers that persons scale below those of the tower: both are the layers of the tower here."""
    units = node.values("ppnet_hidden_units")
    rates = node.values("ppnet_dropout_ratio")
    name = activation(node, "ppnet_activation")
    if not units:
        return
    node.changed("ppnet_hidden_units", "they are the first layers of each tower; the gates scale its own layers, too.")
    own = list(tower.dnn.dropout_ratio) or [0.0] * len(tower.dnn.hidden_units)
    below = (rates * len(units) if len(rates) == 1 else rates) or [0.0] * len(units)
    layers = [*units, *tower.dnn.hidden_units]
    if not tower.HasField("dnn"):
        tower.dnn.use_bn = False
        if name != "relu":
            tower.dnn.activation = name
    tower.dnn.hidden_units[:] = layers
    tower.dnn.dropout_ratio[:] = [*below, *own] if any([*below, *own]) else []


_MODELS: dict[str, Callable[[Node, Any, Groups], None]] = {
    "simple_multi_task": _simple,
    "mmoe": _mmoe,
    "dbmtl": _dbmtl,
    "ple": _ple,
    "pepnet": _pepnet,
}
