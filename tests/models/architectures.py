"""Small architectures with random weights, for the tests of this folder."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from google.protobuf import text_format

from easymtl.config import view
from easymtl.layers.context import Build, Call
from easymtl.models import MODELS
from easymtl.models.base import MultiTaskModel
from easymtl.protos.model_pb2 import ModelConfig
from easymtl.protos.pipeline_pb2 import Pipeline

NUM_INPUTS = 6
X = np.random.default_rng(4).normal(size=[32, NUM_INPUTS]).astype(np.float32)
EVALUATION = Call()
TRAINING = Call(training=True, seed=np.array([0, 3]))
GROUP_WIDTHS = {"all": NUM_INPUTS, "own": 5, "other": 4}


def groups_of(x: np.ndarray | tf.Tensor = X) -> dict[str, tf.Tensor]:
    """Returns the feature groups of a batch: `all` is x, the others are functions of it, row by row."""
    x = tf.convert_to_tensor(x)
    return {"all": x, "own": tf.sin(3.0 * x[:, :5]), "other": tf.cos(2.0 * x[:, 2:])}


def make_model(text: str, num_outputs: dict[str, int] | None = None, seed: int = 1) -> tuple[MultiTaskModel, Build]:
    """Makes the architecture of a text such as `mmoe { ... }`; every tower has one output unless told otherwise."""
    config = text_format.Parse(text, ModelConfig())
    name = config.WhichOneof("model")
    message = getattr(config, name)
    towers = view.task_towers(Pipeline(model_config=config))
    widths = {tower.tower_name: 1 for tower in towers} | (num_outputs or {})
    build = Build(seed=seed)
    return MODELS[name](build, message, GROUP_WIDTHS, widths), build


def logits(model: MultiTaskModel, call: Call = EVALUATION, x: np.ndarray | tf.Tensor = X) -> dict[str, np.ndarray]:
    """Returns the logits by tower name."""
    return {name: value.numpy() for name, value in model(groups_of(x), call).items()}


def copy_weights(source: Build, target: Build, names: dict[str, str] | None = None) -> None:
    """Gives all parameters of `target` the values that `source` has under the same name, or the one in `names`."""
    for name, parameter in target.parameters.items():
        parameter.assign(source.parameters[(names or {}).get(name, name)].read())


def randomize(build: Build) -> None:
    """Gives every weight a random value, so that no term is hidden by zeros and ones."""
    random = np.random.default_rng(7)
    done = set()
    for name, parameter in build.parameters.items():
        variable = parameter.variable
        if variable.ref() not in done and not name.endswith(("count", "moving_mean", "moving_variance")):
            done.add(variable.ref())
            variable.assign(random.uniform(-0.5, 1.0, variable.shape).astype(np.float32))


def gradients_by_name(
    model: MultiTaskModel, build: Build, towers: list[str], groups: Mapping[str, tf.Tensor] | None = None
) -> dict[str, np.ndarray]:
    """Returns the gradient of the towers' summed logits by parameter, those of untrained parameters left out."""
    variables = model.trainable_variables
    with tf.GradientTape() as tape:
        outputs = model(groups_of() if groups is None else groups, TRAINING)
        total = tf.add_n([tf.reduce_sum(outputs[tower]) for tower in towers])
    found = tape.gradient(total, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    by_variable = {variable.ref(): gradient for variable, gradient in zip(variables, found)}
    return {
        name: parameter.read(tf.convert_to_tensor(by_variable[parameter.variable.ref()])).numpy()
        for name, parameter in build.parameters.items()
        if parameter.variable.ref() in by_variable
    }
