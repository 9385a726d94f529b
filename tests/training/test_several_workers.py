"""Workers with a part of the rows each make the step that one worker with all of the rows makes."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.features.encoder import batch_signature, to_tensors
from easymtl.peers.peers import NUM_FLAGS, ONE, SAVES, STOPS
from easymtl.tasks.ranker import Ranker
from easymtl.training.answers import Answer
from easymtl.training.balancing.choice import make_descent
from easymtl.training.inputs import TrainingInput
from easymtl.training.optimizers import Optimizers
from easymtl.training.step import make_train_step
from easymtl.training.step_values import StepValues
from tests.peers.threads import make_devices, together
from tests.training.small_runs import small_config, write_data

SMOOTH = (
    "train_config.optimizer_config[0].momentum_optimizer.momentum_optimizer_value=0.9",
    "train_config.optimizer_config[0].momentum_optimizer.learning_rate.constant_learning_rate.learning_rate=0.05",
    'model_config.mmoe.expert_dnn={hidden_units: [8, 6] activation: "tanh"}',
    'model_config.mmoe.task_towers[0].dnn={hidden_units: 4 activation: "tanh"}',
    'model_config.mmoe.task_towers[1].dnn={hidden_units: 4 activation: "tanh"}',
    'model_config.mmoe.task_towers[1].task_space_indicator_label="click"',
    "model_config.mmoe.task_towers[1].in_task_space_weight=2",
    "model_config.mmoe.task_towers[1].out_task_space_weight=0",
    "model_config.mmoe.l2_regularization=0.01",
    "train_config.sync_batch_norm=true",
    "data_config.batch_size=48",
)
NUM_STEPS = 6
SPLITS = [(24, 24), (40, 8), (48, 0), (0, 31, 17)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    make_devices()
    folder = tmp_path_factory.mktemp("workers")
    write_data(folder)
    return folder


@pytest.fixture(scope="module")
def batches(folder):
    pipeline = pipeline_of(folder)
    with TrainingInput(pipeline, Ranker(pipeline), None).feed as feed:
        return [next(feed).rows for _ in range(NUM_STEPS)]


def parts_of(rows, split):
    """Returns the rows that each worker has of a batch."""
    ends = np.cumsum(split)
    return [rows.slice(int(end - count), count) for end, count in zip(ends, split)]


class Run:
    """A training of a step for each batch; several workers have a part of each of them."""

    def __init__(self, pipeline, batches, peers=ONE, flags=None, are_dealt_out=False, is_ahead=False):
        ranker = Ranker(pipeline, peers if are_dealt_out else ONE)
        descent = make_descent(pipeline, ranker)
        tables = list(ranker.embeddings.variables_by_width.values())
        settings, step = pipeline.train_config, tf.Variable(0, dtype=tf.int64)
        optimizers = Optimizers(settings.optimizer_config, tables, [*ranker.dense_variables, *descent.trained])
        signature = batch_signature(to_tensors(batches[0]))
        train_step = make_train_step(
            ranker, optimizers, step, settings, tf.float32, signature, descent, peers, is_ahead
        )
        if flags is not None:
            peers.flags.assign(flags)
        rates = np.array(optimizers.learning_rates(0), np.float32)
        self.values = [StepValues.of(train_step(to_tensors(rows), rates)) for rows in batches]
        self.before = train_step.answer_before() if is_ahead else None
        self.step = int(step)
        self.weights = {name: parameter.read().numpy() for name, parameter in ranker.parameters.items()}
        for name, table in ranker.embeddings.parameters().items():
            slots = optimizers.slots_of(table.variable)
            self.weights |= {f"{name}/{slot}": table.read(variable).numpy() for slot, variable in slots.items()}
        self.tables = ranker.embeddings.parameters()

    def losses(self):
        return [{name: float(loss) for name, loss in one.losses.items()} for one in self.values]


def pipeline_of(folder, *overrides):
    return small_config(folder, *SMOOTH, *overrides).pipeline


def run_together(pipeline, batches, split, flags=None, is_ahead=False):
    parts = list(zip(*(parts_of(rows, split) for rows in batches)))

    def work(workers):
        own_flags = None if flags is None else flags[workers.index]
        return Run(pipeline, parts[workers.index], workers, own_flags, is_ahead=is_ahead)

    return together(len(split), work)


def assert_same_bytes(runs):
    for run in runs[1:]:
        for name, value in run.weights.items():
            assert value.tobytes() == runs[0].weights[name].tobytes(), name
        assert run.losses() == runs[0].losses()


OVERRIDES = {
    "plain": (),
    "embedding_regularization": ("model_config.embedding_regularization=0.01",),
    "clipping": ("train_config.gradient_clipping_by_norm=0.3",),
    "sum": ("model_config.loss_reduction=SUM", "train_config.gradient_clipping_by_norm=1"),
    "all rows": ("model_config.loss_reduction=BATCH_MEAN",),
    "f1": ("model_config.mmoe.task_towers[0].loss_type=F1_REWEIGHTED_LOSS",),
    "uncertainty": ("train_config.task_balancing.uncertainty={}",),
    "pcgrad": ("train_config.task_balancing.pcgrad={}",),
    "frozen": ('train_config.freeze_gradient=["item_embedding"]',),
}


def assert_as_one(one, runs):
    assert_same_bytes(runs)
    for weight, value in runs[0].weights.items():
        of_slots = 1e-5 if "Momentum" in weight else 0
        np.testing.assert_allclose(value, one.weights[weight], rtol=of_slots, atol=1e-6, err_msg=weight)
    for found, wanted in zip(runs[0].losses(), one.losses()):
        assert found == pytest.approx(wanted, rel=1e-5, abs=1e-6)


@pytest.mark.slow
def test_two_workers_make_the_traced_step_of_one(folder, batches):
    pipeline = pipeline_of(folder)
    assert_as_one(Run(pipeline, batches), run_together(pipeline, batches, (30, 18)))


@pytest.mark.parametrize("name", OVERRIDES)
def test_two_workers_make_the_step_of_one(folder, batches, name, op_by_op):
    pipeline, some = pipeline_of(folder, *OVERRIDES[name]), batches[:3]
    assert_as_one(Run(pipeline, some), run_together(pipeline, some, (30, 18)))


@pytest.mark.parametrize("split", SPLITS)
def test_rows_may_lie_anywhere(folder, batches, split, op_by_op):
    pipeline, some = pipeline_of(folder), batches[:2]
    assert_as_one(Run(pipeline, some), run_together(pipeline, some, split))


OWN_STATISTICS = "train_config.sync_batch_norm=false"
DROPPING = "model_config.mmoe.expert_dnn={hidden_units: [8, 6] dropout_ratio: [0.3, 0.3]}"


@pytest.mark.parametrize("split", [(24, 24), (0, 48)])
def test_workers_stay_the_same_whatever_they_have_seen(folder, batches, split, op_by_op):
    runs = run_together(pipeline_of(folder, OWN_STATISTICS, DROPPING), batches[:3], split)
    assert_same_bytes(runs)
    assert all(np.isfinite(value).all() for value in runs[0].weights.values()) and runs[0].step == 3


def test_moving_statistics_are_the_mean_of_the_workers_by_their_rows(folder, batches, op_by_op):
    pipeline = pipeline_of(folder, OWN_STATISTICS)
    runs = run_together(pipeline, batches[:1], (36, 12))
    alone = [Run(pipeline, [rows]) for rows in parts_of(batches[0], (36, 12))]
    name = "mmoe/expert_0/dnn_0/bn/moving_mean"
    wanted = 0.75 * alone[0].weights[name] + 0.25 * alone[1].weights[name]
    np.testing.assert_allclose(runs[0].weights[name], wanted, atol=1e-7)
    assert runs[0].weights["mmoe/expert_0/dnn_0/bn/count"].tolist() == [1]


def test_workers_drop_values_of_their_own(folder, batches, op_by_op):
    pipeline, rows = pipeline_of(folder, DROPPING), batches[0].slice(0, 24)
    alone = Run(pipeline, [rows]).losses()
    both = together(2, lambda workers: Run(pipeline, [rows], workers))
    assert both[0].losses() == both[1].losses() and both[0].losses() != alone
    none_dropped = pipeline_of(folder)
    both = together(2, lambda workers: Run(none_dropped, [rows], workers))
    assert both[0].losses()[0] == pytest.approx(Run(none_dropped, [rows]).losses()[0], rel=1e-5)


def test_a_step_without_any_row_is_not_made(folder, batches, op_by_op):
    parts = [[batches[0].slice(0, 0)] * 2, [batches[0], batches[0].slice(0, 0)]]
    pipeline = pipeline_of(folder)
    runs = together(2, lambda workers: Run(pipeline, parts[workers.index], workers))
    answers = [Answer.of(one.answer) for one in runs[1].values]
    assert [(one.num_rows, one.is_refused) for one in answers] == [(48, False), (0, False)]
    assert [run.step for run in runs] == [1, 1]
    once = together(2, lambda workers: Run(pipeline, parts[workers.index][:1], workers))
    assert_same_bytes([Weights(runs[0].weights), Weights(once[0].weights)])


class Weights:
    """Weights alone, to be compared."""

    def __init__(self, weights):
        self.weights = weights

    def losses(self):
        return None


def test_a_number_that_is_not_finite_refuses_the_step_of_all(folder, batches, op_by_op):
    rows = batches[0].slice(0, 48)
    numbers = np.array(rows["numbers"])
    numbers[40, 0] = np.inf
    rows.columns["numbers"] = numbers
    runs = run_together(pipeline_of(folder), [rows], (24, 24))
    assert [run.step for run in runs] == [0, 0] and all(np.isnan(run.losses()[0]["loss"]) for run in runs)


def test_all_workers_see_the_flags_that_any_of_them_raises(folder, batches, op_by_op):
    flags = [np.eye(NUM_FLAGS, dtype=np.float32)[flag] for flag in (SAVES, STOPS)]
    runs = run_together(pipeline_of(folder), batches[:1], (24, 24), flags)
    assert [Answer.of(run.values[0].answer).flags.tolist() for run in runs] == [[True, True, False]] * 2


def test_workers_that_are_a_step_ahead_make_the_same_steps_and_refuse_the_same(folder, batches, op_by_op):
    pipeline, some = pipeline_of(folder), batches[:2]
    flags = [np.eye(NUM_FLAGS, dtype=np.float32)[flag] for flag in (SAVES, STOPS)]
    waiting, ahead = (run_together(pipeline, some, (30, 18), flags, is_ahead) for is_ahead in (False, True))
    assert_same_bytes([*waiting, *ahead])
    for run in ahead:
        before = run.before
        assert (before.is_refused, before.num_rows, before.flags.tolist()) == (False, 48, [True, True, False])
    bad = batches[0].slice(0, 48)
    numbers = np.array(bad["numbers"])
    numbers[40, 0] = np.inf
    bad.columns["numbers"] = numbers
    refused = run_together(pipeline, [bad, batches[1], batches[1]], (24, 24), is_ahead=True)
    assert [run.step for run in refused] == [0, 0]
    assert all(run.before.is_refused for run in refused)
