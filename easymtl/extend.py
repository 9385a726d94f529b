"""What a package imports that brings an architecture, a layer, a loss or a metric of its own.

These names are stable: they change with a major version of easymtl, and the changelog says so. All else of easymtl may
change with any version. Declarations need no TensorFlow; what layers and models are made of is imported when it is
first asked for, so that `from easymtl.extend import Architecture, Parameter` is quick.

Example:
    TWO_WAY = Architecture(
        "my_package.two_way:TwoWay",
        parameters=[Parameter("bottom_dnn", DNNConfig, doc="layers that all tasks share")],
    )
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from easymtl.extensions import Architecture, Layer, Loss, Metric, Parameter
from easymtl.protos.layer_pb2 import DNN as DNNConfig

if TYPE_CHECKING:
    from easymtl.config.names import INPUT_GROUP
    from easymtl.layers.context import Build, Call
    from easymtl.layers.dense import DNN, Dense, OutputLayer
    from easymtl.layers.experts import Experts, Gate, StackedDNN, mix
    from easymtl.layers.named.base import NamedLayer, OverVectors
    from easymtl.layers.shapes import (
        Array,
        History,
        Shape,
        ShapeFault,
        Value,
        require_list,
        require_vector,
        vector,
    )
    from easymtl.layers.steps import Steps
    from easymtl.models.base import MultiTaskModel, TaskTowers
    from easymtl.tasks.loss_inputs import LossInputs
    from easymtl.tasks.metrics import MetricInputs, UndefinedMetric

_LATER = {
    "easymtl.config.names": ("INPUT_GROUP",),
    "easymtl.layers.context": ("Build", "Call"),
    "easymtl.layers.dense": ("DNN", "Dense", "OutputLayer"),
    "easymtl.layers.experts": ("Experts", "Gate", "StackedDNN", "mix"),
    "easymtl.layers.named.base": ("NamedLayer", "OverVectors"),
    "easymtl.layers.shapes": (
        "Array",
        "History",
        "Shape",
        "ShapeFault",
        "Value",
        "require_list",
        "require_vector",
        "vector",
    ),
    "easymtl.layers.steps": ("Steps",),
    "easymtl.models.base": ("MultiTaskModel", "TaskTowers"),
    "easymtl.tasks.loss_inputs": ("LossInputs",),
    "easymtl.tasks.metrics": ("MetricInputs", "UndefinedMetric"),
}
_MODULES = {name: module for module, names in _LATER.items() for name in names}

__all__ = [
    "DNN",
    "INPUT_GROUP",
    "Architecture",
    "Array",
    "Build",
    "Call",
    "DNNConfig",
    "Dense",
    "Experts",
    "Gate",
    "History",
    "Layer",
    "Loss",
    "LossInputs",
    "Metric",
    "MetricInputs",
    "MultiTaskModel",
    "NamedLayer",
    "OutputLayer",
    "OverVectors",
    "Parameter",
    "Shape",
    "ShapeFault",
    "StackedDNN",
    "Steps",
    "TaskTowers",
    "UndefinedMetric",
    "Value",
    "mix",
    "require_list",
    "require_vector",
    "vector",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(_MODULES[name]), name)
