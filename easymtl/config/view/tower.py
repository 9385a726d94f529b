"""What a config says of its model, task towers and labels."""

from collections.abc import Iterable

from google.protobuf.message import Message

from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.task_pb2 import TaskTower

FUNNEL_MODELS = ("esmm", "escm2")
"""Models whose two towers have names of their own."""
_FUNNEL_TOWERS = ("ctr_tower", "cvr_tower")


def model_name(pipeline: Pipeline) -> str:
    """Returns the member of the model oneof that is set (`"dbmtl"`), or an empty string."""
    return pipeline.model_config.WhichOneof("model") or ""


def model_message(pipeline: Pipeline) -> Message:
    """Returns the message of the model, for example a `DBMTL`."""
    return getattr(pipeline.model_config, model_name(pipeline))


def task_towers(pipeline: Pipeline) -> list[TaskTower]:
    """Returns the task towers in the order of the config; those of ESMM and ESCM2 are ctr_tower and cvr_tower."""
    model = model_message(pipeline)
    if model_name(pipeline) not in FUNNEL_MODELS:
        return list(model.task_towers)
    return [getattr(model, name) for name in _FUNNEL_TOWERS if model.HasField(name)]


def task_tower_paths(pipeline: Pipeline) -> list[str]:
    """Returns the path of each task tower: `model_config.mmoe.task_towers[0]`."""
    path, model = f"model_config.{model_name(pipeline)}", model_message(pipeline)
    if model_name(pipeline) not in FUNNEL_MODELS:
        return [f"{path}.task_towers[{index}]" for index in range(len(model.task_towers))]
    return [f"{path}.{name}" for name in _FUNNEL_TOWERS if model.HasField(name)]


def parents(pipeline: Pipeline) -> dict[str, str]:
    """Returns the tower that must happen first, for each that has one: `parent`, in ESMM and ESCM2 the ctr_tower."""
    towers = task_towers(pipeline)
    if model_name(pipeline) in FUNNEL_MODELS:
        return {tower.tower_name: towers[0].tower_name for tower in towers[1:]}
    return {tower.tower_name: tower.parent for tower in towers if tower.parent}


def chain(towers: Iterable[TaskTower]) -> dict[str, str]:
    """Returns the tower before each one in the chains of AITM, empty for the first of a chain.

    Chains follow `relation_tower_names`; without any there is one, in the order of the config.
    """
    towers = list(towers)
    if any(tower.relation_tower_names for tower in towers):
        return {tower.tower_name: "".join(tower.relation_tower_names[:1]) for tower in towers}
    names = [tower.tower_name for tower in towers]
    return dict(zip(names, ["", *names]))


def label_name(pipeline: Pipeline, index: int) -> str:
    """Returns the label field of the tower at `index`: its `label_name`, else the label field of that index."""
    tower = task_towers(pipeline)[index]
    return tower.label_name or pipeline.data_config.label_fields[index]


def label_texts(data_config: DatasetConfig, label: str) -> dict[str | None, float]:
    """Returns the number of each text of a label by `label_values`; that of all other texts under None, if any."""
    texts: dict[str | None, float] = {}
    for entry in data_config.label_values:
        if entry.label_name == label:
            texts.update(dict.fromkeys(entry.texts or [None], entry.number))
    return texts
