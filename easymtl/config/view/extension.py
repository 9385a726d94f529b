"""What a config says of parts that installed packages bring: which it names, and what they are declared as."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from easymtl.config.names import METRICS, MODEL_CLASSES
from easymtl.config.view.tower import task_tower_paths, task_towers
from easymtl.extensions import Extension, ExtensionError, find_extension
from easymtl.protos.eval_pb2 import EvalMetrics
from easymtl.protos.extension_pb2 import ExtensionParameter
from easymtl.protos.loss_pb2 import Loss, LossType
from easymtl.protos.pipeline_pb2 import Pipeline

_OWN_NAMES = {
    "architecture": (*MODEL_CLASSES, *MODEL_CLASSES.values()),
    "loss": tuple(LossType.keys()),
    "metric": tuple(METRICS),
}


class Named(NamedTuple):
    """A part of a package that a config names by a message of its own.

    Attributes:
        kind: `architecture`, `loss` or `metric`.
        name: of the part.
        path: of the message that names it.
        name_path: of its name.
        parameters: that the config gives it.
    """

    kind: str
    name: str
    path: str
    name_path: str
    parameters: Iterable[ExtensionParameter]

    def find(self) -> Extension:
        """Returns the extension.

        Raises:
            ExtensionError: there is none that works.
        """
        return find_extension(self.kind, self.name, _OWN_NAMES[self.kind])

    def declaration(self) -> Any:
        """Returns the declaration, None where there is none that works: the rules of a config tell that."""
        try:
            return self.find().declaration
        except ExtensionError:
            return None

    def text(self, parameter: str) -> tuple[str, str]:
        """Returns path and value of a text parameter; the path is that of the message where the config gives none."""
        for index, entry in enumerate(self.parameters):
            if entry.key == parameter:
                return f"{self.path}.parameters[{index}]", "".join(entry.text[:1])
        declared = next(one for one in self.declaration().parameters if one.name == parameter)
        return self.path, declared.default if isinstance(declared.default, str) else ""


def custom_model(pipeline: Pipeline) -> Named | None:
    """Returns the architecture of a config if a package brings it."""
    model = pipeline.model_config
    if not model.HasField("custom"):
        return None
    path = "model_config.custom"
    return Named("architecture", model.custom.class_name, path, f"{path}.class_name", model.custom.parameters)


def custom_loss(loss: Loss, path: str = "losses") -> Named | None:
    """Returns what an entry of `losses` names if a package brings it."""
    if loss.loss_type != LossType.CUSTOM or not loss.HasField("custom"):
        return None
    path = f"{path}.custom"
    return Named("loss", loss.custom.name, path, f"{path}.name", loss.custom.parameters)


def custom_metric(entry: EvalMetrics, path: str = "metrics_set") -> Named | None:
    """Returns what an entry of `metrics_set` names if a package brings it."""
    if not entry.HasField("custom"):
        return None
    path = f"{path}.custom"
    return Named("metric", entry.custom.name, path, f"{path}.name", entry.custom.parameters)


def named_extensions(pipeline: Pipeline) -> Iterator[Named]:
    """Yields the architecture, and the losses and metrics of towers, that packages bring; layers are not among them."""
    if not pipeline.model_config.WhichOneof("model"):
        return
    found = [custom_model(pipeline)]
    for path, tower in zip(task_tower_paths(pipeline), task_towers(pipeline)):
        found += [custom_loss(loss, f"{path}.losses[{index}]") for index, loss in enumerate(tower.losses)]
        found += [custom_metric(entry, f"{path}.metrics_set[{index}]") for index, entry in enumerate(tower.metrics_set)]
    yield from filter(None, found)


def metric_name(entry: EvalMetrics) -> str:
    """Returns the name of a metric, also where a package brings it; empty where none is named."""
    return entry.custom.name if entry.HasField("custom") else entry.WhichOneof("metric") or ""


def model_title(pipeline: Pipeline) -> str:
    """Returns what a person calls the model: `mmoe`, or the name of an architecture of a package."""
    model = pipeline.model_config
    return model.custom.class_name if model.HasField("custom") else model.WhichOneof("model") or ""


def predicts_value(loss: Loss) -> bool:
    """Returns whether a loss of a package is of logits that are the predicted values."""
    named = custom_loss(loss)
    declared = named.declaration() if named else None
    return declared is not None and declared.predicts == "value"


def fields_of_extensions(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    """Yields the input fields of sessions and groups that losses and metrics of packages read, each with its path."""
    for named in named_extensions(pipeline):
        declared = named.declaration()
        if declared is not None and declared.field_parameter:
            path, field = named.text(declared.field_parameter)
            if field:
                yield field, path


def groups_of_extensions(pipeline: Pipeline) -> list[tuple[str, str]]:
    """Returns path and name of the feature groups that an architecture of a package reads by its parameters."""
    named = custom_model(pipeline)
    declared = named.declaration() if named else None
    if named is None or declared is None:
        return []
    return [(path, group) for path, group in map(named.text, declared.feature_groups) if group]
