"""Makes the model of a config: an architecture of the zoo, or one over a block graph."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.message import Message

from easymtl.config import view
from easymtl.config.block_graph import graph_of
from easymtl.config.extension_parameters import parameters_of
from easymtl.layers.context import Build
from easymtl.models import MODELS
from easymtl.models.backbone import Results, plan_backbone
from easymtl.models.base import MultiTaskModel
from easymtl.models.block_graph import Plan
from easymtl.models.model_params import require_a_result_each
from easymtl.models.over_backbone import OverBackbone
from easymtl.protos.pipeline_pb2 import Pipeline


def make_model(pipeline: Pipeline, build: Build, shapes: Any, num_outputs: Mapping[str, int]) -> MultiTaskModel:
    """Returns the model of a config with weights of its own.

    Args:
        pipeline: the config.
        build: seed and norms of the layers.
        shapes: of the feature groups.
        num_outputs: width of the logits of each task, by tower name.

    Raises:
        GraphError: blocks do not fit together.
    """
    architecture, message = MODELS[_name(pipeline)], _message(pipeline)
    plan = plan_model(pipeline, shapes)
    if plan is None:
        return architecture(build, message, shapes, num_outputs)
    backbone = pipeline.model_config.backbone, plan
    return OverBackbone(build, backbone, architecture, message, shapes, num_outputs)


def _name(pipeline: Pipeline) -> str:
    named = view.custom_model(pipeline)
    return named.name if named else view.model_name(pipeline)


def _message(pipeline: Pipeline) -> Message:
    """Returns the message that an architecture is made with: of a package, the one that it declares."""
    named = view.custom_model(pipeline)
    if named is None:
        return view.model_message(pipeline)
    message: Any = parameters_of(named)
    message.task_towers.extend(pipeline.model_config.custom.task_towers)
    message.l2_regularization = pipeline.model_config.custom.l2_regularization
    return message


def plan_model(pipeline: Pipeline, shapes: Any) -> Plan | None:
    """Returns the plan of the block graph of a config, None if it has none; nothing is made.

    Args:
        pipeline: the config.
        shapes: of the feature groups.

    Raises:
        GraphError: blocks, or the graph and the towers, do not fit together.
    """
    graph = graph_of(pipeline)
    if graph is None:
        return None
    backbone = pipeline.model_config.backbone
    plan = plan_backbone(graph, shapes)
    results = Results(backbone, plan)
    if view.model_name(pipeline) == "model_params":
        require_a_result_each(results, [tower.tower_name for tower in view.task_towers(pipeline)])
    return plan
