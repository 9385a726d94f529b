"""Steps that are begun before the host knows what the one before has come to leave the same bytes behind."""

import json

import numpy as np
import pytest
import tensorflow as tf

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.errors import UserError
from easymtl.features.encoder import batch_signature, to_tensors
from easymtl.tasks.ranker import Ranker
from easymtl.training import devices, events, placed_batches
from easymtl.training.answers import Answer
from easymtl.training.balancing.choice import make_descent
from easymtl.training.inputs import TrainingInput
from easymtl.training.optimizers import Optimizers
from easymtl.training.placed_batches import PlacedBatch
from easymtl.training.step import make_train_step
from easymtl.training.trainer import Trainer
from tests.tracing import traced
from tests.training.growing_runs import growing_config
from tests.training.small_runs import of_kind, small_config, write_data
from tests.training.test_bad_batches import IN_ORDER, NO_EVALUATION, ROLLBACK, SKIP, state, weights, write

pytestmark = pytest.mark.usefixtures("op_by_op")

_FIRST = "train_config.optimizer_config[0]="
_RATE = "learning_rate { constant_learning_rate { learning_rate: 0.05 } }"
_AVERAGE = "use_moving_average: true moving_average_decay: 0.9"
OPTIMIZERS = {
    "adam": f"{{adam_optimizer {{ {_RATE} }} {_AVERAGE}}}",
    "all rows": f"{{adam_optimizer {{ {_RATE} dense_embedding_update: true }} {_AVERAGE}}}",
    "decay": f"{{adamw_optimizer {{ {_RATE} weight_decay: 0.01 }}}}",
    "momentum": f"{{momentum_optimizer {{ {_RATE} }}}}",
    "rms": f"{{rms_prop_optimizer {{ {_RATE} }}}}",
    "adagrad": f"{{adagrad_optimizer {{ {_RATE} initial_accumulator_value: 0.1 }}}}",
    "ftrl": f"{{ftrl_optimizer {{ {_RATE} }}}}",
}


def some_slow(names, *fast):
    """Returns parameters, of which all but some are slow."""
    return [name if name in fast else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ahead")
    write_data(folder)
    return folder


@pytest.fixture
def gpu(monkeypatch):
    """Has trainings take the processor for a GPU."""
    monkeypatch.setattr(devices, "has_gpu", lambda: True)
    monkeypatch.setattr(placed_batches, "GPU", "/CPU:0")


class Steps:
    """Steps of a small model, with all that they move."""

    def __init__(self, folder, is_ahead, *overrides):
        pipeline = small_config(folder, *overrides).pipeline
        ranker = Ranker(pipeline)
        descent = make_descent(pipeline, ranker)
        with TrainingInput(pipeline, ranker, None).feed as feed:
            self.batches = [to_tensors(next(feed).rows) for _ in range(3)]
        settings, self.count = pipeline.train_config, tf.Variable(0, dtype=tf.int64)
        tables = list(ranker.embeddings.variables_by_width.values())
        optimizers = Optimizers(settings.optimizer_config, tables, [*ranker.dense_variables, *descent.trained])
        signature = batch_signature(self.batches[0])
        self.run = make_train_step(
            ranker, optimizers, self.count, settings, tf.float32, signature, descent, is_ahead=is_ahead
        )
        variables = [*ranker.variables, *optimizers.variables, *descent.variables, self.count]
        self.variables = list({id(variable): variable for variable in variables}.values())

    def step(self, number, made, **columns):
        return self.run({**self.batches[number], **columns}, np.full(2, 0.05, np.float32), made)

    def values(self):
        return [variable.numpy() for variable in self.variables]


def bad_label(steps, number):
    numbers = steps.batches[number]["numbers"].copy()
    numbers[0, 0] = np.inf
    return numbers


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("optimizer", some_slow(OPTIMIZERS, "adam", "ftrl"))
def test_a_step_moves_what_it_moves_otherwise_and_nothing_where_it_is_refused(folder, optimizer):
    overrides = (_FIRST + OPTIMIZERS[optimizer], 'train_config.freeze_gradient=["tags_embedding"]')
    plain, ahead = (Steps(folder, is_ahead, *overrides) for is_ahead in (False, True))
    for number in range(2):
        losses = [float(steps.step(number, number)["loss"]) for steps in (plain, ahead)]
        assert losses[0] == losses[1]
    assert_same(ahead.values(), plain.values())
    before = ahead.values()
    refused = ahead.step(2, 2, numbers=bad_label(ahead, 2))
    assert np.isnan(refused["loss"]) and Answer.of(refused["answer"]).is_refused
    # What follows moves nothing either, until the host says that it knows.
    behind = ahead.step(1, 3)
    assert ahead.run.answer_before().is_refused and Answer.of(behind["answer"]).is_refused
    assert np.isnan(behind["loss"])
    assert_same(ahead.values(), before)
    ahead.run.go_on()
    last = ahead.step(2, 2)
    plain.step(2, 2)
    assert Answer.of(last["answer"]) == ahead.run.answer_before() == Answer(False)
    assert_same(ahead.values(), plain.values())


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dwa { window_steps: 2 }", "nash_mtl { update_every: 2 }"])
def test_no_method_of_balancing_remembers_a_refused_step(folder, method):
    plain, ahead = (
        Steps(folder, is_ahead, f"train_config.task_balancing={{ {method} }}") for is_ahead in (False, True)
    )
    for number in range(2):
        plain.step(number, number), ahead.step(number, number)
    before = ahead.values()
    ahead.step(2, 2, numbers=bad_label(ahead, 2))
    assert_same(ahead.values(), before)
    ahead.run.go_on()
    plain.step(2, 2), ahead.step(2, 2)
    assert_same(ahead.values(), plain.values())


@pytest.mark.slow
def test_a_traced_step_moves_what_it_moves_otherwise(folder):
    with traced():
        plain, ahead = (Steps(folder, is_ahead) for is_ahead in (False, True))
        for number in range(3):
            for steps in (plain, ahead):
                steps.step(number, number)
    assert_same(ahead.values(), plain.values())


def run(folder, model, *overrides, until=None):
    """Returns what was told by a training, which is told to stop when it has told of a step."""
    told = []
    config = small_config(folder, f"model_dir={folder}/{model}", *overrides)
    Trainer(config, told.append, lambda: until is not None and until in steps_of(told)).run()
    return told


def steps_of(told):
    return [event.step for event in of_kind(told, events.Progress)]


def progress(told):
    kept = [(event.step, event.share, event.losses, event.learning_rates) for event in of_kind(told, events.Progress)]
    saved = [(event.step, event.path.name) for event in of_kind(told, events.Saved)]
    return kept, saved, [(event.step, event.metrics) for event in of_kind(told, events.Evaluated)]


def require_same(folder, one, other):
    expected, found = weights(folder / one), weights(folder / other)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].tobytes() == value.tobytes(), name
    assert state(folder / one) == state(folder / other)


LENGTHS = {
    "steps": (),
    "epochs": ("train_config.num_steps=0", "data_config.num_epochs=2", "data_config.batch_size=64"),
    "solved every other step": ("train_config.task_balancing.nash_mtl.update_every=2",),
}


@pytest.mark.parametrize("length", some_slow(LENGTHS, "steps"))
def test_a_training_ahead_is_the_one_that_waits(folder, request, length):
    waiting = run(folder, f"{length}-waiting", *LENGTHS[length])
    request.getfixturevalue("gpu")
    ahead = run(folder, f"{length}-ahead", *LENGTHS[length])
    assert progress(ahead) == progress(waiting)
    require_same(folder, f"{length}-waiting", f"{length}-ahead")


@pytest.mark.parametrize("policy", some_slow([SKIP, ROLLBACK], SKIP))
def test_bad_batches_are_met_as_by_one_that_waits(tmp_path, request, policy):
    # Two in a row, one at a step behind which a checkpoint is due, one at the end.
    write(tmp_path, bad_batches=[2, 3, 6, 9], num_batches=9)
    options = (IN_ORDER, policy, NO_EVALUATION, "train_config.num_steps=0", "data_config.num_epochs=1")
    waiting = run(tmp_path, "waiting", *options)
    request.getfixturevalue("gpu")
    ahead = run(tmp_path, "ahead", *options)
    assert progress(ahead)[:2] == progress(waiting)[:2]
    require_same(tmp_path, "waiting", "ahead")
    kept = [sorted(path.name for path in (tmp_path / name).glob("bad_batch*")) for name in ("waiting", "ahead")]
    assert kept[0] == kept[1] and len(kept[0]) == 4
    warnings = [[e.text for e in of_kind(told, events.Note) if "was not made" in e.text] for told in (waiting, ahead)]
    assert warnings[1] == [text.replace("/waiting/", "/ahead/") for text in warnings[0]]


def test_a_bad_batch_that_ends_a_training_is_named_and_kept(tmp_path, gpu):
    write(tmp_path, bad_batches=[2])
    with pytest.raises(UserError, match=r"(?s)Step 2: .* not finite.*from row 33 on.*row 4 of the batch"):
        run(tmp_path, "ahead", IN_ORDER, NO_EVALUATION)
    [kept] = (tmp_path / "ahead").glob("bad_batch*")
    assert kept.name == "bad_batch-2.parquet"


def test_a_training_that_is_stopped_goes_on_as_if_it_had_not_been(folder, request):
    run(folder, "whole", "train_config.num_steps=9")
    request.getfixturevalue("gpu")
    for until in (2, 4):
        told = run(folder, "parts", "train_config.num_steps=9", until=until)
        # The step that was begun when it was told to stop is made and saved.
        assert steps_of(told)[-1] == CheckpointFolder(folder / "parts").latest().step == until + 1
    run(folder, "parts", "train_config.num_steps=9")
    require_same(folder, "whole", "parts")


def test_a_row_that_cannot_be_read_takes_no_step_before_it_away(folder, gpu, monkeypatch):
    read, batches = TrainingInput.next, iter([True, True, False])

    def next_of(source, peers):
        if not next(batches):
            raise UserError("train.csv:70: no number")
        return read(source, peers)

    monkeypatch.setattr(TrainingInput, "next", next_of)
    told, config = [], small_config(folder, NO_EVALUATION, f"model_dir={folder}/unread")
    with pytest.raises(UserError, match=r"train\.csv:70"):
        Trainer(config, told.append).run()
    assert steps_of(told) == [1, 2]


def test_growing_tables_have_the_host_wait_for_each_step(folder, tmp_path, gpu):
    assert not devices.runs_ahead(Ranker(growing_config(tmp_path).pipeline))
    assert devices.runs_ahead(Ranker(small_config(folder).pipeline))


def test_numbers_are_placed_and_ids_are_not(folder, gpu):
    pipeline = small_config(folder).pipeline
    with TrainingInput(pipeline, Ranker(pipeline), None).feed as feed:
        batch = next(feed)
        assert isinstance(batch, PlacedBatch)
        assert (feed.cursor, feed.progress) == (batch.cursor, batch.progress)
    kinds = {name: tf.is_tensor(tensor) for name, tensor in batch.tensors.items()}
    assert [name for name, is_placed in kinds.items() if is_placed] == ["dense", "numbers"]
    expected = to_tensors(batch.rows)
    assert kinds.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(batch.tensors[name], value, err_msg=name)


def test_tables_on_the_host_are_trained_as_others(folder):
    run(folder, "anywhere")
    run(folder, "host", "feature_config.embedding_on_cpu=true")
    one, other = (weights(folder / name) for name in ("anywhere", "host"))
    for name, value in one.items():
        assert other[name].tobytes() == value.tobytes(), name
    states = [json.dumps(state(folder / name)["metrics"]) for name in ("anywhere", "host")]
    assert states[0] == states[1]
