"""A small model of three tasks over one shared layer, and single updates of it, for the tests of this folder."""

import re
from pathlib import Path

import numpy as np
import tensorflow as tf

from easymtl.config import Config, load_config
from easymtl.features.encoder import batch_signature, to_tensors
from easymtl.tasks.ranker import Ranker
from easymtl.training import events
from easymtl.training.balancing.choice import make_descent
from easymtl.training.inputs import TrainingInput
from easymtl.training.optimizers import Optimizers
from easymtl.training.result import TrainingResult
from easymtl.training.step import make_train_step
from easymtl.training.step_values import StepValues
from easymtl.training.trainer import Trainer
from tests.training.small_runs import CONFIG

MODEL = """
model_config {{
  feature_groups {{ group_name: "all" feature_names: ["item", "tags", "price"] }}
  dbmtl {{
    bottom_dnn {{ hidden_units: 6 use_bn: false activation: "tanh" }}
    task_towers {{ tower_name: "ctr" label_name: "click" }}
    task_towers {{ tower_name: "cvr" label_name: "buy" losses {{ loss_type: CLASSIFICATION weight: 2 }} }}
    task_towers {{ tower_name: "rate" label_name: "click" loss_type: L2_LOSS weight: 0.5 }}
    l2_regularization: 0
  }}
}}
"""
TOWERS = ("ctr", "cvr", "rate")
METHODS = {
    "uncertainty": "uncertainty {}",
    "random": "random {}",
    "dwa": "dwa { window_steps: 3 }",
    "gradnorm": "gradnorm {}",
    "pcgrad": "pcgrad {}",
    "mgda": "mgda {}",
    "cagrad": "cagrad {}",
    "nash_mtl": "nash_mtl {}",
    "nash_mtl now and then": "nash_mtl { update_every: 3 }",
    "pareto": "pareto { min_weight: 0.1 }",
}
"""Every method, as text of `task_balancing`."""
SGD = (
    "train_config.optimizer_config[0].momentum_optimizer.momentum_optimizer_value=0",
    "train_config.optimizer_config[0].momentum_optimizer.learning_rate.constant_learning_rate.learning_rate=1",
)


def balanced(name: str) -> str:
    """Returns the override that asks for a method."""
    return f"train_config.task_balancing={{ {METHODS[name]} }}"


def config_of(folder: Path, *overrides: str) -> Config:
    """Returns the config of a folder, `path=value` overrides applied."""
    path = folder / "balanced.config"
    data = re.sub(r"model_config \{\{.*", "", CONFIG, flags=re.DOTALL)
    path.write_text((data + MODEL).format(folder=folder))
    return load_config(str(path), ["eval_input_path=", *overrides])


def train(folder: Path, *overrides: str) -> tuple[TrainingResult, list[events.Event]]:
    """Trains, and returns the result with all that was told."""
    told: list[events.Event] = []
    return Trainer(config_of(folder, *overrides), told.append).run(), told


class Update:
    """Updates by plain gradient descent of rate 1: weights move by their gradient."""

    def __init__(self, folder: Path, *overrides: str):
        pipeline = config_of(folder, *SGD, *overrides).pipeline
        self.ranker = Ranker(pipeline)
        self.descent = make_descent(pipeline, self.ranker)
        with TrainingInput(pipeline, self.ranker, None).feed as feed:
            self.batch = to_tensors(next(feed).rows)
        settings = pipeline.train_config
        tables = list(self.ranker.embeddings.variables_by_width.values())
        dense = [*self.ranker.dense_variables, *self.descent.trained]
        optimizers = Optimizers(settings.optimizer_config, tables, dense)
        self.step = tf.Variable(0, dtype=tf.int64)
        signature = batch_signature(self.batch)
        self.step_function = make_train_step(
            self.ranker, optimizers, self.step, settings, tf.float32, signature, self.descent
        )

    def run(self, **changes: np.ndarray) -> dict[str, np.ndarray]:
        """Makes an update and returns by how much each parameter has moved; `values` is what the step told."""
        before = self.weights()
        self.values = StepValues.of(self.step_function({**self.batch, **changes}, np.ones(2, np.float32)))
        return {name: before[name] - value for name, value in self.weights().items()}

    def weights(self) -> dict[str, np.ndarray]:
        return {name: parameter.read().numpy().astype(np.float64) for name, parameter in self.ranker.parameters.items()}


def moves_of_tasks(folder: Path, *overrides: str) -> list[dict[str, np.ndarray]]:
    """Returns the gradient of each task by itself: that of the sum of losses of which all others have weight 0."""
    weights = (1, 1, 0.5)
    result = []
    for task in range(len(TOWERS)):
        alone = [
            f"model_config.dbmtl.task_towers[{index}].weight={weights[index] if index == task else 0}"
            for index in range(len(TOWERS))
        ]
        result.append(Update(folder, *alone, *overrides).run())
    return result


def matrix_of(moves: list[dict[str, np.ndarray]]) -> np.ndarray:
    """Returns the gradients of the tasks on the shared dense weights, `[tasks, size]`."""
    shared = [name for name in moves[0] if name.startswith("bottom_dnn")]
    assert shared
    return np.stack([np.concatenate([np.ravel(move[name]) for name in shared]) for move in moves])
