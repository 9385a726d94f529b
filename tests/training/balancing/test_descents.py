"""One update of a whole model: what a method does to shared weights, to those of one task and to tables."""

import numpy as np
import pytest

from easymtl.errors import UserError
from easymtl.tasks.ranker import Ranker
from easymtl.training.balancing.choice import make_descent
from easymtl.training.balancing.descents import Fixed
from easymtl.training.diagnosis import require_finite_weights
from tests.training.balancing.balanced_runs import (
    METHODS,
    TOWERS,
    Update,
    balanced,
    config_of,
    matrix_of,
    moves_of_tasks,
)
from tests.training.balancing.test_combinations import pcgrad_by_hand
from tests.training.small_runs import write_data

# One update each; traced ones are in test_resume.py.
pytestmark = pytest.mark.usefixtures("op_by_op")

WEIGHING_LOSSES = ("uncertainty", "random", "dwa", "gradnorm", "pareto")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("descents")
    write_data(folder)
    return folder


@pytest.fixture(scope="module")
def by_task(folder):
    return moves_of_tasks(folder)


def weights_of(update: Update) -> np.ndarray:
    return np.array([float(update.values.weights[task]) for task in TOWERS])


def combined(moves, name: str, weights) -> np.ndarray:
    return sum(weight * move[name] for weight, move in zip(weights, moves))


@pytest.mark.parametrize("method", METHODS)
def test_an_update_goes_along_the_combination_that_its_weights_say_or_nowhere(folder, by_task, method):
    update = Update(folder, balanced(method))
    moves = update.run()
    weights = weights_of(update)
    others = weights if method in WEIGHING_LOSSES else np.ones(3)
    for name in by_task[0]:
        expected = combined(by_task, name, weights if name.startswith("bottom_dnn") else others)
        np.testing.assert_allclose(moves[name], expected, rtol=1e-4, atol=1e-6, err_msg=name)
    # A loss that is not finite moves nothing, and no method remembers it.
    numbers = update.batch["numbers"].copy()
    numbers[0, 0] = np.inf
    nowhere = update.run(numbers=numbers)
    assert np.isnan(float(update.values.losses["loss"]))
    assert not any(np.any(move) for move in nowhere.values())


def test_the_losses_told_are_without_weights_and_their_sum_is_the_loss(folder):
    plain, weighed = Update(folder), Update(folder, balanced("random"))
    plain.run(), weighed.run()
    found = {name: float(value) for name, value in weighed.values.losses.items()}
    assert found == pytest.approx({name: float(value) for name, value in plain.values.losses.items()}, rel=1e-6)
    assert not plain.values.weights and set(weighed.values.weights) == set(TOWERS)


def test_without_balancing_nothing_is_done_for_it(folder):
    update = Update(folder)
    assert type(update.descent) is Fixed
    assert not update.descent.needs_task_gradients
    assert not update.descent.parameters


def test_pcgrad_is_that_of_the_paper(folder, by_task):
    moves = Update(folder, balanced("pcgrad")).run()
    matrix = matrix_of(by_task)
    found = matrix_of([moves])[0]
    random = np.random.default_rng(0)
    orders = [np.stack([random.permutation(3) for _ in range(3)]) for _ in range(200)]
    nearest = min(np.abs(pcgrad_by_hand(matrix, order) - found).max() for order in orders)
    assert nearest < 1e-5


def test_regularization_is_added_apart(folder):
    strong = ("model_config.dbmtl.l2_regularization=0.1", "model_config.embedding_regularization=0.01")
    for method in ("pareto", "nash_mtl now and then"):
        free, bound = Update(folder, balanced(method)), Update(folder, balanced(method), *strong)
        first, second = free.run(), bound.run()
        kernel = "bottom_dnn/dnn_0/kernel"
        before = free.weights()[kernel] + first[kernel]
        np.testing.assert_allclose(second[kernel] - first[kernel], 0.1 * before, rtol=1e-3, atol=1e-6)
        assert float(bound.values.losses["regularization_loss"]) > 0


def test_solutions_that_are_kept_are_used_in_the_steps_between(folder, by_task):
    update = Update(folder, balanced("nash_mtl now and then"))
    before = update.weights()
    update.run()
    kept = weights_of(update)
    for name, value in before.items():
        if not name.startswith("task_balancing"):
            update.ranker.parameters[name].assign(value.astype(np.float32))
    moves = update.run()  # The second step, on the same weights and batch, without dropout.
    np.testing.assert_array_equal(weights_of(update), kept)
    for name in by_task[0]:
        expected = combined(by_task, name, kept if name.startswith("bottom_dnn") else np.ones(3))
        np.testing.assert_allclose(moves[name], expected, rtol=1e-4, atol=1e-6, err_msg=name)
    update.run()
    np.testing.assert_array_equal(weights_of(update), kept)
    update.run()
    assert np.any(weights_of(update) != kept)


def test_what_is_frozen_stands_still_and_is_not_shared(folder, by_task):
    frozen = 'train_config.freeze_gradient=["bottom_dnn/dnn_0/bias", "item_embedding"]'
    moves = Update(folder, balanced("mgda"), frozen).run()
    for name, move in moves.items():
        is_frozen = name == "bottom_dnn/dnn_0/bias" or "item_embedding" in name
        assert np.any(move) != is_frozen, name


def test_clipping_comes_after_the_combination(folder):
    free = Update(folder, balanced("cagrad")).run()
    clipped = Update(folder, balanced("cagrad"), "train_config.gradient_clipping_by_norm=0.01").run()
    norm = np.sqrt(sum(np.sum(move**2) for move in free.values()))
    assert norm > 0.01
    for name, move in free.items():
        np.testing.assert_allclose(clipped[name], move * 0.01 / norm, rtol=2e-2, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("method", ["pcgrad", "nash_mtl now and then"])
def test_a_model_that_shares_nothing_is_refused(folder, method):
    with pytest.raises(UserError, match=r"no two tasks of this model train a dense weight together.*freeze_gradient"):
        Update(folder, balanced(method), "train_config.freeze_gradient=bottom_dnn").run()


def test_cosines_are_those_of_the_gradients_in_the_steps_that_measure(folder, by_task):
    update = Update(folder, "train_config.log_gradient_conflict_every=2", balanced("uncertainty"))
    before = update.weights()
    update.run()
    assert not update.values.cosines
    for name, value in before.items():
        update.ranker.parameters[name].assign(value.astype(np.float32))
    update.run()
    matrix = matrix_of(by_task)
    lengths = np.linalg.norm(matrix, axis=1)
    cosines = matrix @ matrix.T / np.outer(lengths, lengths)
    expected = {f"{TOWERS[i]}/{TOWERS[j]}": cosines[i, j] for i, j in ((0, 1), (0, 2), (1, 2))}
    found = {pair: float(value) for pair, value in update.values.cosines.items()}
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_step_that_measures_is_the_very_function_of_one_that_does_not(folder):
    step = Update(folder, "train_config.log_gradient_conflict_every=2").step_function
    first = step.traced(0)
    assert step.traced(1) is first and step.traced(2) is first and step.traced(0) is first


def test_measuring_needs_something_shared(folder):
    overrides = ("train_config.log_gradient_conflict_every=1", "train_config.freeze_gradient=bottom_dnn")
    with pytest.raises(UserError, match=r"log_gradient_conflict_every: it looks at the dense weights"):
        Update(folder, *overrides).run()


def test_a_weight_that_is_not_finite_is_never_saved(folder):
    update = Update(folder, balanced("uncertainty"))
    update.ranker.parameters["task_balancing/uncertainty/cvr"].assign(np.float32(np.nan))
    pipeline = config_of(folder, balanced("uncertainty")).pipeline
    with pytest.raises(UserError, match="parameter task_balancing/uncertainty/cvr: 1 of its weights are not finite"):
        require_finite_weights(pipeline, update.ranker.parameters, 3)


def test_uncertainty_halves_regression_and_counts_the_weights_of_towers(folder):
    update = Update(folder, balanced("uncertainty"))
    moves = update.run()
    losses = {name: float(value) for name, value in update.values.losses.items()}
    np.testing.assert_allclose(weights_of(update), [1, 1, 0.5])
    names = ("cross_entropy_loss_ctr", "cross_entropy_loss_cvr", "l2_loss_rate")
    slopes = [0.5 - losses[names[0]], 0.5 - losses[names[1]], 0.5 * 0.5 - 0.5 * losses[names[2]]]
    found = [moves[f"task_balancing/uncertainty/{task}"] for task in TOWERS]
    np.testing.assert_allclose(found, slopes, rtol=1e-4)


@pytest.mark.parametrize("method", ["uncertainty", "pcgrad"])
def test_one_task_alone_is_not_balanced(folder, method):
    pipeline = config_of(folder, balanced(method)).pipeline
    del pipeline.model_config.dbmtl.task_towers[1:]
    assert type(make_descent(pipeline, Ranker(pipeline))) is Fixed
