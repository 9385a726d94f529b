"""Trainings by several workers, here threads with a device each: what they read, where they stop, what they leave."""

import re

import pytest

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.errors import UserError
from easymtl.training.events import Evaluated, Note, Saved, Started
from easymtl.training.trainer import Trainer
from tests.peers.recorded import Recorded
from tests.peers.threads import make_devices, together
from tests.training.small_runs import of_kind, small_config, write_rows

PASSES = ("train_config.num_steps=0", "data_config.num_epochs=2", "data_config.batch_size=25")
pytestmark = [pytest.mark.slow, pytest.mark.threads]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    make_devices()
    folder = tmp_path_factory.mktemp("workers")
    write_rows(folder / "train.csv", 151, seed=1)
    write_rows(folder / "eval.csv", 70, seed=2)
    return folder


class Trained:
    """What one worker has left."""

    def __init__(self, config, workers, stops_at=None, new_data=False):
        self.told = []
        self.signs = workers.signs = Recorded()
        self.trainer = Trainer(config, self.told.append, lambda: self.stops(stops_at), new_data, peers=workers)
        self.result = self.trainer.run()
        self.weights = {name: one.read().numpy().tobytes() for name, one in self.trainer.ranker.parameters.items()}

    def stops(self, step):
        return step is not None and self.trainer.step >= step

    def notes(self):
        return [event.text for event in of_kind(self.told, Note)]


def train(folder, model_dir, *overrides, size=2, stopper=None, stops_at=None):
    config = small_config(folder, *PASSES, f"model_dir={folder / model_dir}", *overrides)
    return together(size, lambda workers: Trained(config, workers, stops_at if workers.index == stopper else None))


@pytest.fixture(scope="module")
def undisturbed(folder, op_by_op):
    return train(folder, "undisturbed")


def files(folder):
    return {path.name: path.read_bytes() for path in CheckpointFolder(folder).latest().path.iterdir()}


def test_workers_read_each_row_once_a_pass_and_end_together(undisturbed):
    # 152 and 150 rows: the one who has read all makes a last step with no rows.
    assert [one.result.step for one in undisturbed] == [7, 7]
    assert [one.result.num_examples for one in undisturbed] == [302, 302]
    assert undisturbed[0].weights == undisturbed[1].weights
    missing = [one.result.counts["tags"]["missing"] for one in undisturbed]
    assert missing[0] == missing[1] > 0


def test_all_have_the_evaluation_and_the_chief_writes(folder, undisturbed):
    metrics = [of_kind(one.told, Evaluated)[-1].metrics for one in undisturbed]
    assert metrics[0] == metrics[1] and of_kind(undisturbed[0].told, Evaluated)[-1].num_examples == 70
    steps = [[event.step for event in of_kind(one.told, Saved)] for one in undisturbed]
    assert steps == [[3, 6, 7], []] and len(CheckpointFolder(folder / "undisturbed").all()) == 3
    alone = small_config(folder, f"model_dir={folder / 'undisturbed'}", *PASSES)
    assert of_kind(undisturbed[0].told, Started)[0].first_step == 0 and alone


def test_what_takes_long_is_told_to_the_others(undisturbed):
    for one in undisturbed:
        assert one.signs.phases[:3] == ["opening files", "reading checkpoints", "opening files"]
        assert {"computing metrics", "saving"} <= set(one.signs.phases) and one.signs.doing_now == []


def test_a_training_that_any_worker_was_told_to_stop_ends_as_one_that_was_not(folder, undisturbed, op_by_op):
    stopped = train(folder, "stopped", stopper=1, stops_at=4)
    assert [one.result.step for one in stopped] == [5, 5] and all(one.result.is_stopped for one in stopped)
    rest = train(folder, "stopped")
    assert [one.result.step for one in rest] == [7, 7] and not any(one.result.is_stopped for one in rest)
    assert rest[0].weights == undisturbed[0].weights
    assert files(folder / "stopped") == files(folder / "undisturbed")


@pytest.mark.parametrize("size", [1, 3])
def test_more_or_fewer_workers_begin_the_pass_anew_with_the_weights(folder, size, op_by_op):
    name = f"others_{size}"
    train(folder, name, stopper=0, stops_at=4)
    others = train(folder, name, size=size)
    text = next(note for note in others[0].notes() if "was trained by" in note)
    assert re.search(
        rf"was trained by 2 workers, and now there (is|are) {size} worker.*pass 2 over the data begins anew", text
    )
    # The second pass: 151 rows by one worker are 7 steps of 25; by three, 51 rows at most, 3 steps.
    assert [one.result.step for one in others] == [5 + {1: 7, 3: 3}[size]] * size


@pytest.mark.parametrize("num_epochs", [1, 0])
def test_data_without_any_row_are_an_error_of_all(folder, num_epochs, op_by_op):
    (folder / "empty.csv").write_text("")
    settings = (f"data_config.num_epochs={num_epochs}", "train_config.num_steps=2")
    with pytest.raises(UserError, match="The data is empty"):
        train(folder, f"empty_{num_epochs}", f"train_input_path={folder / 'empty.csv'}", *settings)


def test_endless_passes_over_fewer_rows_than_workers_end_with_their_steps(folder, op_by_op):
    write_rows(folder / "one.csv", 1, seed=1)
    settings = ("data_config.num_epochs=0", "data_config.batch_size=1", "train_config.num_steps=3")
    both = train(folder, "one_row", f"train_input_path={folder / 'one.csv'}", *settings)
    assert [one.result.step for one in both] == [3, 3] and both[0].weights == both[1].weights
    assert [one.result.num_examples for one in both] == [3, 3]


def test_losses_that_compare_rows_are_told_to_see_those_of_one_worker(folder, undisturbed, op_by_op):
    pairs = ("model_config.mmoe.task_towers[0].loss_type=PAIR_WISE_LOSS", "train_config.num_steps=1")
    told = train(folder, "pairs", *pairs)
    assert any('"pair_wise_loss_ctr" compare rows' in note for note in told[0].notes()), told[0].notes()
    assert not any("compare rows" in note for note in undisturbed[0].notes())
