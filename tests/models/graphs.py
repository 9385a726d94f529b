"""Block graphs over made-up features, for the tests of this folder."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from google.protobuf import text_format

from easymtl.config.block_graph import graph_of
from easymtl.layers.context import Build, Call
from easymtl.layers.shapes import Value
from easymtl.layers.steps import Rectangle, Steps
from easymtl.models.backbone import Backbone, plan_backbone
from easymtl.models.base import MultiTaskModel
from easymtl.models.block_graph.running import Run
from easymtl.models.inputs import GroupInput, GroupShape, Inputs, InputShapes
from easymtl.models.making import make_model
from easymtl.protos.pipeline_pb2 import Pipeline

ROWS = 6
LENGTHS = np.array([2, 0, 3, 1, 2, 3], np.int32)
GROUPS = {"all": {"a": 4, "b": 4, "c": 4}, "other": {"d": 3, "e": 2}, "seq": {"item": 4}}
HISTORIES = {"seq": {"items": 4, "times": 2}}
EVALUATION = Call()
TRAINING = Call(training=True, seed=np.array([0, 3]))


def make_shapes() -> InputShapes:
    """Returns the widths of the made-up features."""
    shapes = {name: GroupShape(widths, HISTORIES.get(name, {})) for name, widths in GROUPS.items()}
    # Packages have tables of their own; here they have the same vectors.
    return InputShapes(shapes | {f"{package}/{name}": shape for package in "pq" for name, shape in shapes.items()})


def make_inputs() -> Inputs:
    """Returns a batch of the made-up features."""
    random = np.random.default_rng(5)
    shapes, groups = make_shapes(), {}
    for name in GROUPS:
        shape = shapes.groups[name]
        joined = tf.constant(random.normal(size=[ROWS, shape.width]), tf.float32)
        groups[name] = GroupInput(shape, joined, {one: history(width) for one, width in shape.sequences.items()})
    groups |= {name: groups[name.rpartition("/")[2]] for name in shapes.groups}
    return Inputs(groups)


def history(width: int) -> Rectangle:
    """Returns a history whose padding is not a number."""
    values = np.random.default_rng(width).normal(size=[ROWS, 3, width]).astype(np.float32)
    values[np.arange(3)[None, :] >= LENGTHS[:, None]] = np.nan
    return Rectangle(tf.constant(values), tf.constant(LENGTHS))


def read(text: str) -> Pipeline:
    """Returns a config whose model_config is a text, with the made-up groups."""
    pipeline = text_format.Parse(f"model_config {{ {text} }}", Pipeline())
    for group in GROUPS:
        pipeline.model_config.feature_groups.add(group_name=group)
    return pipeline


def make_backbone(text: str, seed: int = 1) -> tuple[Backbone, Build]:
    """Makes the backbone of a text: its blocks, packages and results."""
    pipeline = read(f"backbone {{ {text} }}")
    build = Build(seed=seed)
    graph = graph_of(pipeline)
    assert graph is not None and not graph.faults, graph
    return Backbone(build, pipeline.model_config.backbone, plan_backbone(graph, make_shapes())), build


def run(text: str, call: Call = EVALUATION) -> Value:
    """Returns what comes out of the blocks of a text, tensors as arrays."""
    backbone, _ = make_backbone(text)
    return arrays(Run(backbone.plan.main, make_inputs(), call).result())


def value_of(name: str, text: str, call: Call = EVALUATION) -> Value:
    """Returns the value of a block that is no result."""
    result = 'blocks { name: "result" inputs { feature_group_name: "all" } } concat_blocks: "result"'
    backbone, _ = make_backbone(text + result)
    ran = Run(backbone.plan.main, make_inputs(), call)
    ran.result()
    return ran.values[name]


def arrays(value: Value) -> Value:
    """Returns a value with arrays in place of tensors; steps are padded."""
    if isinstance(value, list | tuple):
        return type(value)(arrays(one) for one in value)
    if isinstance(value, Steps):
        return value.rectangle().values.numpy()
    return value if value is None else value.numpy()


def randomize(build: Build) -> None:
    """Gives every weight a random value."""
    for index, (name, parameter) in enumerate(build.parameters.items()):
        if not name.endswith(("count", "moving_mean", "moving_variance")):
            parameter.assign(tf.random.stateless_uniform(parameter.shape, [index, 7], -0.5, 1.0))


def make(text: str, tasks: Mapping[str, int] | None = None) -> tuple[MultiTaskModel, Build]:
    """Makes the model of a text."""
    build = Build(seed=1)
    return make_model(read(text), build, make_shapes(), tasks or {"ctr": 1, "cvr": 1}), build


def weights(build: Build) -> dict[str, np.ndarray]:
    """Returns the weights by name."""
    return {name: parameter.read().numpy() for name, parameter in build.parameters.items()}
