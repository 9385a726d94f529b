"""Growing tables in a training by several workers: one map for the ids of all rows, whoever has read them."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.config import load_config
from easymtl.training.trainer import Trainer
from tests.peers.threads import make_devices, together
from tests.training.small_runs import CONFIG, write_data

pytestmark = [pytest.mark.slow, pytest.mark.threads]

GROWING = CONFIG.replace("hash_bucket_size: 40", "growing {{ max_rows: 18 admit_after: 2 expire_after_steps: 2 }}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    make_devices()
    folder = tmp_path_factory.mktemp("growing")
    write_data(folder)
    (folder / "x.config").write_text(GROWING.format(folder=folder))
    return folder


def train(folder, layout, size):
    settings = (f"model_dir={folder / f'{layout}_{size}'}", f"train_config.table_sharding={layout}")
    config = load_config(str(folder / "x.config"), settings)

    def work(workers):
        trainer = Trainer(config, lambda event: None, peers=workers)
        trainer.run()
        return trainer.ranker

    return together(size, work)


def arrays_of(ranker):
    parts = ranker.feature_set.growing.arrays()
    return {f"{name}/{key}": array for name, arrays in parts.items() for key, array in arrays.items()}


@pytest.mark.parametrize("layout", ["REPLICATED", "SHARDED"])
def test_all_workers_give_the_same_rows_to_the_same_ids(folder, layout, op_by_op):
    first, second = train(folder, layout, 2)
    ids = first.feature_set.growing.ids["item"]
    assert ids.num_ids > 5 and ids.sightings.num_freed > 0, "rows were taken, and given back"
    for name, array in arrays_of(first).items():
        np.testing.assert_array_equal(array, arrays_of(second)[name], err_msg=name)
    checkpoint = CheckpointFolder(folder / f"{layout}_2").latest()
    with np.load(checkpoint.path / "growing.npz", allow_pickle=False) as saved:
        assert {name: saved[name].tobytes() for name in saved.files} == {
            name: array.tobytes() for name, array in arrays_of(first).items()
        }


def test_rows_that_are_dealt_out_are_those_that_all_workers_have(folder, op_by_op):
    train(folder, "REPLICATED", 2)
    train(folder, "SHARDED", 2)
    name = "input_layer/item_embedding/embedding_weights"
    readers = [
        tf.train.load_checkpoint(CheckpointFolder(folder / f"{layout}_2").latest().prefix)
        for layout in ("REPLICATED", "SHARDED")
    ]
    one, other = (reader.get_tensor(name) for reader in readers)
    np.testing.assert_allclose(one, other, atol=2e-3)
    assert np.abs(one - other).mean() < 2e-4
