"""Checkpoints that workers write together beside their steps: the files of a training that waits, whole or none."""

import threading
import time

import numpy as np
import pytest

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.checkpoints.shards import OwnPart
from easymtl.checkpoints.stored_tensors import ROWS, VALUES, StoredTensors
from easymtl.errors import UserError
from easymtl.features import machine_memory, memory
from easymtl.features.machine_memory import Limit
from easymtl.peers.signs import Signs
from easymtl.training import events
from easymtl.training.trainer import Trainer
from tests.peers.threads import make_devices, together
from tests.training.small_runs import of_kind, small_config, write_data

TABLES = (
    "feature_config.features[0].hash_bucket_size=400",
    "train_config.table_sharding=SHARDED",
    "train_config.optimizer_config[0].use_moving_average=true",
    "eval_input_path=",
    "data_config.batch_size=4",
    "train_config.save_checkpoints_steps=1",
    "train_config.num_steps=5",
)
DELTAS = "train_config.checkpoint_deltas={ full_every: 3 min_table_bytes: 0 }"
WAITING = "train_config.save_asynchronously=false"
ITEMS = "input_layer/item_embedding/embedding_weights"
pytestmark = pytest.mark.usefixtures("op_by_op")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    make_devices()
    folder = tmp_path_factory.mktemp("saving")
    write_data(folder)
    return folder


def train(folder, name, *overrides, size=2, listens=(), stops=lambda: False):
    """Returns what each worker was told; `listens` are called with the index of the worker and what it is told."""
    config = small_config(folder, *TABLES, f"model_dir={folder / name}", *overrides)

    def work(workers):
        told = []

        def listen(event):
            told.append(event)
            for one in listens:
                one(workers.index, event)

        Trainer(config, listen, stops, peers=workers).run()
        return told

    return together(size, work)


def checkpoints(folder, name):
    return CheckpointFolder(folder / name).all()


def files(folder, name):
    place = folder / name / "checkpoints"
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def tensors(checkpoint):
    checkpoint.check()
    stored = StoredTensors(checkpoint.path)
    return {name: stored.read(name) for name in stored.shapes}


def assert_same(found, wanted):
    assert found.keys() == wanted.keys() and len(found) > 20
    for name, value in wanted.items():
        assert found[name].dtype == value.dtype and found[name].tobytes() == value.tobytes(), name


@pytest.fixture(scope="module")
def full(folder, op_by_op):
    """A training whose steps wait for full checkpoints."""
    train(folder, "full", WAITING)
    return [tensors(checkpoint) for checkpoint in checkpoints(folder, "full")]


@pytest.fixture(scope="module")
def deltas(folder, op_by_op):
    return train(folder, "deltas", DELTAS)


@pytest.mark.slow
def test_deltas_of_parts_hold_what_full_checkpoints_do(folder, full, deltas):
    found = checkpoints(folder, "deltas")
    assert ["delta" in one.state() for one in found] == [False, True, True, False, True]
    for one, wanted in zip(found, full, strict=True):
        assert_same(tensors(one), wanted)
    assert [[event.step for event in of_kind(told, events.Saved)] for told in deltas] == [[1, 2, 3, 4, 5]] * 2
    assert not [event for event in of_kind(deltas[0], events.Note) if "checkpoint_deltas" in event.text]


@pytest.mark.slow
def test_a_delta_has_the_changed_rows_of_all_workers_and_no_other(folder, full, deltas):
    stored = StoredTensors(checkpoints(folder, "deltas")[2].path)
    changed = np.flatnonzero((full[0][ITEMS] != full[2][ITEMS]).any(axis=1))
    np.testing.assert_array_equal(stored.changed_rows(ITEMS), changed)
    assert len({row // 64 % 2 for row in changed}) == 2, "each worker has some"
    assert len(changed) <= 16, "of two steps of two times four rows"
    own = StoredTensors(checkpoints(folder, "deltas")[2].path)._own.get_variable_to_shape_map()
    for slot in ("", "/Adam", "/Adam_1", "/ExponentialMovingAverage"):
        assert own[f"{VALUES}{ITEMS}{slot}"] == [len(changed), 4] and f"{ITEMS}{slot}" not in own
    assert own[f"{ROWS}{ITEMS}"] == [len(changed)]


@pytest.mark.slow
@pytest.mark.parametrize("overrides", [(), (DELTAS,)], ids=["full", "deltas"])
def test_the_files_are_those_of_a_training_that_waits(folder, overrides):
    for name, waiting in (("beside", ()), ("waiting", (WAITING,))):
        train(folder, f"{name}{len(overrides)}", *overrides, *waiting)
    beside, waiting = (files(folder, f"{name}{len(overrides)}") for name in ("beside", "waiting"))
    assert beside.keys() == waiting.keys() and len(beside) > 10
    for name, content in beside.items():
        assert content == waiting[name], name


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2, 3])
def test_any_number_of_workers_goes_on_from_a_delta_of_two(folder, full, size):
    name = f"on_{size}"
    train(folder, name, DELTAS, "train_config.num_steps=3")
    train(folder, name, DELTAS, "train_config.num_steps=4", "train_config.checkpoint_deltas.full_every=9", size=size)
    [*_, before, after] = [tensors(checkpoint) for checkpoint in checkpoints(folder, name)]
    assert_same(before, full[2])
    latest = checkpoints(folder, name)[-1]
    assert latest.step == 4 and "delta" in latest.state(), "what had changed before is known"
    rows = StoredTensors(latest.path).changed_rows(ITEMS)
    np.testing.assert_array_equal(rows, np.flatnonzero((full[0][ITEMS] != after[ITEMS]).any(axis=1)))
    if size == 2:
        assert_same(after, full[3])


class Gate:
    """Holds up what one worker writes, or what the chief publishes, until it is opened."""

    def __init__(self, monkeypatch, place, name, is_held):
        self._open = threading.Event()
        work = getattr(place, name)

        def held(one, *arguments, **named):
            assert not is_held(one) or self._open.wait(60)
            return work(one, *arguments, **named)

        monkeypatch.setattr(place, name, held)

    def opens_at(self, step):
        def listen(index, event):
            # Of the worker that is looked at: another one may be ahead of it.
            if index == 0 and isinstance(event, events.Progress) and event.step == step:
                self._open.set()

        return listen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "name", "is_held"),
    [
        (OwnPart, "write", lambda part: part._index == 1),
        (OwnPart, "write", lambda part: part._index == 0),
        (CheckpointFolder, "save", lambda folder: True),
    ],
    ids=["another worker", "the chief", "publishing"],
)
def test_steps_go_on_while_a_worker_writes(folder, full, monkeypatch, request, place, name, is_held):
    gate, seen = Gate(monkeypatch, place, name, is_held), []
    model = f"held_{request.node.callspec.id.replace(' ', '_')}"

    def look(index, event):
        if isinstance(event, events.Progress) and index == 0:
            seen.append((event.step, [checkpoint.step for checkpoint in checkpoints(folder, model)]))

    steps = ("train_config.save_checkpoints_steps=2", "train_config.log_step_count_steps=1")
    # The parts may be merged behind step 3, and what comes of it published behind step 4.
    train(folder, model, *steps, "train_config.num_steps=4", listens=(look, gate.opens_at(4)))
    assert seen == [(1, []), (2, []), (3, []), (4, [])]
    second, fourth = checkpoints(folder, model)
    assert_same(tensors(second), full[1])
    assert_same(tensors(fourth), full[3])


@pytest.mark.slow
def test_a_stage_ends_behind_the_step_before_which_all_are_done(folder):
    steps = ("train_config.save_checkpoints_steps=2", "train_config.log_step_count_steps=1")
    config = small_config(folder, *TABLES, f"model_dir={folder / 'stages'}", *steps, "train_config.num_steps=4")

    def work(workers):
        told, trainers = [], []

        def listen(event):
            told.append(event)
            # What a thread does is done before the next step.
            while trainers and trainers[0]._checkpoints._saving._thread.is_busy:
                time.sleep(0.005)

        trainers.append(Trainer(config, listen, peers=workers))
        trainers[0].run()
        return [(type(one), one.step) for one in told if isinstance(one, (events.Saved, events.Progress))]

    for order in together(2, work):
        assert order.index((events.Progress, 3)) < order.index((events.Saved, 2)) < order.index((events.Progress, 4))


def test_what_a_worker_cannot_write_ends_all_with_one_message_and_earlier_ones_stay(folder, monkeypatch):
    train(folder, "failing", "train_config.num_steps=1")
    write = OwnPart.write

    def fail(part, path):
        if part._index == 1 and "000000002" in path.name:
            raise OSError(28, "No space left on device")
        return write(part, path)

    monkeypatch.setattr(OwnPart, "write", fail)
    config = small_config(folder, *TABLES, f"model_dir={folder / 'failing'}", "train_config.save_checkpoints_steps=2")

    def work(workers):
        with pytest.raises(UserError, match="step-000000002: the checkpoint could not be written: worker 1: No space"):
            Trainer(config, lambda event: None, peers=workers).run()

    together(2, work)
    assert [path.name for path in (folder / "failing" / "checkpoints").iterdir()] == ["step-000000001"]


@pytest.mark.slow
def test_workers_that_are_told_to_stop_wait_for_what_is_being_written(folder, full, monkeypatch):
    gate, is_stopped = Gate(monkeypatch, OwnPart, "write", lambda part: part._index == 1), threading.Event()

    def stop(index, event):
        if isinstance(event, events.Progress) and event.step == 2:
            is_stopped.set()
            threading.Timer(0.5, gate._open.set).start()

    told = train(folder, "stopped", "train_config.save_checkpoints_steps=2", listens=(stop,), stops=is_stopped.is_set)
    saved = checkpoints(folder, "stopped")
    assert [checkpoint.step for checkpoint in saved] == [event.step for event in of_kind(told[1], events.Saved)]
    assert len(saved) == 2 and saved[0].step == 2 and saved[1].state()["is_interim"]
    for checkpoint in saved:
        assert_same(tensors(checkpoint), full[checkpoint.step - 1])


@pytest.mark.slow
def test_an_evaluation_that_was_put_off_is_told_in_the_checkpoint_that_is_there(folder):
    options = (DELTAS, f"eval_input_path={folder / 'eval.csv'}", "train_config.num_steps=3")
    is_stopped = threading.Event()

    def stop(index, event):
        if isinstance(event, events.Phase) and (event.name, event.detail) == ("evaluating", "step 2"):
            is_stopped.set()

    train(folder, "owes", *options, listens=(stop,), stops=is_stopped.is_set)
    latest = checkpoints(folder, "owes")[-1]
    assert latest.step == 2 and latest.state()["owes_evaluation"]
    train(folder, "owes", *options)
    train(folder, "owes_none", *options)
    assert files(folder, "owes") == files(folder, "owes_none")


def test_who_reads_a_checkpoint_gives_signs_of_life(folder, monkeypatch):
    train(folder, "alive", "train_config.num_steps=1")
    monkeypatch.setattr("easymtl.checkpoints.integrity._BYTES", 100)

    class Ticks(Signs):
        def __init__(self):
            self.number = 0

        def tick(self):
            self.number += 1

    config = small_config(folder, *TABLES, f"model_dir={folder / 'alive'}")

    def work(workers):
        workers.signs = Ticks()
        trainer = Trainer(config, lambda event: None, peers=workers)
        return trainer.step, workers.signs.number

    [(first, of_chief), (second, of_other)] = together(2, work)
    # More than a hundred tensors are read by each, and the chief compares the files with what was written.
    assert first == second == 1 and of_other > 100 and of_chief > of_other + 100


def test_a_copy_that_has_no_room_beside_the_training_of_each_is_not_made(folder, monkeypatch):
    config = small_config(folder, *TABLES, f"model_dir={folder / 'no_room'}").pipeline
    needs = memory.needs_of_training(config).of_each(2).with_saving()
    monkeypatch.setattr(machine_memory, "least_limit", lambda num_sharing: Limit(needs.total - 1))
    told = train(folder, "no_room", "train_config.num_steps=1")
    for one in told:
        [note] = [event.text for event in of_kind(one, events.Note) if "Steps wait" in event.text]
        assert "a copy of tables and slots" in note
    room = machine_memory.Room(needs.total, num_sharing=2)
    assert memory.why_saving_waits(config, 2, room) == ""
    assert memory.why_saving_waits(config, 1, room).endswith("to each of 2 workers of this machine.")
