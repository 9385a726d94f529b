"""A step that meets a number that is not finite moves nothing at all: no weight, slot, statistic, memory or count."""

from dataclasses import dataclass

import numpy as np
import pytest
import tensorflow as tf

from easymtl.features.encoder import batch_signature, to_tensors
from easymtl.tasks.ranker import Ranker
from easymtl.training.balancing.choice import make_descent
from easymtl.training.inputs import TrainingInput
from easymtl.training.optimizers import Optimizers
from easymtl.training.step import TrainStep, make_train_step
from tests.tracing import op_by_op
from tests.training.small_runs import small_config, write_data


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("refused")
    write_data(folder)
    return folder


@dataclass
class Step:
    """A training step of a model with batch norm, with everything that it can move."""

    run: TrainStep
    batch: dict[str, np.ndarray]
    variables: dict[str, tf.Variable]

    def values(self) -> dict[str, np.ndarray]:
        return {name: variable.numpy() for name, variable in self.variables.items()}

    def __call__(self, **columns: np.ndarray) -> float:
        return float(self.run({**self.batch, **columns}, np.full(2, 0.01, np.float32))["loss"])


def make_step(folder, *overrides: str) -> Step:
    pipeline = small_config(folder, *overrides).pipeline
    ranker = Ranker(pipeline)
    descent = make_descent(pipeline, ranker)
    with TrainingInput(pipeline, ranker, None).feed as feed:
        batch = to_tensors(next(feed).rows)
    settings, count = pipeline.train_config, tf.Variable(0, dtype=tf.int64)
    tables = list(ranker.embeddings.variables_by_width.values())
    optimizers = Optimizers(settings.optimizer_config, tables, [*ranker.dense_variables, *descent.trained])
    run = make_train_step(ranker, optimizers, count, settings, tf.float32, batch_signature(batch), descent)
    variables = {name: parameter.variable for name, parameter in ranker.parameters.items()}
    variables |= {f"slot {index}": variable for index, variable in enumerate(optimizers.variables)}
    return Step(run, batch, {**variables, "step": count})


@pytest.fixture(scope="module")
def plain(folder) -> Step:
    return make_step(folder)


def assert_nothing_moves(step: Step, **columns: np.ndarray) -> None:
    before = step.values()
    assert np.isnan(step(**columns))
    for name, value in step.values().items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


def bad_label(step: Step) -> np.ndarray:
    numbers = step.batch["numbers"].copy()
    numbers[0, 0] = np.inf
    return numbers


def test_a_sound_step_moves_every_kind_of_variable(plain):
    before = plain.values()
    assert np.isfinite(plain())
    moved = {name for name, value in plain.values().items() if np.any(value != before[name])}
    endings = ("kernel", "gamma", "moving_mean", "moving_variance", "bn/count", "embedding_weights", "step")
    assert not [ending for ending in endings if not any(name.endswith(ending) for name in moved)]
    assert any(name.startswith("slot") for name in moved)


def test_a_loss_that_is_not_finite_moves_nothing(plain):
    assert_nothing_moves(plain, numbers=bad_label(plain))
    assert np.isfinite(plain())


def test_the_step_after_a_refused_one_is_as_if_that_had_not_been(folder, plain):
    # Dropout draws by the number of the step, Adam corrects by it.
    other = make_step(folder)
    for variable, name in ((variable, name) for name, variable in other.variables.items()):
        variable.assign(plain.variables[name])
    other(numbers=bad_label(other))
    assert plain() == other()
    for name, value in plain.values().items():
        np.testing.assert_array_equal(other.variables[name], value, err_msg=name)


def test_a_gradient_that_is_not_finite_moves_nothing(plain):
    kernel = plain.variables["mmoe/expert_0/dnn_0/kernel"]
    before = kernel.numpy()
    kernel.assign(1e25 * before)
    assert_nothing_moves(plain)
    kernel.assign(before)


def test_a_statistic_that_would_not_be_finite_moves_nothing(plain):
    # The variance overflows and the norm divides by it: loss and gradients are as finite as ever.
    dense = plain.batch["dense"].copy()
    dense[0] = 3e38
    assert_nothing_moves(plain, dense=dense)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dwa { window_steps: 2 }", "gradnorm {}", "nash_mtl { update_every: 2 }"])
def test_no_method_of_balancing_remembers_a_refused_step(folder, method):
    with op_by_op():
        step = make_step(folder, f"train_config.task_balancing={{ {method} }}")
        for _ in range(2):
            step()
        assert_nothing_moves(step, numbers=bad_label(step))
