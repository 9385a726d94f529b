"""Architectures and layers of packages: made as our own are, and held to the shapes that they promise."""

import re

import numpy as np
import pytest
import tensorflow as tf

from easymtl.extend import (
    INPUT_GROUP,
    Architecture,
    DNNConfig,
    Layer,
    MultiTaskModel,
    NamedLayer,
    Parameter,
    TaskTowers,
    vector,
)
from easymtl.extensions import ExtensionError
from easymtl.layers.context import Build, Call
from easymtl.models.backbone import GraphError
from easymtl.models.making import make_model
from tests.models.graphs import ROWS, make_backbone, make_inputs, make_shapes, read

CALL = Call()


class Wide(MultiTaskModel):
    def __init__(self, build, config, group_widths, num_outputs):
        super().__init__(build, config, group_widths, num_outputs)
        self.config = config
        widths = dict.fromkeys(num_outputs, group_widths[INPUT_GROUP])
        self.towers = TaskTowers(build, config.task_towers, widths, num_outputs, group_widths)

    def __call__(self, groups, call):
        x = groups[INPUT_GROUP] * self.config.factor
        return self.spoil(self.towers(dict.fromkeys(self.towers.outputs, x), groups, call))

    def spoil(self, logits):
        return logits


class Scale(NamedLayer):
    def __init__(self, build, name, config, inputs):
        super().__init__(build, name, config, inputs)
        self.config = config
        self.factor = build.weight(f"{name}/factor", [inputs.width])

    @staticmethod
    def shape(config, inputs):
        return vector(config.claims if config.HasField("claims") else inputs.width)

    def __call__(self, x, call):
        return x * self.factor * tf.constant(self.config.factors[0])


def model(text: str, num_outputs=None):
    pipeline = read(text)
    towers = num_outputs or {tower.tower_name: 1 for tower in pipeline.model_config.custom.task_towers}
    build = Build(seed=1)
    return make_model(
        pipeline, build, {name: shape.width for name, shape in make_shapes().groups.items()}, towers
    ), build


def groups():
    return {"all": make_inputs().groups["all"].joined}


def custom(more: str = "") -> str:
    towers = 'task_towers { tower_name: "a" } task_towers { tower_name: "b" }'
    return f'custom {{ class_name: "Wide" parameters {{ key: "factor" number: 3 }} {towers} {more} }}'


@pytest.fixture
def installed(packages):
    packages.module("team", Wide=Wide, Scale=Scale, plain=dict)
    packages.install("Wide", Architecture("team:Wide", [Parameter("factor", float), Parameter("dnn", DNNConfig, None)]))
    factors = Parameter("factors", list[float], default=(2.0,), range="(0, 9)")
    packages.install("Scale", Layer("team:Scale", [factors, Parameter("claims", int, None), Parameter("must", int)]))
    return packages


def test_an_architecture_is_made_with_its_parameters_and_the_towers(installed):
    made, build = model(custom("l2_regularization: 0.5"))
    assert isinstance(made, Wide) and type(made).__name__ == "Wide"
    assert made.config.l2_regularization == 0.5 and not made.config.HasField("dnn")
    kernel = build.parameters["dnn_output_1/kernel"].read().numpy()
    found = made(groups(), CALL)
    np.testing.assert_allclose(found["b"], 3 * groups()["all"] @ kernel, rtol=1e-5)
    assert len(build.regularized) == 2


def test_an_architecture_stands_over_a_block_graph(installed):
    graph = 'backbone { blocks { name: "x" inputs { feature_group_name: "other" } } }'
    pipeline = read(f"{graph} {custom()}")
    made = make_model(pipeline, Build(seed=1), make_shapes(), {"a": 1, "b": 1})
    assert made(make_inputs(), CALL)["a"].shape == (ROWS, 1)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda self, logits: {"a": logits["a"]}, 'returns no logits of the tasks "b".'),
        (
            lambda self, logits: logits | {"b": logits["b"][:, 0]},
            f'returns ({ROWS},) for the task "b"; it has to return',
        ),
        (lambda self, logits: logits | {"b": tf.zeros([ROWS, 2])}, "it has to return [batch, 1]."),
    ],
)
def test_logits_of_another_shape_are_refused(installed, monkeypatch, spoil, says):
    monkeypatch.setattr(Wide, "spoil", spoil)
    made, _ = model(custom())
    with pytest.raises(ExtensionError, match=re.escape(says)):
        made(groups(), CALL)


def test_a_target_of_another_kind_is_refused(installed):
    installed.install("Plain", Architecture("team:plain", [Parameter("factor", float)]))
    with pytest.raises(ExtensionError, match="team:plain is no subclass of MultiTaskModel"):
        model(custom().replace("Wide", "Plain"))


def block(
    parameters: str = "", must: str = 'fields { key: "must" value { number_value: 1 } }', name: str = "Scale"
) -> str:
    layer = f'keras_layer {{ class_name: "{name}" st_params {{ {must} {parameters} }} }}'
    return f'backbone {{ blocks {{ name: "x" inputs {{ feature_group_name: "all" }} {layer} }} }}'


def field(key: str, value: float) -> str:
    return f'fields {{ key: "{key}" value {{ number_value: {value} }} }}'


def test_a_layer_runs_in_a_graph_with_defaults_of_lists(installed):
    graph = read(f"{block()} {custom()}").model_config.backbone
    backbone, build = make_backbone(str(graph))
    (result,), _ = backbone(make_inputs(), CALL)
    factor = build.parameters["backbone/x/factor"].read()
    np.testing.assert_allclose(result, 2 * groups()["all"] * factor, rtol=1e-5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (block(must=""), 'needs st_params with "must": Scale has no default.'),
        (block(field("factor", 2)), 'factor" is no parameter of this layer; there are "factors", "claims", "must"'),
        (block(field("factors", 10)), "factors[0] is 10, outside of (0, 9)."),
        (block(field("claims", 1.5)), "claims is 1.5; it needs a whole number."),
        (block(name="Scala"), 'A layer of your own comes with an installed package. Did you mean "Scale"?'),
    ],
)
def test_what_a_layer_cannot_take_is_told_with_its_path(installed, text, says):
    with pytest.raises(GraphError, match=re.escape(says)):
        make_backbone(str(read(text).model_config.backbone))


def test_a_layer_that_gives_another_shape_than_it_declares_is_refused(installed):
    backbone, _ = make_backbone(str(read(block(field("claims", 3))).model_config.backbone))
    with pytest.raises(ExtensionError, match=re.escape('the layer "Scale" (backbone/x) returns (6, 12), and declares')):
        backbone(make_inputs(), CALL)


def test_a_broken_layer_and_a_name_of_ours_are_told_at_the_block(installed):
    installed.install("Gone", Layer("no_such_module_here:X"))
    installed.install("MLP", Layer("team:Scale"))
    for name, says in (("Gone", 'layer "Gone" of team-models 1.2.0 cannot be loaded'), ("MLP", "of easymtl's own")):
        with pytest.raises(GraphError, match=says):
            make_backbone(str(read(block(name=name)).model_config.backbone))
