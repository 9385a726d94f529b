"""Models that are brought back from a checkpoint, by one worker or by some, each with a part of the tables."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.checkpoints.calibrations import FILE
from easymtl.checkpoints.restore import find_checkpoint, load_ranker
from easymtl.features import embeddings
from easymtl.scoring.evaluation import evaluate
from easymtl.scoring.scorer import RankerScorer
from easymtl.training.trainer import Trainer
from tests.peers.threads import make_devices, together
from tests.training.small_runs import small_config, train, write_data

pytestmark = [pytest.mark.threads, pytest.mark.usefixtures("op_by_op")]

SETTINGS = (
    "train_config.optimizer_config[0].use_moving_average=true",
    "model_config.mmoe.task_towers[0].post_calibration={ method: PLATT }",
    "feature_config.features[0].hash_bucket_size=400",
    "feature_config.features[1].embedding_dim=6",
)


@pytest.mark.parametrize("keeps_curves", [True, False])
def test_each_worker_has_a_part_of_the_tables(tmp_path, keeps_curves):
    make_devices()
    write_data(tmp_path)
    train(tmp_path, *SETTINGS)
    pipeline = small_config(tmp_path, *SETTINGS).pipeline
    checkpoint = find_checkpoint(pipeline)
    alone = load_ranker(pipeline, checkpoint)
    wanted = evaluate(pipeline, alone.tasks, RankerScorer(alone, tf.float32))
    if not keeps_curves:
        (checkpoint.path / FILE).unlink()
    sharded = small_config(tmp_path, *SETTINGS, "train_config.table_sharding=SHARDED").pipeline

    def work(workers):
        ranker = load_ranker(sharded, checkpoint, peers=workers)
        result = evaluate(sharded, ranker.tasks, RankerScorer(ranker, tf.float32), peers=workers)
        return result, {width: variable.shape[0] for width, variable in ranker.embeddings.variables_by_width.items()}

    results = together(2, work)
    for result, _ in results:
        assert result.metrics == pytest.approx(wanted.metrics, rel=1e-6) and result.num_examples == 70
    rows = [held for _, held in results]
    assert {width: rows[0][width] + rows[1][width] for width in rows[0]} == {"4": 400, "6": 20}
    assert 100 < rows[0]["4"] < 300
    assert (checkpoint.path / FILE).is_file()


def test_initial_values_are_not_drawn_for_tables_that_a_checkpoint_fills(tmp_path, monkeypatch):
    write_data(tmp_path)
    config = small_config(tmp_path, "eval_input_path=", "train_config.num_steps=1")
    trainer = Trainer(config, lambda event: None)
    trainer.run()
    drawn = []
    monkeypatch.setattr(embeddings, "fill", lambda *tables: drawn.append(tables))
    found = load_ranker(config.pipeline, find_checkpoint(config.pipeline))
    assert drawn == []
    for name, parameter in trainer.ranker.parameters.items():
        np.testing.assert_array_equal(found.parameters[name].read(), parameter.read())
