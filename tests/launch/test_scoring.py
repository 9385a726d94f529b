"""Processes that evaluate and predict together, each with a part of the rows and of the tables, find what one does."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from easymtl.checkpoints.restore import find_checkpoint, load_ranker
from easymtl.scoring.evaluation import evaluate
from easymtl.scoring.predictions import scores_of
from easymtl.scoring.scorer import RankerScorer
from tests.launch.launched import Launch
from tests.training.small_runs import small_config, train, write_data, write_rows

pytestmark = pytest.mark.slow

SETTINGS = ("feature_config.features[0].hash_bucket_size=400", "data_config.eval_batch_size=8")


def test_two_processes_find_what_one_does(tmp_path):
    import tensorflow as tf

    write_data(tmp_path)
    (tmp_path / "eval").mkdir()
    for number in range(5):
        write_rows(tmp_path / "eval" / f"{number}.csv", 20 + number, seed=number)
    train(tmp_path, *SETTINGS)
    paths = f"{tmp_path}/eval/*.csv"
    settings = (*SETTINGS, f"eval_input_path={paths}", "train_config.table_sharding=SHARDED")
    pipeline = small_config(tmp_path, *settings).pipeline
    flags = [word for one in settings for word in ("--set", one)]
    text = Launch(tmp_path, "eval", "small.config", *flags).end()
    assert "[worker 0] Wrote" in text and "[worker 1] Wrote" not in text
    ranker = load_ranker(pipeline, find_checkpoint(pipeline))
    scorer = RankerScorer(ranker, tf.float32)
    wanted = evaluate(pipeline, ranker.tasks, scorer)
    found = json.loads((tmp_path / "model" / "eval_result.json").read_text())
    assert wanted.num_examples == 110
    for name, value in wanted.metrics.items():
        assert found[name] == pytest.approx(value, rel=1e-6), name
    output = tmp_path / "scores.parquet"
    Launch(tmp_path, "predict", "small.config", "--input", paths, "--output", str(output), *flags).end()
    table, alone = pq.read_table(output), scores_of(pipeline, scorer, paths)
    assert table.column_names == alone.column_names and len(table) == 110
    for name in alone.column_names:
        np.testing.assert_allclose(table[name].to_numpy(), alone[name].to_numpy(), rtol=1e-6, err_msg=name)
