"""The faults of `make faults` that take no process: stops, damage, locks, full disks."""

import errno
import os
import shutil
import signal

import pytest

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.checkpoints.lock import TrainingLock
from easymtl.checkpoints.publishing import sweep, write_text
from easymtl.errors import UserError
from easymtl.reporting.history import History
from easymtl.reporting.results import Results
from easymtl.reporting.tensorboard import Summaries
from easymtl.training import events
from easymtl.training.trainer import Trainer
from easymtl.verbs.stop_signals import StopSignals
from tests.faults.runs import differences, small_disk, state_of_training
from tests.training.small_runs import of_kind, small_config, train, write_data

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with data, and a finished training of six steps in `model`."""
    folder = tmp_path_factory.mktemp("faults")
    write_data(folder)
    train(folder)
    return folder


@pytest.fixture
def finished(folder, tmp_path):
    """Returns the override that names a copy of the finished training."""
    shutil.copytree(folder / "model", tmp_path / "model")
    return f"model_dir={tmp_path}/model"


@pytest.fixture(scope="module")
def half(folder):
    """The model_dir of a training of three steps, to be copied."""
    train(folder, f"model_dir={folder}/half", "train_config.num_steps=3")
    return folder / "half"


class Stop:
    """Says that it is time to stop when it is asked for the n-th time, and from then on."""

    def __init__(self, questions: int):
        self._left = questions

    def __call__(self) -> bool:
        self._left -= 1
        return self._left < 0


@pytest.mark.parametrize("questions", range(0, 12, 2))
def test_a_training_that_is_stopped_anywhere_goes_on_to_the_same_end(folder, questions):
    """Before a step, during an evaluation, behind the last step."""
    config = small_config(folder, f"model_dir={folder}/stopped-{questions}")
    first = Trainer(config, lambda event: None, Stop(questions)).run()
    assert first.is_stopped
    told: list[events.Event] = []
    second = Trainer(config, told.append).run()
    assert not second.is_stopped and second.step == 6
    assert not differences(state_of_training(folder / "model"), state_of_training(folder / f"stopped-{questions}"))


def test_what_a_run_that_was_killed_had_still_to_remove_goes_at_the_next(folder, tmp_path):
    """It had published its last checkpoint, so that no step is left, and had not removed the one of a stop."""
    steps = ("train_config.save_checkpoints_steps=2", "train_config.num_steps=4")
    shared = ("eval_input_path=", *steps, "train_config.keep_checkpoint_max=2")
    expected, killed = tmp_path / "expected", tmp_path / "killed"
    train(folder, *shared, f"model_dir={expected}")
    config = small_config(folder, *shared, f"model_dir={killed}")
    assert Trainer(config, lambda event: None, Stop(3)).run().step == 3
    shutil.copytree(killed / "checkpoints", tmp_path / "stopped")
    Trainer(config, lambda event: None).run()
    shutil.copytree(tmp_path / "stopped", killed / "checkpoints", dirs_exist_ok=True)
    assert [checkpoint.step for checkpoint in CheckpointFolder(killed).all()] == [2, 3, 4]
    assert Trainer(config, lambda event: None).run().step == 4
    assert not differences(state_of_training(expected), state_of_training(killed))


def test_a_training_that_stopped_early_is_not_trained_on(folder):
    overrides = (
        f"model_dir={folder}/stale",
        "train_config.save_checkpoints_steps=1",
        "train_config.num_steps=50",
        "export_config.enable_early_stop=true",
        "export_config.max_check_steps=2",
        "export_config.best_exporter_metric=loss",
        "train_config.optimizer_config[0].adam_optimizer.learning_rate.constant_learning_rate.learning_rate=0",
    )
    first, _ = train(folder, *overrides)
    again, told = train(folder, *overrides)
    assert again.step == first.step < 50
    assert not of_kind(told, events.Progress)


@pytest.mark.parametrize("name", ["weights.data-00000-of-00001", "weights.index", "state.json"])
@pytest.mark.parametrize("is_short", [True, False], ids=["short", "changed"])
def test_a_damaged_newest_checkpoint_is_told_kept_and_passed_over(folder, finished, tmp_path, name, is_short):
    path = tmp_path / "model" / "checkpoints" / "step-000000006" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content[: len(content) // 2] if is_short else content)
    result, told = train(folder, finished)
    assert result.step == 6
    texts = [note.text for note in of_kind(told, events.Note)]
    assert "Damaged checkpoint: " in texts[0] and name in texts[0]
    assert "Continuing from" in texts[1] and "step-000000003" in texts[1]
    assert (path.parents[1] / "damaged-step-000000006" / name).exists()


def test_when_all_checkpoints_are_damaged_nothing_is_touched(folder, tmp_path):
    override = f"model_dir={tmp_path}/model"
    train(folder, override, "train_config.num_steps=1")
    path = tmp_path / "model" / "checkpoints" / "step-000000001" / "weights.index"
    path.unlink()
    with pytest.raises(UserError, match=r"no checkpoint is whole .*weights\.index is missing.*model_dir="):
        train(folder, override)
    assert [entry.name for entry in path.parents[1].iterdir()] == ["step-000000001"]


def test_a_second_training_is_refused_with_the_process_of_the_first(tmp_path):
    with (
        TrainingLock(tmp_path),
        pytest.raises(UserError, match=f"process {os.getpid()} on .* trains since"),
        TrainingLock(tmp_path),
    ):
        pass
    with TrainingLock(tmp_path):
        pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_and_the_second_has_its_own_force(number, capfd):
    before = signal.getsignal(number)
    with StopSignals() as stop:
        assert not stop.is_received()
        os.kill(os.getpid(), number)
        assert stop.is_received() and stop.name == signal.Signals(number).name
        assert signal.getsignal(number) == signal.SIG_DFL
    assert signal.getsignal(number) == before
    assert "Once more ends at once" in capfd.readouterr().err


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_what_cannot_be_written_is_one_line_and_leaves_the_last_checkpoint(folder, half, tmp_path, monkeypatch, code):
    override = f"model_dir={tmp_path}/model"
    shutil.copytree(half, tmp_path / "model")
    flush = os.fsync

    def fail(descriptor: int) -> None:
        if "step-000000006" in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(code, os.strerror(code))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UserError, match=os.strerror(code)) as error:
        train(folder, override)
    assert len(str(error.value).splitlines()) == 1
    checkpoints = CheckpointFolder(tmp_path / "model")
    assert [path.name for path in checkpoints.path.iterdir()] == ["step-000000003"]
    checkpoints.latest().check()
    monkeypatch.undo()
    train(folder, override)
    assert not differences(state_of_training(folder / "model"), state_of_training(tmp_path / "model"))


def test_a_full_disk_is_one_line_wherever_it_is_met(tmp_path):
    with small_disk(tmp_path / "disk", "64k") as disk:
        if disk is None:
            pytest.skip("this user cannot mount a file system")
        write_text(disk / "eval_result.json", "{}\n")
        with pytest.raises(OSError, match="No space left"), (disk / "filler").open("wb") as file:
            file.write(b"x" * (128 << 10))
        history_begins = events.Started(0, None, {f"dense_{i}": 1 for i in range(500)}, "FLOAT32")
        event = events.Evaluated(1, {f"auc_{i}": 0.5 for i in range(500)}, 10, 0.1)
        history = History(disk)
        for listener, told in ((Results(disk), event), (Summaries(disk, []), event), (history, history_begins)):
            with pytest.raises(UserError, match="No space left") as error:
                listener(told)
            assert len(str(error.value).splitlines()) == 1
        assert (disk / "eval_result.json").read_text() == "{}\n"


def test_drafts_of_ended_processes_are_swept_and_those_of_others_are_not(tmp_path):
    ended = os.fork()
    if not ended:
        os._exit(0)
    os.waitpid(ended, 0)
    for name in (f".writing-a-{ended}", f".removing-b-{ended}", f".writing-c-{os.getppid()}", ".other"):
        (tmp_path / name).mkdir()
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([f".writing-c-{os.getppid()}", ".other"])
