"""Growing tables in an export: the lookup in the graph is the map of the checkpoint, and a delta brings the new ids."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

from easymtl.checkpoints.restore import find_checkpoint, load_ranker
from easymtl.features.growing.key_map import MISSING
from easymtl.serving import parity
from easymtl.serving.delta_export import export_since
from easymtl.serving.delta_joining import joined
from easymtl.serving.export import export
from tests.serving.scoring_here import score_here
from tests.training.growing_runs import growing_config, train, write_data

# Every kind of feature is looked at in tests/features/test_serving_equals_training.py.
LEAN = (
    "eval_input_path=",
    'model_config.feature_groups[0].feature_names=["user", "item", "tags"]',
    "model_config.feature_groups[0].sequence_features=[]",
)

pytestmark = [pytest.mark.usefixtures("op_by_op"), pytest.mark.slow]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, op_by_op):
    folder = tmp_path_factory.mktemp("growing")
    write_data(folder)
    train(folder, *LEAN, "train_config.num_steps=12")
    return folder


@pytest.fixture(scope="module")
def done(folder):
    pipeline = growing_config(folder, *LEAN[1:]).pipeline
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "score_apart", score_here)
        return export(pipeline, find_checkpoint(pipeline, "12"), folder / "export")


def encode(path, users, items):
    """What the signature `encode` makes of these users and items."""
    number = len(users)
    model = tf.saved_model.load(str(path))
    columns = {"user": tf.constant(users), "item": tf.constant(items, tf.int64), "tags": tf.constant([""] * number)}
    return {name: value.numpy() for name, value in model.signatures["encode"](**columns).items()}


def test_an_export_finds_the_rows_that_training_gave_and_none_for_others(folder, done):
    pipeline = growing_config(folder, *LEAN[1:]).pipeline
    features = load_ranker(pipeline, find_checkpoint(pipeline, "12")).feature_set
    growing = features.growing
    # Evaluation rows hold ids that training has not seen, and each field is missing in some.
    assert done.parity is not None and done.parity.num_rows == 80 and done.parity.largest_difference < 1e-6
    users = ["", "stranger", *(f"u{number}" for number in range(25))]
    keys = features.transforms["user"].lookup(tf.constant(users)).ids.numpy()
    rows = growing.ids["user"].find(keys)
    # u0 had a row, which somebody else has by now.
    assert keys[0] == MISSING and rows[:3].tolist() == [-1, 0, 0] and rows.max() > 5
    items = [5 * 10**15, 77, -3, *range(1, 25)]
    found = encode(done.path, users, items)["ids"]
    columns = [slot.feature for slot in features.layout.columns["ids_4"].slots]
    np.testing.assert_array_equal(found[:, columns.index("user")], rows)
    np.testing.assert_array_equal(found[:, columns.index("item")], growing.ids["items"].find(np.array(items)))
    assert found[0, columns.index("item")] > 0 and (found[1:, columns.index("item")] == 0).all()


def test_a_delta_brings_the_ids_that_are_new(folder, done, tmp_path, monkeypatch):
    monkeypatch.setattr(parity, "score_apart", score_here)
    pipeline = growing_config(folder, *LEAN[1:]).pipeline
    (folder / "more.csv").write_text((folder / "train.csv").read_text().replace("\tu", "\tnew"))
    train(folder, *LEAN, f"train_input_path={folder}/more.csv", new_data=True)
    delta = export_since(pipeline, find_checkpoint(pipeline, "24"), done.path.parent, done.path.name)
    assert delta.num_bytes < delta.whole_bytes
    shutil.copytree(done.path, tmp_path / done.path.name)
    version = joined(delta.export.path, tmp_path)
    newest = load_ranker(pipeline, find_checkpoint(pipeline, "24")).feature_set
    users = ["new9", "new10", "u9"]
    rows = newest.growing.ids["user"].find(newest.transforms["user"].lookup(tf.constant(users)).ids.numpy())
    found = encode(version, users, [1, 2, 3])["ids"]
    place = [slot.feature for slot in newest.layout.columns["ids_4"].slots].index("user")
    assert found[:, place].tolist() == rows.tolist() and rows.max() > 0
    assert encode(done.path, users, [1, 2, 3])["ids"][:2, place].tolist() == [0, 0]
