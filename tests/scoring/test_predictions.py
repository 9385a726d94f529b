"""Scores in a file: written whole or not at all, beside columns that the data have."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.predictions import check_keep, predict
from easymtl.scoring.scorer import RankerScorer
from easymtl.tasks.ranker import Ranker
from tests.peers.threads import make_devices, together
from tests.training.small_runs import small_config, write_data

pytestmark = pytest.mark.threads


@pytest.fixture(scope="module", autouse=True)
def devices():
    make_devices()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predictions")
    write_data(folder)
    return folder


@pytest.fixture(scope="module")
def pipeline(folder):
    return small_config(folder).pipeline


@pytest.fixture(scope="module")
def scorer(pipeline):
    return RankerScorer(Ranker(pipeline), tf.float32)


def test_kept_columns_come_first_and_scores_by_name(folder, pipeline, scorer, tmp_path):
    target, num_rows = predict(pipeline, scorer, f"{folder}/eval.csv", tmp_path, ["item", "click"])
    table = pq.read_table(target)
    assert target == str(tmp_path / "scores.parquet")
    assert num_rows == table.num_rows == 70
    assert table.column_names[:2] == ["item", "click"]
    assert table.column_names[2:] == sorted(table.column_names[2:])
    assert {"probs_ctr", "probs_cvr"} <= set(table.column_names)
    lines = (folder / "eval.csv").read_text().splitlines()
    assert table["item"].to_pylist() == [line.split(",")[2] for line in lines]


def test_workers_score_some_batches_each_and_the_chief_writes_all(folder, pipeline, tmp_path):
    small = Pipeline()
    small.CopyFrom(pipeline)
    small.data_config.eval_batch_size = 16
    ranker = Ranker(small)
    scored = [0, 0]

    class Counting(RankerScorer):
        def __init__(self, index):
            super().__init__(ranker, tf.float32, is_traced=False)
            self.index = index

        def score(self, rows):
            scored[self.index] += rows.num_rows
            return super().score(rows)

    def work(peers):
        output = tmp_path / f"{peers.index}.parquet"
        return predict(small, Counting(peers.index), f"{folder}/eval.csv", output, ["item"], peers=peers)[1]

    assert together(2, work) == [70, 70]
    assert sorted(scored) == [32, 38], "70 rows in batches of 16 are 3 batches and 2"
    assert not (tmp_path / "1.parquet").exists()
    alone, _ = predict(
        small, RankerScorer(ranker, tf.float32, is_traced=False), f"{folder}/eval.csv", tmp_path, ["item"]
    )
    assert pq.read_table(tmp_path / "0.parquet").equals(pq.read_table(alone))


def test_final_scores_are_columns_too(folder, pipeline, tmp_path):
    of_scores = Pipeline()
    of_scores.CopyFrom(pipeline)
    of_scores.export_config.final_score.add(name="rank", expression="ctr^1.2 * cvr")
    scorer = RankerScorer(Ranker(of_scores), tf.float32)
    target, _ = predict(of_scores, scorer, f"{folder}/eval.csv", tmp_path, [])
    table = pq.read_table(target)
    ctr, cvr = (table[name].to_numpy().astype(np.float64) for name in ("probs_ctr", "probs_cvr"))
    np.testing.assert_allclose(table["rank"].to_numpy(), (ctr**1.2 * cvr).astype(np.float32), rtol=1.2e-7)


def test_failed_prediction_leaves_no_file(folder, pipeline, scorer, tmp_path):
    target = tmp_path / "to" / "scores.parquet"
    with pytest.raises(UserError, match=r"nowhere\.csv"):
        predict(pipeline, scorer, str(tmp_path / "nowhere.csv"), target, [])
    assert not list(target.parent.iterdir())
    with pytest.raises(UserError, match=r"scores\.csv: scores are written as Parquet"):
        predict(pipeline, scorer, f"{folder}/eval.csv", tmp_path / "scores.csv", [])


def test_a_remote_file_of_another_format_is_refused(folder, pipeline, scorer):
    with pytest.raises(UserError, match=r"s3://bucket/scores\.csv: scores are written as Parquet"):
        predict(pipeline, scorer, f"{folder}/eval.csv", "s3://bucket/scores.csv?region=eu", [])


def test_kept_columns_must_be_declared(pipeline):
    check_keep(pipeline, ["item", "price"])
    with pytest.raises(UserError, match=r'"itm" is not in data_config.input_fields.*Did you mean "item"'):
        check_keep(pipeline, ["itm"])


def test_a_kept_column_with_the_name_of_a_score_is_refused(folder, scorer, tmp_path):
    pipeline = small_config(folder).pipeline
    pipeline.data_config.input_fields.add(input_name="probs_ctr")
    lines = (folder / "eval.csv").read_text().splitlines()
    (tmp_path / "rows.csv").write_text("".join(f"{line},kept\n" for line in lines))
    with pytest.raises(UserError, match='--keep: "probs_ctr" is the name of a score too'):
        predict(pipeline, scorer, str(tmp_path / "rows.csv"), tmp_path / "to", ["item", "probs_ctr"])
    assert not list((tmp_path / "to").iterdir())
