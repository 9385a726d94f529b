"""Rules of the model: which one, its towers' names, its experts and its DNNs."""

import re
from collections.abc import Callable

from google.protobuf.message import Message

from easymtl.config import view
from easymtl.config.names import (
    ACTIVATIONS,
    BLOCK_ACTIVATIONS,
    INITIALIZERS,
    MODEL_CLASSES,
    activation_name,
    initializer_name,
)
from easymtl.config.rules import gated_models
from easymtl.config.rules.review import Review, walk
from easymtl.errors import did_you_mean, quoted
from easymtl.protos import options_pb2
from easymtl.protos.layer_pb2 import DNN, MLP
from easymtl.protos.model_pb2 import (
    AITM,
    CGC,
    DBMTL,
    PLE,
    ExtractionNetwork,
    MMoE,
    ModelConfig,
    OMoE,
    SharedBottom,
)

_NAME = re.compile(r"[A-Za-z0-9_]+")


def check_model(review: Review) -> None:
    """One model is chosen, and model_class does not say another one."""
    model_class = review.pipeline.model_config.model_class
    name = view.model_name(review.pipeline)
    if not name:
        text = f"names no model; add one of {', '.join(_available_models())}, for example mmoe {{ ... }}."
        review.problem("model_config", text)
    elif model_class and (own := _class_of(review, name)) not in ("", model_class):
        hint = did_you_mean(model_class, [own])
        text = f'is "{model_class}", but the model is {name}, whose class is "{own}".{hint}'
        review.problem("model_config.model_class", text)
    if name == "model_params" and not review.pipeline.model_config.HasField("backbone"):
        review.problem("model_config", "has model_params and no backbone { } that feeds them.")


def _class_of(review: Review, name: str) -> str:
    return review.pipeline.model_config.custom.class_name if name == "custom" else MODEL_CLASSES.get(name, "")


def _available_models() -> list[str]:
    members = ModelConfig.DESCRIPTOR.oneofs_by_name["model"].fields
    unavailable = (options_pb2.refused, options_pb2.later)
    available = [m.name for m in members if not any(m.GetOptions().Extensions[option] for option in unavailable)]
    # It is one with a backbone alone.
    return [name for name in available if name != "model_params"]


def check_towers(review: Review) -> None:
    """There are towers, with names of their own that can stand in the names of outputs."""
    model = review.model()
    if model is None:
        return
    towers = review.towers()
    if not towers:
        review.problem(model[0], "has no task_towers.")
    review.check_unique((f"{path}.tower_name", tower.tower_name) for path, tower in towers)
    for path, tower in towers:
        if not tower.tower_name:
            review.problem(path, "has no tower_name.")
        elif not _NAME.fullmatch(tower.tower_name):
            text = f'"{tower.tower_name}" names outputs, so it may hold ASCII letters, digits and _ only.'
            review.problem(f"{path}.tower_name", text)
        elif tower.tower_name == "bottom_dnn" and isinstance(model[1], (SharedBottom, AITM)):
            text = '"bottom_dnn" is what the layers below all towers are named. Use another one.'
            review.problem(f"{path}.tower_name", text)


def check_architecture(review: Review) -> None:
    """The parts that the chosen model is made of are there."""
    model = review.model()
    rule = _ARCHITECTURES.get(type(model[1])) if model else None
    if model and rule:
        rule(review, *model)


def check_networks(review: Review) -> None:
    """Every DNN has layers, as many dropout ratios as layers or none, and known names; an MLP may have fewer ratios."""
    for path, message in walk(review.pipeline.model_config, "model_config"):
        if isinstance(message, (DNN, MLP)):
            _check_network(review, path, message)
        if isinstance(message, MLP) and initializer_name(message.initializer) not in INITIALIZERS:
            hint = did_you_mean(initializer_name(message.initializer), INITIALIZERS)
            text = f'"{message.initializer}" is none of {quoted(INITIALIZERS)}.{hint}'
            review.problem(f"{path}.initializer", text)


def _check_network(review: Review, path: str, network: DNN | MLP) -> None:
    layers, ratios = len(network.hidden_units), len(network.dropout_ratio)
    if not layers:
        review.problem(path, "needs hidden_units, for example hidden_units: [128, 64].")
    elif ratios > layers or (isinstance(network, DNN) and 0 < ratios < layers):
        values = "1 value" if ratios == 1 else f"{ratios} values"
        text = f"has {values} for {layers} hidden_units; give each layer its own (0 drops nothing)."
        review.problem(f"{path}.dropout_ratio", text)
    known = BLOCK_ACTIVATIONS if isinstance(network, MLP) else ACTIVATIONS
    for field in ("activation", "final_activation"):
        text = getattr(network, field, "")
        if activation_name(text) not in known:
            hint = did_you_mean(activation_name(text), known)
            review.problem(f"{path}.{field}", f'"{text}" is none of {quoted(known)}.{hint}')


def _check_shared_bottom(review: Review, path: str, model: SharedBottom) -> None:
    if not model.HasField("bottom_dnn"):
        text = "needs bottom_dnn { hidden_units: ... }; towers that share only the features are simple_multi_task."
        review.problem(path, text)


def _check_mmoe(review: Review, path: str, mmoe: MMoE) -> None:
    if not mmoe.experts:
        _check_experts(review, path, mmoe)
        if not mmoe.HasField("expert_dnn"):
            review.problem(path, "has no experts: set expert_dnn { hidden_units: ... } and num_expert.")
        return
    if mmoe.HasField("expert_dnn") or mmoe.num_expert:
        review.problem(path, "has experts { } and expert_dnn or num_expert; keep one form.")
    review.check_unique(
        (f"{path}.experts[{i}].expert_name", expert.expert_name) for i, expert in enumerate(mmoe.experts)
    )
    for index, expert in enumerate(mmoe.experts):
        gated_models.require_networks(review, f"{path}.experts[{index}]", expert, "dnn")
    widths = {expert.dnn.hidden_units[-1] for expert in mmoe.experts if expert.dnn.hidden_units}
    if len(widths) > 1:
        text = f"end in layers of different widths {sorted(widths)}; they are added up, so the widths must agree."
        review.problem(f"{path}.experts", text)


def _check_omoe(review: Review, path: str, omoe: OMoE) -> None:
    _check_experts(review, path, omoe)
    if not (omoe.HasField("expert_dnn") or omoe.num_expert):
        review.problem(path, "has no experts: set expert_dnn { hidden_units: ... } and num_expert.")


def _check_experts(review: Review, path: str, model: MMoE | OMoE | DBMTL) -> None:
    """The two fields of equal experts come together."""
    if model.HasField("expert_dnn") and not model.num_expert:
        review.problem(path, "has expert_dnn; it needs num_expert too, for example num_expert: 4.")
    if model.num_expert and not model.HasField("expert_dnn"):
        review.problem(f"{path}.num_expert", "needs expert_dnn { hidden_units: ... }: what an expert is made of.")


def _check_ple(review: Review, path: str, ple: PLE) -> None:
    if not ple.extraction_networks:
        text = "has no extraction_networks { expert_num_per_task: 1 share_num: 1 ... }: its levels."
        review.problem(path, text)
    named = [(f"{path}.extraction_networks[{i}]", network) for i, network in enumerate(ple.extraction_networks)]
    for network_path, network in named:
        _check_level(review, network_path, network)
        if not network.network_name:
            text = 'needs network_name, for example "level_1": the names of its parameters begin with it.'
            review.problem(network_path, text)
    review.check_unique((f"{network_path}.network_name", network.network_name) for network_path, network in named)


def _check_level(review: Review, path: str, level: CGC | ExtractionNetwork) -> None:
    """The experts of a level are all there, and end in one width."""
    for field in ("expert_num_per_task", "share_num"):
        if not level.HasField(field):
            review.problem(path, f"needs {field}, for example {field}: 1.")
    gated_models.require_networks(review, path, level, "task_expert_net", "share_expert_net")
    if not (level.task_expert_net.hidden_units and level.share_expert_net.hidden_units):
        return
    own, shared = (level.task_expert_net.hidden_units[-1], level.share_expert_net.hidden_units[-1])
    if own != shared:
        text = (
            f"ends in a layer of width {shared}, task_expert_net in one of {own}; a gate adds them up, so their last "
            "hidden_units must agree."
        )
        task_units = f"{path}.task_expert_net.hidden_units"
        review.problem(f"{path}.share_expert_net.hidden_units", text, task_units)


_ARCHITECTURES: dict[type, Callable[[Review, str, Message], None]] = {
    SharedBottom: _check_shared_bottom,
    MMoE: _check_mmoe,
    OMoE: _check_omoe,
    CGC: _check_level,
    DBMTL: _check_experts,
    PLE: _check_ple,
    **gated_models.ARCHITECTURES,
}
