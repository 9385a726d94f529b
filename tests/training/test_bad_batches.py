"""`nan_policy`: a bad batch ends a training, is as if it were not in the data, or sends the training back behind it."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.checkpoints.parts import Parts, TrainedPart
from easymtl.errors import UserError
from easymtl.features.growing.key_map import MISSING
from easymtl.protos.train_pb2 import TrainConfig
from easymtl.training import events
from easymtl.training.refusals import FREE, MOST_IN_A_ROW, MOST_ROLLBACKS, Decision, Refusals
from easymtl.training.trainer import Trainer
from tests.training.small_runs import arrays, of_kind, small_config, train, write_rows

pytestmark = pytest.mark.usefixtures("op_by_op")

BATCH = 32
IN_ORDER = "data_config.shuffle=false"
NO_EVALUATION = "eval_input_path="
SKIP, ROLLBACK = (f"train_config.nan_policy={policy}" for policy in ("SKIP_BATCH", "ROLLBACK"))
STEEP = "train_config.optimizer_config[0].adam_optimizer.learning_rate.constant_learning_rate.learning_rate=1e30"


def write(folder, bad_batches=(), left_out=(), num_batches=5) -> None:
    """Writes training rows of so many batches, some of them with a number whose square is beyond float32."""
    write_rows(folder / "train.csv", num_batches * BATCH, seed=1)
    write_rows(folder / "eval.csv", 70, seed=2)
    path = folder / "train.csv"
    lines = path.read_text().splitlines()
    for batch in bad_batches:
        fields = lines[(batch - 1) * BATCH + 3].split(",")
        lines[(batch - 1) * BATCH + 3] = ",".join([*fields[:4], "3e38"])
    kept = [line for number, line in enumerate(lines) if number // BATCH + 1 not in left_out]
    path.write_text("\n".join(kept) + "\n")


def weights(model_dir) -> dict[str, np.ndarray]:
    return arrays(CheckpointFolder(model_dir).latest())


def state(model_dir) -> dict:
    return CheckpointFolder(model_dir).latest().state()


def assert_same_weights(one, other) -> None:
    expected, found = weights(one), weights(other)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def stopped_at(folder, text: str, *overrides: str) -> None:
    """Trains until something is noted, as a training that gets SIGTERM then."""
    heard = []

    def listen(event):
        if isinstance(event, events.Note) and text in event.text:
            heard.append(event)

    assert Trainer(small_config(folder, *overrides), listen, lambda: bool(heard)).run().is_stopped


@pytest.fixture(scope="module")
def skipped(tmp_path_factory):
    """A training of eight steps with the fourth batch of five left out in each pass; what was told."""
    folder = tmp_path_factory.mktemp("skipped")
    write(folder, bad_batches=[4])
    return folder, train(folder, IN_ORDER, SKIP, "train_config.num_steps=8")[1]


@pytest.mark.slow
def test_a_batch_that_is_skipped_is_as_if_it_were_not_in_the_data(skipped, tmp_path):
    folder, _ = skipped
    write(tmp_path, left_out=[4])
    train(tmp_path, IN_ORDER, "train_config.num_steps=8")
    assert_same_weights(folder / "model", tmp_path / "model")
    states = [state(path / "model") for path in (folder, tmp_path)]
    assert states[0]["metrics"] == states[1]["metrics"]
    assert [one["refusals"]["skipped"] for one in states] == [2, 0]


def test_a_batch_that_is_skipped_is_told_counted_and_kept(skipped):
    folder, told = skipped
    note, again = [event.text for event in of_kind(told, events.Note) if "SKIP_BATCH" in event.text]
    assert note.startswith("Warning: step 4 was not made: the gradients are not finite")
    assert f"Batch: 32 rows of {folder}/train.csv from row 97 on, kept in {folder}/model/bad_batch-4.parquet." in note
    assert 'feature "price": 1 value is extreme, such as 3e+38 in row 4 of the batch' in note
    assert note.endswith("The batch is left out (1 in a row, 1 in all; nan_policy SKIP_BATCH).")
    assert "step 8 was not made" in again and again.endswith("(1 in a row, 2 in all; nan_policy SKIP_BATCH).")
    assert pq.read_table(folder / "model" / "bad_batch-4.parquet").num_rows == BATCH
    assert [event.step for event in of_kind(told, events.Progress)] == list(range(1, 9))


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "second"), [(SKIP, "bad_batch-2-2.parquet"), (ROLLBACK, "bad_batch-1-2.parquet")])
def test_a_training_that_is_stopped_behind_a_bad_batch_ends_as_an_undisturbed_one(tmp_path, policy, second):
    write(tmp_path, bad_batches=[2, 3])
    options = (IN_ORDER, policy, NO_EVALUATION, "train_config.num_steps=7", "train_config.save_checkpoints_steps=2")
    train(tmp_path, *options, f"model_dir={tmp_path}/whole")
    # Between the two bad batches, then at the second one, then a kill at a checkpoint.
    for text in ("bad_batch-2.parquet", second):
        stopped_at(tmp_path, text, *options)
    train(tmp_path, *options, "train_config.num_steps=4")
    train(tmp_path, *options)
    assert_same_weights(tmp_path / "whole", tmp_path / "model")
    whole, parts = state(tmp_path / "whole"), state(tmp_path / "model")
    assert whole == parts
    assert whole["refusals"]["skipped" if policy == SKIP else "rollbacks"] >= 2


@pytest.mark.slow
def test_ten_bad_batches_in_a_row_end_a_training_that_skips(tmp_path):
    write(tmp_path)
    with pytest.raises(UserError) as caught:
        train(tmp_path, NO_EVALUATION, SKIP, STEEP, "train_config.save_checkpoints_steps=90")
    text = str(caught.value)
    assert "\n  nan_policy SKIP_BATCH: 10 batches in a row were refused" in text
    assert "suspect: parameter " in text
    kept = sorted((tmp_path / "model").glob("bad_batch-*.parquet"))
    assert len(kept) == MOST_IN_A_ROW


@pytest.mark.slow
def test_rollback_goes_on_from_the_newest_checkpoint_behind_the_batch(tmp_path):
    # The fifth of five batches is bad, and three steps lie between checkpoints: each pass keeps its first three.
    for name, bad, left_out in (("bad", [5], []), ("good", [], [4, 5])):
        (tmp_path / name).mkdir()
        write(tmp_path / name, bad, left_out)
    _, told = train(tmp_path / "bad", IN_ORDER, ROLLBACK, "train_config.num_steps=9")
    train(tmp_path / "good", IN_ORDER, "train_config.num_steps=9")
    models = [tmp_path / name / "model" for name in ("bad", "good")]
    assert_same_weights(*models)
    states = [state(model) for model in models]
    assert states[0]["best"]["step"] == states[1]["best"]["step"]
    assert states[0]["metrics"] == states[1]["metrics"]
    assert states[0]["refusals"]["rollbacks"] == 2
    assert [event.first_step for event in of_kind(told, events.Started)] == [0, 3, 6]
    notes = [event.text for event in of_kind(told, events.Note) if "ROLLBACK" in event.text]
    assert "step-000000003 and on behind the batch (time 1 of at most 10; nan_policy ROLLBACK)." in notes[0]
    assert [event.step for event in of_kind(told, events.Progress)] == [1, 2, 3, 4, 4, 5, 6, 7, 7, 8, 9]


def test_rollback_before_the_first_checkpoint_goes_back_to_the_beginning(tmp_path):
    write(tmp_path, bad_batches=[2])
    one = ("train_config.num_steps=3", "train_config.save_checkpoints_steps=100")
    train(tmp_path, IN_ORDER, ROLLBACK, NO_EVALUATION, *one)
    # The first batch was undone: the third is the first of the training.
    write(tmp_path, left_out=[1, 2])
    train(tmp_path, IN_ORDER, NO_EVALUATION, *one, f"model_dir={tmp_path}/without")
    assert_same_weights(tmp_path / "model", tmp_path / "without")
    assert [checkpoint.step for checkpoint in CheckpointFolder(tmp_path / "model").all()] == [3]


@pytest.mark.slow
def test_rollback_ends_where_it_has_gone_back_ten_times(tmp_path):
    write(tmp_path, bad_batches=[2], num_batches=2)
    long = ("train_config.num_steps=50", "train_config.save_checkpoints_steps=100")
    with pytest.raises(
        UserError, match=r"(?s)Step 2: .*ROLLBACK: training has gone back 10 times before.*bad_batch-2-11.parquet"
    ):
        train(tmp_path, IN_ORDER, ROLLBACK, NO_EVALUATION, *long)
    kept = (tmp_path / "model").glob("bad_batch-*.parquet")
    assert len(list(kept)) == MOST_ROLLBACKS + 1


def settings(policy: str) -> TrainConfig:
    return TrainConfig(nan_policy=TrainConfig.NanPolicy.Value(policy))


def test_more_than_one_in_a_hundred_bad_batches_end_a_training_that_skips():
    refusals = Refusals(settings("SKIP_BATCH"))
    for step in range(FREE):
        assert refusals.decide(step) is Decision.SKIP
        refusals.sound()
    # 21 of 2,100 batches are one in a hundred.
    refusals.restore(json.loads(json.dumps(refusals.state())))
    assert refusals.decide(2079) is Decision.SKIP
    refusals.sound()
    assert refusals.decide(2178) is Decision.SKIP
    refusals.sound()
    assert refusals.decide(2179) is Decision.STOP
    assert refusals.why_stopped().endswith("23 batches were refused, which is more than 20, and than 1% of all")


def test_what_is_counted_comes_back_and_is_nothing_of_an_earlier_version():
    refusals, other = Refusals(settings("ROLLBACK")), Refusals(settings("ROLLBACK"))
    for _ in range(3):
        assert refusals.decide(5) is Decision.ROLLBACK
    other.restore(refusals.state())
    assert other.state() == refusals.state() == {"skipped": 0, "in_a_row": 0, "rollbacks": 3}
    other.restore({})
    assert other.state() == {"skipped": 0, "in_a_row": 0, "rollbacks": 0}
    assert Refusals(settings("STOP")).decide(5) is Decision.STOP


def test_other_data_have_bad_batches_of_their_own():
    refusals = Refusals(settings("ROLLBACK"))
    for _ in range(MOST_ROLLBACKS):
        assert refusals.decide(5) is Decision.ROLLBACK
    other = Refusals(settings("ROLLBACK"))
    other.restore(json.loads(json.dumps(refusals.state())))
    other.begin_data()
    assert other.decide(5) is Decision.ROLLBACK and (other.rollbacks, other.number) == (1, MOST_ROLLBACKS + 1)
    again = Refusals(settings("ROLLBACK"))
    again.restore(json.loads(json.dumps(other.state())))
    assert again.decide(5) is Decision.ROLLBACK and (again.rollbacks, again.number) == (2, MOST_ROLLBACKS + 2)
    assert refusals.decide(5) is Decision.STOP


@pytest.mark.slow
def test_each_part_of_data_may_go_back_and_stays_on_its_day(tmp_path):
    item = 'input_names: "item" feature_type: IdFeature embedding_dim: 4 growing { max_rows: 40 expire_after_days: 7 }'
    options = (f"feature_config.features[0]={{{item}}}", "train_config.num_steps=0", "data_config.num_epochs=1")
    write(tmp_path, bad_batches=[2])
    parts = Parts()
    for day in (1, 20):
        parts = parts.with_next(TrainedPart(f"dt=2026-01-{day:02}", (2026, 1, day), 1, 1, 0, ""), (), {})
        config = small_config(tmp_path, IN_ORDER, ROLLBACK, NO_EVALUATION, *options)
        trainer = Trainer(config, lambda event: None, parts=parts)
        trainer.run()
    assert state(tmp_path / "model")["refusals"] == {
        "skipped": 0, "in_a_row": 0, "rollbacks": 1, "earlier_rollbacks": 1,
    }  # fmt: skip
    # The second part went back to the checkpoint of the first one, 19 days before, whose ids are gone all the same.
    ids = trainer.ranker.feature_set.growing.ids["item"].arrays()
    assert ids["clock"] == 20_473
    assert (ids["last_seen"][ids["keys"] != MISSING] == 20_473).all()


def test_one_in_a_hundred_is_of_the_batches_of_these_data(tmp_path):
    write(tmp_path, bad_batches=[2])
    passes = ("train_config.num_steps=0", "data_config.num_epochs=1")
    trainer = Trainer(small_config(tmp_path, IN_ORDER, SKIP, NO_EVALUATION, *passes), lambda event: None)
    # After 5,000 steps with earlier data, and as many bad batches of these as there may be of few.
    trainer._step.assign(5000)
    trainer._remembered.data_step = 5000
    trainer._remembered.refusals.skipped = FREE
    with pytest.raises(UserError, match="21 batches were refused, which is more than 20, and than 1% of all"):
        trainer.run()
