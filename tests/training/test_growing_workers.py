"""Growing tables in a training by several workers: one map for the ids of all rows, whoever has read them."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.checkpoints.restore import load_ranker
from easymtl.config import load_config
from easymtl.errors import UserError
from easymtl.features.growing.key_map import MISSING
from easymtl.training.events import Evaluated, Note
from easymtl.training.trainer import Trainer
from tests.peers.threads import make_devices, together
from tests.training.small_runs import CONFIG, of_kind, write_data

pytestmark = [pytest.mark.slow, pytest.mark.threads]

GROWING = CONFIG.replace("hash_bucket_size: 40", "growing {{ max_rows: 18 admit_after: 2 expire_after_steps: 2 }}")
GROWING = GROWING.replace("hash_bucket_size: 20", "growing {{ max_rows: 9 }}")
ITEMS = "input_layer/item_embedding/embedding_weights"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    make_devices()
    folder = tmp_path_factory.mktemp("growing")
    write_data(folder)
    (folder / "x.config").write_text(GROWING.format(folder=folder))
    return folder


def config_of(folder, name, layout, *overrides):
    settings = (f"model_dir={folder / name}", f"train_config.table_sharding={layout}")
    return load_config(str(folder / "x.config"), (*settings, *overrides))


def train(folder, name, layout, size, *overrides, stops_at=None):
    """Returns the growing tables of each worker, and what it was told."""
    config = config_of(folder, name, layout, *overrides)

    def work(workers):
        told = []

        def is_stopping():
            return workers.index == stops_at == 1 and trainer.step >= 4

        trainer = Trainer(config, told.append, is_stopping, peers=workers)
        trainer.run()
        return trainer.ranker.feature_set.growing, told

    return together(size, work)


@pytest.fixture(scope="module")
def both(folder, op_by_op):
    """What each of two workers has where all have all ids, and where these are dealt out."""
    return [train(folder, layout, layout, 2) for layout in ("REPLICATED", "SHARDED")]


def latest(folder, name):
    return CheckpointFolder(folder / name).latest()


def ids_of(path: Path):
    """The arrays of the ids of a checkpoint as one process has them, whoever has written it."""
    pipeline = load_config(str(path.parent.parent / "pipeline.config")).pipeline
    checkpoint = next(one for one in CheckpointFolder(path.parent.parent).all() if one.path == path)
    return load_ranker(pipeline, checkpoint).feature_set.growing.arrays()


def require_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, arrays in theirs.items():
        assert ours[name].keys() == arrays.keys()
        for key, array in arrays.items():
            np.testing.assert_array_equal(ours[name][key], array, err_msg=f"{name}/{key}")


def test_workers_that_have_all_ids_give_the_same_rows_to_the_same_ids(both):
    workers, _ = both
    (first, _), *others = workers
    ids = first.ids["item"]
    assert ids.num_ids > 5 and ids.sightings.num_freed > 0, "rows were taken, and given back"
    assert first.ids["tags"].is_full and (first.arrays()["item"]["generations"] > 0).any()
    for other, _ in others:
        require_same(other.arrays(), first.arrays())


def test_ids_that_are_dealt_out_have_the_rows_that_they_have_where_all_workers_have_all(folder, both):
    replicated, sharded = both
    require_same(ids_of(latest(folder, "SHARDED").path), replicated[0][0].arrays())
    for name, ids in replicated[0][0].ids.items():
        parts = [growing.ids[name] for growing, _ in sharded]
        assert sum(len(part.arrays()["keys"]) for part in parts) == ids.num_ids
        assert all(part.sightings == ids.sightings for part in parts)
    tables = [
        tf.train.load_checkpoint(latest(folder, layout).prefix).get_tensor(ITEMS)
        for layout in ("REPLICATED", "SHARDED")
    ]
    np.testing.assert_allclose(*tables, atol=2e-3)
    assert np.abs(tables[0] - tables[1]).mean() < 2e-4


def test_what_is_told_is_that_of_all_workers(both):
    (replicated, _), sharded = both

    def told(events):
        notes = [event.text for event in of_kind(events, Note) if event.text.startswith("growing table")]
        return notes, [event.counts for event in of_kind(events, Evaluated)]

    notes, counts = told(replicated[1])
    assert any("were not seen 2 times yet" in text for text in notes) and counts[-1]["item"]["unseen"] > 0
    for _, events in sharded:
        assert told(events) == (notes, counts)


def test_a_checkpoint_has_a_file_of_each_worker(folder, both):
    _, sharded = both
    checkpoint = latest(folder, "SHARDED")
    checkpoint.check()
    names = ["growing-00000-of-00002.npz", "growing-00001-of-00002.npz"]
    assert sorted(path.name for path in checkpoint.path.glob("growing*")) == names
    for name, (growing, _) in zip(names, sharded):
        with np.load(checkpoint.path / name, allow_pickle=False) as saved:
            own = {f"{ids}/{key}": array for ids, arrays in growing.arrays().items() for key, array in arrays.items()}
            assert {key: saved[key].tobytes() for key in saved.files} == {
                key: array.tobytes() for key, array in own.items()
            }


def files(path):
    return {one.name: one.read_bytes() for one in path.iterdir()}


def test_a_training_that_was_interrupted_ends_with_the_bytes_of_one_that_was_not(folder, both, op_by_op):
    train(folder, "stopped", "SHARDED", 2, stops_at=1)
    assert latest(folder, "stopped").step == 5
    train(folder, "stopped", "SHARDED", 2)
    assert files(latest(folder, "stopped").path) == files(latest(folder, "SHARDED").path)


def test_a_checkpoint_of_what_has_changed_has_the_ids_of_all_workers(folder, both, op_by_op):
    settings = ("train_config.checkpoint_deltas={ full_every: 3 min_table_bytes: 0 }",)
    train(folder, "deltas", "SHARDED", 2, *settings)
    checkpoint = latest(folder, "deltas")
    assert "delta" in checkpoint.state() and len([*checkpoint.path.glob("growing-*-of-00002.npz")]) == 2
    require_same(ids_of(checkpoint.path), ids_of(latest(folder, "SHARDED").path))


@pytest.mark.parametrize(("layout", "size"), [("REPLICATED", 1), ("REPLICATED", 2), ("SHARDED", 2), ("SHARDED", 3)])
def test_any_number_of_workers_goes_on_with_the_ids_of_any_other(folder, both, layout, size, op_by_op):
    found = {}

    def work(workers):
        trainer = Trainer(config_of(folder, "SHARDED", layout), lambda event: None, peers=workers)
        growing = trainer.ranker.feature_set.growing
        found[workers.index] = growing.arrays()
        return growing

    growing = together(size, work)
    whole = ids_of(latest(folder, "SHARDED").path)
    if layout == "REPLICATED":
        require_same(growing[0].arrays(), whole)
    for name, arrays in whole.items():
        keys = arrays["keys"][arrays["keys"] != MISSING]
        parts = [one[name]["keys"] for one in found.values()] if layout == "SHARDED" else [found[0][name]["keys"]]
        assert sorted(key for part in parts for key in part.tolist() if key != MISSING) == sorted(keys.tolist())
        assert {one.ids[name].num_ids for one in growing} == {len(keys)}


def test_a_worker_without_any_row_takes_part(folder, op_by_op):
    lines = (folder / "train.csv").read_text().splitlines(keepends=True)
    (folder / "two.csv").write_text("".join(lines[:2]))
    settings = (f"train_input_path={folder / 'two.csv'}", "data_config.num_epochs=3", "data_config.batch_size=1")
    replicated, sharded = (train(folder, f"two_{name}", name, 3, *settings) for name in ("REPLICATED", "SHARDED"))
    require_same(ids_of(latest(folder, "two_SHARDED").path), ids_of(latest(folder, "two_REPLICATED").path))
    assert sharded[2][0].ids["item"].num_ids == replicated[0][0].ids["item"].num_ids > 0


def test_a_file_of_a_worker_that_is_gone_is_missed(folder, both):
    checkpoint = latest(folder, "SHARDED")
    path = checkpoint.path / "growing-00001-of-00002.npz"
    content = path.read_bytes()
    path.unlink()
    try:
        with pytest.raises(UserError, match=r"growing-00000-of-00002\.npz cannot be read: there are 1 of 00002 files"):
            ids_of(checkpoint.path)
    finally:
        path.write_bytes(content)
