"""Moving averages of weights: the formula, whatever the rows that a step touches, and what is done with them."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.checkpoints.restore import load_ranker
from easymtl.checkpoints.slots import AVERAGE, UPDATED_AT
from easymtl.checkpoints.weights import entries_of
from easymtl.config import load_config
from easymtl.features.encoder import batch_signature, to_tensors
from easymtl.scoring.evaluation import evaluate
from easymtl.scoring.scorer import RankerScorer
from easymtl.serving.export import export
from easymtl.serving.saved_model_scorer import SavedModelScorer
from easymtl.tasks.build import build_tasks
from easymtl.tasks.ranker import Ranker
from easymtl.training.averages import Average
from easymtl.training.inputs import TrainingInput
from easymtl.training.optimizers import Optimizers
from easymtl.training.step import make_train_step
from tests.tracing import op_by_op
from tests.training.small_runs import arrays, small_config, train, write_data

pytestmark = pytest.mark.usefixtures("op_by_op")
GOLDEN = Path(__file__).parents[1] / "data" / "easyrec_golden" / "40_moving_average"
OPTIMIZER = "train_config.optimizer_config[0]"
AVERAGED = (f"{OPTIMIZER}.use_moving_average=true", f"{OPTIMIZER}.moving_average_decay=0.7")
ITEMS = "input_layer/item_embedding/embedding_weights"
KERNEL = "ctr/dnn_0/kernel"


def formula(averages: np.ndarray, weights: np.ndarray, decay: float) -> np.ndarray:
    """The definition, in float64 and for every row."""
    return decay * averages + (1 - decay) * weights


class TestFormula:
    @pytest.mark.parametrize("decay", [0.9, 0.9999, 0.0])
    def test_touched_rows_alone_give_what_all_rows_give(self, decay):
        random = np.random.default_rng(3)
        weights = random.normal(size=(7, 3)).astype(np.float32)
        table = tf.Variable(weights)
        average = Average(table, decay, by_rows=True)
        expected = weights.astype(np.float64)
        # Row 6 is never touched, row 5 in the first step and not again for a long time.
        for step in range(1, 121):
            numbers = np.array([5]) if step in (1, 110) else random.permutation(5)[: random.integers(0, 4)]
            before = weights[numbers]
            weights[numbers] += random.normal(size=before.shape).astype(np.float32)
            table.assign(weights)
            average.follow_rows(tf.constant(numbers), tf.constant(before), tf.constant(weights[numbers]), step)
            expected = formula(expected, weights.astype(np.float64), decay)
        found = average.rows(tf.range(7), table, tf.constant(120, tf.int64))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6)
        np.testing.assert_array_equal(found[6], weights[6])

    @pytest.mark.parametrize("decay", [0.9, 0.9999])
    def test_a_dense_weight_follows_it(self, decay):
        random = np.random.default_rng(4)
        weight = tf.Variable(random.normal(size=(2, 3)).astype(np.float32))
        average = Average(weight, decay, by_rows=False)
        expected = weight.numpy().astype(np.float64)
        for _ in range(50):
            weight.assign_add(random.normal(size=(2, 3)).astype(np.float32))
            average.follow()
            expected = formula(expected, weight.numpy().astype(np.float64), decay)
        np.testing.assert_allclose(average.value, expected, rtol=1e-5, atol=2e-6)

    def test_a_weight_that_stands_still_is_its_average_to_the_bit(self):
        weight = tf.Variable([[0.1, -0.3]])
        average = Average(weight, 0.9, by_rows=False)
        for _ in range(20):
            average.follow()
        np.testing.assert_array_equal(average.value, weight)


class Steps:
    """The first steps of the golden case, which EasyRec cannot train, and the formula beside them."""

    def __init__(self, *overrides: str, num_steps: int = 5):
        fixed = ["train_config.mixed_precision=FLOAT32", *overrides]
        with contextlib.chdir(GOLDEN):
            self.pipeline = load_config("pipeline.config", fixed).pipeline
            self.ranker = Ranker(self.pipeline)
            with TrainingInput(self.pipeline, self.ranker, None).feed as feed:
                batches = [to_tensors(next(feed).rows) for _ in range(num_steps)]
        settings = self.pipeline.train_config
        tables = list(self.ranker.embeddings.variables_by_width.values())
        self.optimizers = Optimizers(settings.optimizer_config, tables, self.ranker.dense_variables)
        self.step = tf.Variable(0, dtype=tf.int64)
        train_step = make_train_step(
            self.ranker, self.optimizers, self.step, settings, tf.float32, batch_signature(batches[0])
        )
        self.expected = self.weights()
        for number, batch in enumerate(batches):
            train_step(batch, np.array(self.optimizers.learning_rates(number), np.float32))
            now = self.weights()
            self.expected = {name: formula(value, now[name], 0.9) for name, value in self.expected.items()}

    def weights(self) -> dict[str, np.ndarray]:
        return {name: p.read().numpy().astype(np.float64) for name, p in self.ranker.parameters.items()}

    def averages(self) -> dict[str, np.ndarray]:
        """The averages of all parameters as of the last step, those of tables brought up to it."""
        found = {}
        for name, parameter in self.ranker.parameters.items():
            average = self.optimizers.average_of(parameter.variable)
            numbers = tf.range(parameter.begin, parameter.begin + parameter.num_rows)
            rows = average.rows(numbers, tf.gather(parameter.variable, numbers), self.step)
            found[name] = tf.reshape(rows, parameter.shape).numpy()
        return found


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("train_config.freeze_gradient=['ctr/dnn/', 'brand_embedding']",),
        (
            "train_config.optimizer_config[0]={adam_optimizer { dense_embedding_update: true learning_rate { "
            "constant_learning_rate { learning_rate: 0.05 } } } use_moving_average: true moving_average_decay: 0.9}",
        ),
        (
            "train_config.optimizer_config[0]={adamw_optimizer { weight_decay: 0.1 learning_rate { "
            "constant_learning_rate { learning_rate: 0.05 } } } use_moving_average: true moving_average_decay: 0.9}",
        ),
    ],
    ids=["adagrad", "frozen", "every row moves", "rows decay"],
)
def test_five_steps_of_the_golden_case_follow_the_formula(overrides):
    # The first of them traced, as a training does it.
    with op_by_op(bool(overrides)):
        steps = Steps(*overrides)
    weights, found = steps.weights(), steps.averages()
    for name, expected in steps.expected.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, atol=1e-6, err_msg=name)
    assert not np.allclose(found["ctr/output/kernel"], weights["ctr/output/kernel"], atol=1e-3)
    is_frozen = "freeze" in "".join(overrides)
    assert np.array_equal(found["ctr/dnn/dnn_0/kernel"], weights["ctr/dnn/dnn_0/kernel"]) == is_frozen


def test_each_optimizer_averages_its_own_variables():
    momentum = "momentum_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.1 } } }"
    steps = Steps(f"train_config.optimizer_config[1]={{{momentum}}}", num_steps=1)
    names = {entry.name for entry in entries_of(steps.ranker.parameters, steps.optimizers)}
    assert {f"{ITEMS}/{AVERAGE}", f"{ITEMS}/{UPDATED_AT}"} <= names
    assert f"ctr/dnn/dnn_0/kernel/{AVERAGE}" not in names
    assert "ctr/dnn/dnn_0/kernel/Momentum" in names
    assert steps.optimizers.averaging() == {"embedding": pytest.approx(0.9), "by_rows": True}


def test_without_averages_nothing_is_kept():
    steps = Steps(f"{OPTIMIZER}.use_moving_average=false", num_steps=1)
    assert not [entry for entry in entries_of(steps.ranker.parameters, steps.optimizers) if entry.is_of_average]
    assert steps.optimizers.averaging() == {}


@pytest.fixture
def folder(tmp_path):
    write_data(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A training of six steps with averages that has ended, to be read only: folder and result."""
    folder = tmp_path_factory.mktemp("averaged")
    write_data(folder)
    return folder, train(folder, *AVERAGED)[0]


def metrics_of(folder: Path, checkpoint, *overrides: str) -> dict[str, float]:
    pipeline = small_config(folder, *overrides).pipeline
    ranker = load_ranker(pipeline, checkpoint)
    return evaluate(pipeline, ranker.tasks, RankerScorer(ranker, tf.float32)).metrics


def test_a_resumed_training_has_the_same_averages_to_the_bit(folder, done):
    train(folder, *AVERAGED, "train_config.num_steps=2", "train_config.save_checkpoints_steps=0")
    parts, _ = train(folder, *AVERAGED)
    expected, found = arrays(done[1].checkpoint), arrays(parts.checkpoint)
    assert {f"{ITEMS}/{AVERAGE}", f"{ITEMS}/{UPDATED_AT}", f"{KERNEL}/{AVERAGE}"} <= set(found) == set(expected)
    assert "ctr/dnn_0/bn/moving_mean/ExponentialMovingAverage" not in found
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    assert parts.metrics == done[1].metrics


def test_what_is_evaluated_while_training_is_what_the_checkpoint_scores_with(done):
    folder, result = done
    again = metrics_of(folder, result.checkpoint, *AVERAGED)
    assert {name: again[name] for name in result.metrics} == pytest.approx(dict(result.metrics), rel=1e-6)
    of_weights = metrics_of(folder, result.checkpoint)
    assert abs(of_weights["loss"] - result.metrics["loss"]) > 1e-4


def test_a_checkpoint_scores_with_the_averages_as_of_its_step(done):
    folder, result = done
    values = arrays(result.checkpoint)
    ranker = load_ranker(small_config(folder, *AVERAGED).pipeline, result.checkpoint)
    stood_still = result.step - values[f"{ITEMS}/{UPDATED_AT}"]
    assert set(stood_still) > {0, 6}
    share = float(np.float32(0.7)) ** stood_still[:, np.newaxis]
    expected = values[ITEMS] + share * (values[f"{ITEMS}/{AVERAGE}"] - values[ITEMS])
    np.testing.assert_allclose(ranker.parameters[ITEMS].read(), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(ranker.parameters[KERNEL].read(), values[f"{KERNEL}/{AVERAGE}"])
    norm = "ctr/dnn_0/bn/moving_mean"
    np.testing.assert_array_equal(ranker.parameters[norm].read(), values[norm])


def test_the_weights_of_training_are_not_moved_by_an_evaluation(folder, done):
    plain, _ = train(folder)
    averaged, expected = arrays(done[1].checkpoint), arrays(plain.checkpoint)
    for name, value in expected.items():
        np.testing.assert_array_equal(averaged[name], value, err_msg=name)


@pytest.mark.slow
def test_averages_that_are_asked_for_later_begin_at_the_weights(folder):
    first, _ = train(folder, "train_config.num_steps=3")
    begun = arrays(first.checkpoint)
    assert metrics_of(folder, first.checkpoint, *AVERAGED) == metrics_of(folder, first.checkpoint)
    second, _ = train(folder, *AVERAGED, "train_config.num_steps=4")
    now = arrays(second.checkpoint)
    expected = formula(begun[KERNEL].astype(np.float64), now[KERNEL].astype(np.float64), 0.7)
    np.testing.assert_allclose(now[f"{KERNEL}/{AVERAGE}"], expected, rtol=1e-5, atol=1e-7)
    assert set(now[f"{ITEMS}/{UPDATED_AT}"]) == {3, 4}


@pytest.mark.slow
def test_another_decay_counts_from_the_step_at_which_it_is_set(folder, done):
    first, _ = train(folder, *AVERAGED, "train_config.num_steps=3")
    before, model = arrays(first.checkpoint), load_ranker(small_config(folder, *AVERAGED).pipeline, first.checkpoint)
    at_three = model.parameters[ITEMS].read().numpy()
    second, _ = train(folder, *AVERAGED[:1], f"{OPTIMIZER}.moving_average_decay=0.2", "train_config.num_steps=4")
    now = arrays(second.checkpoint)
    weights, updated_at = now[ITEMS].astype(np.float64), now[f"{ITEMS}/{UPDATED_AT}"]
    expected = np.where((updated_at == 4)[:, np.newaxis], formula(at_three.astype(np.float64), weights, 0.2), at_three)
    np.testing.assert_allclose(now[f"{ITEMS}/{AVERAGE}"], expected, rtol=1e-5, atol=1e-7)
    assert set(before[f"{ITEMS}/{UPDATED_AT}"]) > {0} and set(updated_at) == {3, 4}


@pytest.mark.slow
def test_a_training_can_go_on_without_them(folder):
    train(folder, *AVERAGED, "train_config.num_steps=3")
    result, _ = train(folder)
    assert result.step == 6
    assert not [name for name in arrays(result.checkpoint) if AVERAGE in name]
    state = json.loads((CheckpointFolder(folder / "model").latest().path / "state.json").read_text())
    assert state["averages"] == {}


@pytest.mark.slow
def test_an_export_scores_with_the_averages(done, tmp_path, score_here):
    folder, result = done
    pipeline = small_config(folder, *AVERAGED).pipeline
    scorer = SavedModelScorer(export(pipeline, result.checkpoint, tmp_path).path, pipeline)
    found = evaluate(pipeline, build_tasks(pipeline), scorer).metrics
    assert found["auc_ctr"] == pytest.approx(result.metrics["auc_ctr"], abs=1e-9)
    assert found["auc_cvr"] == pytest.approx(result.metrics["auc_cvr"], abs=1e-9)
