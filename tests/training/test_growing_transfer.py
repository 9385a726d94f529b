"""A training that begins with the growing tables of another one takes rows and ids together, or neither."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.features.growing.key_map import MISSING
from easymtl.tasks.ranker import Ranker
from easymtl.training.optimizers import Optimizers
from easymtl.training.starting_weights import start_from_checkpoint
from tests.training.growing_runs import growing_config, train, write_data

pytestmark = [pytest.mark.usefixtures("op_by_op"), pytest.mark.slow]
USERS, ITEMS = "input_layer/user_embedding/embedding_weights", "input_layer/items/embedding_weights"


@pytest.fixture(scope="module")
def done(tmp_path_factory, op_by_op):
    folder = tmp_path_factory.mktemp("growing")
    write_data(folder)
    return folder, train(folder, "train_config.num_steps=14", "eval_input_path=")[0]


def start(done, *overrides):
    """Returns a new model that starts from the training, what was taken over, and what is told."""
    folder, result = done
    settings = (f"train_config.fine_tune_checkpoint={result.checkpoint.path}", f"model_dir={folder}/new")
    pipeline = growing_config(folder, *settings, *overrides).pipeline
    ranker = Ranker(pipeline)
    tables = list(ranker.embeddings.variables_by_width.values())
    optimizers = Optimizers(pipeline.train_config.optimizer_config, tables, ranker.dense_variables)
    return ranker, *start_from_checkpoint(pipeline, ranker, optimizers)


def saved(done) -> dict[str, np.ndarray]:
    with np.load(done[1].checkpoint.path / "growing.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def weights(done, name):
    return tf.train.load_checkpoint(done[1].checkpoint.prefix).get_tensor(name)


def test_rows_come_with_their_ids_and_age_from_the_new_beginning(done):
    ranker, transfer, _ = start(done)
    arrays, ids = saved(done), ranker.feature_set.growing.ids["user"]
    np.testing.assert_array_equal(ranker.parameters[USERS].read().numpy(), weights(done, USERS))
    keys, rows = ids.ids()
    np.testing.assert_array_equal(rows, np.flatnonzero(arrays["user/keys"] != MISSING))
    np.testing.assert_array_equal(keys, arrays["user/keys"][rows])
    assert transfer.parameters[ITEMS] == ITEMS and arrays["user/clock"] == 13
    # What was last seen at step 13 of the one is seen at step 0 of the other, and goes behind 3 further steps.
    ids.clock = 3
    assert ids.sweep() == (arrays["user/last_seen"][rows] < 13).sum() > 0
    assert ids.num_ids == (arrays["user/last_seen"][rows] == 13).sum() > 0


def test_a_larger_table_has_free_rows_behind_those_of_the_smaller_one(done):
    larger = [f"feature_config.features[{place}].growing.max_rows=600" for place in (1, 2)]
    ranker, transfer, _ = start(done, *larger, "train_config.force_restore_shape_compatible=true")
    table = ranker.parameters[ITEMS].read().numpy()
    np.testing.assert_array_equal(table[:501], weights(done, ITEMS))
    ids, known = ranker.feature_set.growing.ids["items"], saved(done)["items/keys"]
    assert ITEMS in transfer.reshaped and ids.num_ids == len(known) - 1
    assert ids.find(known[1:]).tolist() == list(range(1, len(known)))


def test_rows_of_more_ids_than_there_is_room_for_are_left_and_told(done):
    smaller = [f"feature_config.features[{place}].growing.max_rows=20" for place in (1, 2)]
    ranker, transfer, _ = start(done, *smaller, "train_config.force_restore_shape_compatible=true")
    assert transfer.misfits[ITEMS].endswith("has more ids than growing.max_rows, of which its rows are")
    assert ITEMS not in transfer.parameters and not any(slot.startswith(ITEMS) for slot in transfer.slots)
    assert f"{ITEMS}/Adam" in transfer.fresh_slots
    assert ranker.feature_set.growing.ids["items"].num_ids == 0


def test_rows_of_a_hash_are_nobodys(done):
    folder, _ = done
    hashed = 'feature_config.features[0]={input_names: "user" embedding_dim: 4 hash_bucket_size: 31}'
    there, _ = train(folder, hashed, f"model_dir={folder}/hashed", "train_config.num_steps=1", "eval_input_path=")
    ranker, transfer, _ = start((folder, there))
    assert 'has no ids of the name "user"' in transfer.misfits[USERS]
    assert ranker.feature_set.growing.ids["user"].num_ids == 0 and ITEMS in transfer.parameters


def test_days_are_days_in_another_training_too(done):
    folder, _ = done
    user = "feature_config.features[0].growing"
    days = (f"{user}.expire_after_steps=0", f"{user}.expire_after_days=30")
    there, _ = train(folder, *days, f"model_dir={folder}/days", "train_config.num_steps=1", "eval_input_path=")
    ids = start((folder, there), *days)[0].feature_set.growing.ids["user"]
    before = saved((folder, there))
    assert ids.clock == before["user/clock"] > 20_000 and not ids.is_of_other_clock
    ids.clock += 30
    assert ids.sweep() == 0 and ids.num_ids == (before["user/keys"] != MISSING).sum() > 0
    # Of steps nobody knows which days they were.
    assert start(done, *days)[0].feature_set.growing.ids["user"].is_of_other_clock
