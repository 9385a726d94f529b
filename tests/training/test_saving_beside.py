"""Checkpoints that are written while steps go on: the same files, in the same order, and nothing half done anywhere."""

import threading
import time

import pytest

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.checkpoints.shards import CopiedWeights
from easymtl.errors import UserError
from easymtl.features import machine_memory, memory
from easymtl.features.machine_memory import Limit
from easymtl.training import events
from easymtl.training.trainer import Trainer
from tests.training.small_runs import of_kind, small_config, train, write_data

pytestmark = pytest.mark.usefixtures("op_by_op")

NO_EVALUATION = "eval_input_path="
WAITING = "train_config.save_asynchronously=false"


@pytest.fixture
def folder(tmp_path):
    write_data(tmp_path)
    return tmp_path


def contents(model_dir) -> dict[str, bytes]:
    return {str(path.relative_to(model_dir)): path.read_bytes() for path in sorted(model_dir.glob("checkpoints/*/*"))}


def steps(folder) -> list[int]:
    return [checkpoint.step for checkpoint in CheckpointFolder(folder / "model").all()]


class Gate:
    """Holds the writing of copies up until it is opened; what waits for the end of one opens it, after a while."""

    def __init__(self, monkeypatch, seconds: float = 30.0):
        self._open = threading.Event()
        write = CopiedWeights.write

        def held(copy, path):
            self.is_entered = True
            assert self._open.wait(seconds)
            return write(copy, path)

        self.is_entered = False
        monkeypatch.setattr(CopiedWeights, "write", held)

    def open(self) -> None:
        self._open.set()


@pytest.mark.slow
def test_the_files_are_those_of_a_training_that_waits(folder):
    told = []
    for name, overrides in (("model", ()), ("waiting", (WAITING,))):
        told.append(train(folder, f"model_dir={folder}/{name}", *overrides)[1])
    beside, waiting = contents(folder / "model"), contents(folder / "waiting")
    assert beside == waiting
    assert {name.split("/")[1] for name in beside} == {"step-000000003", "step-000000006"}
    kinds = (events.Evaluated, events.Saved)
    # Whatever the threads did: what is told of a checkpoint comes before what is told of the next one.
    orders = [[(type(event), event.step) for event in one if isinstance(event, kinds)] for one in told]
    assert orders[0] == orders[1] == [(kind, step) for step in (3, 6) for kind in kinds]


@pytest.mark.slow
def test_steps_go_on_while_a_checkpoint_is_written_with_the_weights_of_its_step(folder, monkeypatch):
    gate, seen = Gate(monkeypatch), []

    def listen(event):
        if isinstance(event, events.Progress):
            seen.append((event.step, steps(folder)))
            if event.step == 5:
                gate.open()

    Trainer(small_config(folder), listen).run()
    assert seen[:5] == [(step, []) for step in range(1, 6)]
    train(folder, f"model_dir={folder}/waiting", WAITING)
    assert contents(folder / "model") == contents(folder / "waiting")


def test_a_checkpoint_is_told_as_soon_as_a_step_finds_it(folder):
    told = []

    def listen(event):
        told.append(event)
        if isinstance(event, events.Progress) and event.step == 4:
            while not steps(folder):
                time.sleep(0.01)
            # It is published; the thread still removes old ones.
            time.sleep(0.2)

    Trainer(small_config(folder, NO_EVALUATION), listen).run()
    kinds = [(type(event), event.step) for event in told if isinstance(event, (events.Saved, events.Progress))]
    assert kinds.index((events.Saved, 3)) < kinds.index((events.Progress, 5))


@pytest.mark.parametrize("last", [6, 3], ids=["a later step", "the last step"])
def test_what_cannot_be_written_ends_the_training_with_the_message_that_it_always_had(folder, monkeypatch, last):
    train(folder, NO_EVALUATION, "train_config.num_steps=2")
    limit = f"train_config.num_steps={last}"

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(CopiedWeights, "write", fail)
        message = r"step-000000003: the checkpoint could not be written: No space left on device"
        with pytest.raises(UserError, match=message):
            train(folder, NO_EVALUATION, limit)
    assert [path.name for path in (folder / "model" / "checkpoints").iterdir()] == ["step-000000002"]
    result, _ = train(folder, NO_EVALUATION, limit)
    assert result.checkpoint.step == last


@pytest.mark.slow
def test_a_training_that_is_told_to_stop_waits_for_what_is_being_written(folder, monkeypatch):
    gate, told, is_stopped = Gate(monkeypatch), [], threading.Event()

    def listen(event):
        told.append(event)
        if isinstance(event, events.Progress) and event.step == 4:
            is_stopped.set()
            threading.Timer(0.5, gate.open).start()

    result = Trainer(small_config(folder), listen, is_stopped.is_set).run()
    assert gate.is_entered and result.is_stopped
    assert events.Phase("saving", "the checkpoint before") in told
    assert [(event.step, event.is_stopping) for event in of_kind(told, events.Saved)] == [(3, True), (4, True)]
    assert steps(folder) == [3, 4]
    for checkpoint in CheckpointFolder(folder / "model").all():
        checkpoint.check()
    train(folder)
    train(folder, f"model_dir={folder}/whole")
    assert contents(folder / "model") == contents(folder / "whole")


def test_a_training_that_breaks_off_leaves_the_checkpoint_that_was_being_written(folder, monkeypatch):
    gate = Gate(monkeypatch)

    def listen(event):
        if isinstance(event, events.Progress) and event.step == 4:
            threading.Timer(0.5, gate.open).start()
            raise RuntimeError("somebody else's fault")

    with pytest.raises(RuntimeError, match="somebody else's fault"):
        Trainer(small_config(folder, NO_EVALUATION), listen).run()
    [checkpoint] = CheckpointFolder(folder / "model").all()
    checkpoint.check()
    assert checkpoint.step == 3


def test_the_best_checkpoint_stays_until_a_better_one_is_written(folder, monkeypatch):
    """The evaluation of step 2 is better than that of step 1, and its checkpoint cannot be written."""
    better = iter([1.0, 2.0])
    monkeypatch.setattr("easymtl.training.best.Best.read", lambda *_: next(better))
    write = CopiedWeights.write

    def fail_at_two(copy, path):
        if "000000002" in path.name:
            raise OSError(28, "No space left on device")
        return write(copy, path)

    monkeypatch.setattr(CopiedWeights, "write", fail_at_two)
    with pytest.raises(UserError, match="step-000000002"):
        train(folder, "train_config.save_checkpoints_steps=1", "train_config.keep_checkpoint_max=1")
    assert steps(folder) == [1]


def test_a_copy_that_has_no_room_is_not_made_and_that_is_told_once(folder, monkeypatch):
    needs = memory.needs_of_training(small_config(folder).pipeline)
    monkeypatch.setattr(machine_memory, "least_limit", lambda **_: Limit(needs.total))
    monkeypatch.setattr(CopiedWeights, "__init__", None)
    _, told = train(folder, NO_EVALUATION)
    notes = [event.text for event in of_kind(told, events.Note) if "Steps wait" in event.text]
    assert len(notes) == 1
    assert "a copy of tables and slots to write from takes" in notes[0]
    assert steps(folder) == [3, 6]
    assert memory.memory_report(small_config(folder).pipeline).endswith(notes[0])


def test_room_for_a_copy_is_counted_with_all_that_is_copied(folder):
    adam = small_config(folder, "train_config.optimizer_config[0].use_moving_average=true").pipeline
    needs = memory.needs_of_training(adam)
    table = 60 * 4 * 4
    assert needs.with_saving().saved == table + 2 * table + (table + 60 * 8)
    assert needs.with_saving().total == needs.total + needs.with_saving().saved
    assert "a copy of" in memory.memory_report(adam)
    assert "a copy of" not in memory.memory_report(small_config(folder, WAITING).pipeline)
