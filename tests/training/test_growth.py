"""Growing tables in a training: the same whatever is read ahead, whoever interrupts it, and whichever row is reused."""

from functools import partial

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from easymtl.checkpoints.growing import FILE
from easymtl.checkpoints.parts import Parts, TrainedPart
from easymtl.checkpoints.stored_tensors import StoredTensors
from easymtl.data.feed import Feed
from easymtl.data.rows import Rows
from easymtl.features.encoder import Encoder
from easymtl.features.growing.key_map import MISSING
from easymtl.features.initial_rows import initial_rows
from easymtl.training import events, inputs
from easymtl.training.growth import Growth, today
from easymtl.training.trainer import Trainer
from tests.training.growing_runs import growing_config, train, write_data

pytestmark = [pytest.mark.usefixtures("op_by_op"), pytest.mark.slow]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("growing")
    write_data(folder)
    return folder


@pytest.fixture(scope="module")
def whole(folder, op_by_op):
    return train(folder, f"model_dir={folder}/whole")


def state_of(result) -> dict[str, np.ndarray]:
    """Every weight, slot and average of a checkpoint, and every array of its maps."""
    reader = tf.train.load_checkpoint(result.checkpoint.prefix)
    weights = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    with np.load(result.checkpoint.path / FILE, allow_pickle=False) as archive:
        return weights | {name: archive[name] for name in archive.files}


def require_same(found, expected):
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def notes(told):
    return [event.text for event in told if isinstance(event, events.Note)]


def test_a_resumed_training_has_the_weights_and_maps_of_one_that_was_not_interrupted(folder, whole):
    for steps in (5, 13, 24):
        parts, _ = train(folder, f"model_dir={folder}/parts", f"train_config.num_steps={steps}")
    require_same(state_of(parts), state_of(whole[0]))
    # What is compared has something in it: ids that came, went, and left their rows to others.
    arrays = state_of(whole[0])
    assert arrays["user/generations"].max() >= 1 and (arrays["user/keys"] == MISSING).sum() > 1
    assert len(arrays["items/keys"]) > 50


def test_maps_do_not_depend_on_threads_or_on_what_is_read_ahead(folder, monkeypatch):
    found = []
    for threads, prefetch in ((1, 1), (4, 16)):
        feed = partial(Feed, threads=threads, chunk_rows=16)
        monkeypatch.setattr(inputs, "Feed", lambda *args, feed=feed, **kwargs: feed(*args, **kwargs))
        settings = (f"data_config.prefetch_size={prefetch}", "train_config.num_steps=8", "eval_input_path=")
        found.append(state_of(train(folder, f"model_dir={folder}/{threads}", *settings)[0]))
    require_same(*found)


def test_what_became_of_the_tables_is_told(whole):
    told = notes(whole[1])
    [full] = [text for text in told if "all 8 rows are taken" in text]
    assert full.startswith('growing table "tags": ') and "raise growing.max_rows" in full
    [ids] = [text for text in told if text.startswith('growing table "user":')]
    assert "of 30 rows are taken" in ids and "rows were freed of ids that were not seen any more" in ids


def test_evaluations_count_ids_that_have_no_row_and_give_them_none(folder, whole):
    result, told = whole
    [*_, evaluated] = [event for event in told if isinstance(event, events.Evaluated)]
    ids = {line.split("\t")[1] for line in (folder / "eval.csv").read_text().splitlines()} - {""}
    trainer = Trainer(growing_config(folder, f"model_dir={folder}/whole"), lambda event: None)
    known = trainer.ranker.feature_set.growing.ids["user"]
    assert known.num_ids == (state_of(result)["user/keys"] != MISSING).sum()
    rows = [line.split("\t")[1] for line in (folder / "eval.csv").read_text().splitlines()]
    lookup = trainer.ranker.feature_set.transforms["user"].lookup
    has_row = {user: known.find(lookup(tf.constant([user])).ids.numpy())[0] > 0 for user in ids}
    assert evaluated.counts["user"]["unseen"] == sum(not has_row[user] for user in rows if user)
    assert 0 < evaluated.counts["user"]["unseen"] < len(rows)


def batch_of_users(trainer, keys) -> Rows:
    """A batch whose rows have these keys of users, and nothing else."""
    layout = trainer.ranker.feature_set.layout
    columns = {name: pa.array([""] * len(keys)) for name in trainer.ranker.feature_set.fields}
    columns["item"] = pa.array([7] * len(keys), pa.int64())
    rows = Encoder(trainer.ranker.feature_set)(pa.RecordBatch.from_pydict(columns))
    [slot] = [slot for kind in layout.growing_columns for slot in kind.slots if slot.feature == "user"]
    rows.columns[slot.columns.name][:, slot.index] = keys
    return rows


def test_rows_that_are_given_away_again_are_as_new_ones(folder):
    trainer = Trainer(growing_config(folder, f"model_dir={folder}/reused"), lambda event: None)
    ranker, optimizers = trainer.ranker, trainer._optimizers
    growth = Growth(ranker, optimizers, lambda event: None)
    table = next(table for table in ranker.feature_set.tables if table.ids == "user")
    variable = ranker.embeddings.variable(4)
    average = optimizers.average_of(variable)
    parts = [variable, *optimizers.slots_of(variable).values(), average.value]
    growth.hand_out(batch_of_users(trainer, [70, 71]), 0)
    growth.keep()
    for part in parts:
        part.assign(tf.fill(part.shape, 9.0))
    # 70 is seen no more: it goes at step 4, and 72 has its row at step 5.
    for step in range(1, 5):
        growth.hand_out(batch_of_users(trainer, [71]), step)
        growth.keep()
    assert all((part.numpy() == 9).all() for part in parts)
    growth.hand_out(batch_of_users(trainer, [71, 72]), 5)
    number = table.offset + 1
    expected = initial_rows(table, ranker.embeddings.seed)(np.array([1], np.int32), np.array([1], np.uint32))[0]
    np.testing.assert_array_equal(variable[number], expected)
    np.testing.assert_array_equal(average.value[number], expected)
    assert average.updated_at[number].numpy() == 5
    assert all((slot[number].numpy() == 0).all() for slot in optimizers.slots_of(variable).values())
    others = np.arange(variable.shape[0]) != number
    assert all((part.numpy()[others] == 9).all() for part in parts)
    # Nothing else of the id that had it is left, and its numbers are of no other row or generation.
    again = initial_rows(table, ranker.embeddings.seed)
    assert len({tuple(again(np.array([row]), np.array([number]))[0]) for row in (1, 2) for number in (1, 2)}) == 4
    assert 0.0005 < np.abs(expected).mean() < 0.01


def test_deltas_hold_rows_that_were_given_away_again_where_no_step_moves_them(folder):
    options = (
        "train_config.freeze_gradient='input_layer/user_embedding/'",
        "train_config.save_checkpoints_steps=4",
        "train_config.num_steps=16",
        "eval_input_path=",
    )
    deltas = "train_config.checkpoint_deltas={ full_every: 9 min_table_bytes: 0 }"
    full, _ = train(folder, f"model_dir={folder}/frozen_full", *options)
    parts, _ = train(folder, f"model_dir={folder}/frozen_deltas", deltas, *options)
    assert "delta" in parts.checkpoint.state()
    one, other = StoredTensors(full.checkpoint.path), StoredTensors(parts.checkpoint.path)
    require_same({name: other.read(name) for name in other.shapes}, {name: one.read(name) for name in one.shapes})
    assert len(other.changed_rows("input_layer/user_embedding/embedding_weights")) > 0


def test_days_are_those_on_which_data_are_begun(folder):
    trainer = Trainer(
        growing_config(
            folder,
            f"model_dir={folder}/days",
            "feature_config.features[0].growing.expire_after_steps=0",
            "feature_config.features[0].growing.expire_after_days=7",
        ),
        lambda event: None,
    )
    told = []
    growth, ids = Growth(trainer.ranker, trainer._optimizers, told.append), trainer.ranker.feature_set.growing.ids
    for day, keys in ((40_000, [70, 71]), (40_005, [71]), (39_000, [71]), (40_008, [])):
        growth.begin(3, day)
        growth.hand_out(batch_of_users(trainer, [*keys, 71]), 3)
        growth.keep()
    assert ids["user"].ids()[0].tolist() == [71]
    assert [event.text for event in told] == ['growing table "user": 1 ids not seen for 7 days are gone.']


DAYS = (
    "feature_config.features[0].growing.expire_after_steps=0",
    "feature_config.features[0].growing.expire_after_days=7",
    "eval_input_path=",
)


def ids_of_user(trainer):
    return trainer.ranker.feature_set.growing.ids["user"]


def test_a_part_is_of_the_day_that_it_is_called_by_whenever_it_is_trained_on(folder):
    parts, told = Parts(), []
    for name, time, last_step in (("dt=2026-01-01", (2026, 1, 1), 2), ("dt=2026-01-20", (2026, 1, 20), 4)):
        parts = parts.with_next(TrainedPart(name, time, 1, 1, 0, ""), (), {})
        config = growing_config(
            folder, f"model_dir={folder}/parts_of_days", *DAYS, f"train_config.num_steps={last_step}"
        )
        trainer = Trainer(config, told.append, parts=parts)
        clock = ids_of_user(trainer).clock
        trainer.run()
    assert clock == 20_473 and ids_of_user(trainer).num_ids > 0
    [gone] = [text for text in notes(told) if "are gone" in text]
    assert gone.startswith('growing table "user": ') and gone.endswith(" ids not seen for 7 days are gone.")
    # It goes on in the part, on its day.
    assert ids_of_user(Trainer(config, told.append, parts=parts)).clock == 20_473


def test_ids_outlive_a_change_from_steps_to_days(folder):
    model = (f"model_dir={folder}/other_clock", "eval_input_path=")
    train(folder, *model, "train_config.num_steps=2")
    trainer = Trainer(growing_config(folder, *model, *DAYS), lambda event: None)
    ids, growth = ids_of_user(trainer), trainer._growth
    number, now = ids.num_ids, ids.clock
    assert number > 0 and today() - 1 <= now <= today()
    for days, left in ((7, number), (8, 0)):
        growth.begin(2, now + days)
        assert ids.num_ids == left


def test_a_training_that_went_back_to_earlier_data_is_on_the_day_of_these(folder):
    trainer = Trainer(growing_config(folder, f"model_dir={folder}/back", *DAYS), lambda event: None)
    ids, growth = ids_of_user(trainer), trainer._growth
    growth.begin(0, 40_000)
    growth.hand_out(batch_of_users(trainer, [70]), 0)
    growth.keep()
    before = ids.arrays()
    growth.begin(1, 40_008)
    ids.restore([before])
    growth.refused(0)
    assert (ids.clock, ids.num_ids) == (40_008, 0)
