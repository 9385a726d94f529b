"""A whole training of several workers of which each has a part of the tables, and what comes after it."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.checkpoints.restore import load_ranker
from easymtl.scoring.evaluation import evaluate
from easymtl.scoring.scorer import RankerScorer
from easymtl.training import events
from easymtl.training.trainer import Trainer
from tests.peers.threads import make_devices, together
from tests.training.small_runs import of_kind, small_config, write_data

pytestmark = pytest.mark.threads

TABLES = ("feature_config.features[0].hash_bucket_size=4000", "train_config.table_sharding=SHARDED")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    make_devices()
    folder = tmp_path_factory.mktemp("sharded_training")
    write_data(folder)
    return folder


def train_together(size, config):
    def work(workers):
        told = []
        return Trainer(config, told.append, peers=workers).run(), told

    return together(size, work)


@pytest.mark.slow
def test_it_evaluates_saves_and_goes_on_with_any_number_of_workers(folder):
    config = small_config(folder, *TABLES)
    runs = train_together(2, config)
    for result, _ in runs:
        assert result.step == 6 and result.metrics == runs[0][0].metrics
    notes = [event.text for event in of_kind(runs[1][1], events.Note)]
    assert any("Of the 4,020 rows of the tables this worker (1 of 2) has 2,004, " in note for note in notes), notes
    assert any(note.startswith("A step sends about ") and "410 dense weights" in note for note in notes)

    [*_, latest] = CheckpointFolder(config.pipeline.model_dir).all()
    latest.check()
    ranker = load_ranker(config.pipeline, latest)
    alone = evaluate(config.pipeline, ranker.tasks, RankerScorer(ranker, tf.float32))
    assert alone.num_examples == 70
    for name, value in alone.metrics.items():
        assert runs[0][0].metrics[name] == pytest.approx(value, abs=1e-6), name

    before = tf.train.load_checkpoint(latest.prefix).get_tensor("input_layer/item_embedding/embedding_weights")
    result = Trainer(small_config(folder, *TABLES, "train_config.num_steps=7"), lambda event: None).run()
    after = tf.train.load_checkpoint(result.checkpoint.prefix).get_tensor(
        "input_layer/item_embedding/embedding_weights"
    )
    assert result.step == 7 and 0 < np.any(before != after, axis=1).sum() <= 32
    for result, _ in train_together(2, small_config(folder, *TABLES, "train_config.num_steps=8")):
        assert result.step == 8
