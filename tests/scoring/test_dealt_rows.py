"""Evaluations and predictions whose rows several workers read and score are those of one worker."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from pyarrow.fs import LocalFileSystem

from easymtl.data.blocks import Block
from easymtl.data.paths import DataFile
from easymtl.errors import UserError
from easymtl.features.encoder import Encoder
from easymtl.scoring.dealt_rows import dealt_rows, runs_of
from easymtl.scoring.evaluation import evaluate
from easymtl.scoring.predictions import predict
from easymtl.scoring.scorer import RankerScorer
from easymtl.tasks.ranker import Ranker
from tests.peers.threads import make_devices, together
from tests.training.small_runs import small_config, write_rows

pytestmark = [pytest.mark.threads, pytest.mark.usefixtures("op_by_op")]

MANY_FILES = [17, 1, 9, 30, 0, 2, 23]
# Groups and sessions go through all files, and so do blocks of rows in which pairs are formed.
TOWERS = (
    'model_config.mmoe.task_towers[0].metrics_set=[{auc {}}, {gauc {uid_field: "item"}}]',
    "model_config.mmoe.task_towers[0].losses=[{loss_type: CLASSIFICATION}, {loss_type: PAIRWISE_LOGISTIC_LOSS}]",
    "model_config.mmoe.task_towers[1].losses=[{loss_type: CLASSIFICATION}, "
    '{loss_type: LISTWISE_RANK_LOSS listwise_rank_loss {session_name: "item"}}]',
    "data_config.eval_batch_size=4",
    "data_config.ignore_error=true",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    make_devices()
    folder = tmp_path_factory.mktemp("dealt")
    (folder / "eval").mkdir()
    for number, rows in enumerate(MANY_FILES):
        write_rows(folder / "eval" / f"{number}.csv", rows, seed=number)
    path = folder / "eval" / "3.csv"
    lines = path.read_text().splitlines()
    lines[4], lines[6] = lines[4].rpartition(",")[0] + ",x", ",".join([*lines[6].split(",")[:2], "", "a", "0.5"])
    path.write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def pipeline(folder):
    return small_config(folder, *TOWERS, f"eval_input_path={folder}/eval/*.csv").pipeline


@pytest.fixture(scope="module")
def ranker(pipeline):
    return Ranker(pipeline)


class Counting(Encoder):
    """Counts the rows that it has encoded."""

    num_rows = 0

    def __call__(self, batch, known=None):
        self.num_rows += batch.num_rows
        return super().__call__(batch, known)


class Reading(RankerScorer):
    """Remembers how many rows it has encoded and scored."""

    def __init__(self, ranker):
        super().__init__(ranker, tf.float32, is_traced=False)
        self.num_scored = 0

    @property
    def num_read(self):
        return self._encoder.num_rows

    def encoder(self, keep, with_numbers=True):
        ranker = self._ranker
        columns = (self.number_columns, keep, ranker.key_fields) if with_numbers else ((), keep)
        self._encoder = Counting(ranker.feature_set, *columns, as_served=True)
        return self._encoder

    def score(self, rows):
        self.num_scored += rows.num_rows
        return super().score(rows)


def run(pipeline, size, ranker=None, **options):
    def work(workers):
        scorer = Reading(ranker or Ranker(pipeline, workers))
        result = evaluate(pipeline, (ranker or scorer._ranker).tasks, scorer, peers=workers, **options)
        return result, scorer

    return together(size, work)


def assert_same(result, alone):
    assert result.metrics == pytest.approx(alone.metrics, rel=2e-6, abs=1e-7)
    for name in alone.metrics:
        if "auc" in name:
            assert result.metrics[name] == alone.metrics[name], "no sum is rounded in it"
    assert (result.num_examples, result.skipped_rows) == (alone.num_examples, alone.skipped_rows)
    assert result.counts == alone.counts and sorted(result.warnings) == sorted(alone.warnings)


@pytest.fixture(scope="module")
def alone(pipeline, ranker):
    return evaluate(pipeline, ranker.tasks, RankerScorer(ranker, tf.float32, is_traced=False))


@pytest.mark.parametrize("size", [2, 3])
def test_each_worker_reads_a_part_and_all_have_what_one_finds(pipeline, ranker, alone, size):
    results = run(pipeline, size, ranker)
    assert alone.num_examples == 81 and alone.skipped_rows == 1
    for result, _ in results:
        assert_same(result, alone)
        assert result.metrics == results[0][0].metrics
    read = [scorer.num_read for _, scorer in results]
    assert read == [scorer.num_scored for _, scorer in results]
    assert sum(read) == 81 and max(read) < 81


def test_rows_of_tables_may_be_dealt_out_too(pipeline, alone):
    for result, _ in run(pipeline, 3):
        assert_same(result, alone)


def test_a_worker_whose_part_has_no_row_takes_part(folder, pipeline, ranker):
    (folder / "bad.csv").write_text("x,x,x,x,x\n" * 3)
    paths = f"{folder}/eval/0.csv,{folder}/bad.csv"
    wanted = evaluate(pipeline, ranker.tasks, RankerScorer(ranker, tf.float32, is_traced=False), paths)
    for shared in (ranker, None):
        results = run(pipeline, 2, shared, paths=paths)
        assert [scorer.num_scored for _, scorer in results] == [17, 0]
        for result, _ in results:
            assert_same(result, wanted)
    with pytest.raises(UserError, match="All rows of the data were skipped"):
        run(pipeline, 2, ranker, paths=f"{folder}/bad.csv,{folder}/bad.csv")


def test_labels_are_those_of_all_workers(folder, pipeline, ranker):
    (folder / "unlabelled.csv").write_text("1,,i1,t1,0.5\n0,,i2,t2,0.5\n" * 3)
    paths = f"{folder}/unlabelled.csv,{folder}/eval/0.csv"
    wanted = evaluate(pipeline, ranker.tasks, RankerScorer(ranker, tf.float32, is_traced=False), paths)
    for result, _ in run(pipeline, 2, ranker, paths=paths):
        assert_same(result, wanted)


def test_with_fewer_files_than_workers_batches_are_shared(folder, pipeline, ranker):
    paths = f"{folder}/eval/6.csv"
    wanted = evaluate(pipeline, ranker.tasks, RankerScorer(ranker, tf.float32, is_traced=False), paths)
    results = run(pipeline, 2, ranker, paths=paths)
    assert [scorer.num_scored for _, scorer in results] == [12, 11]
    for result, _ in results:
        assert_same(result, wanted)
        # The same batches: not one rounding is another.
        assert result.metrics == wanted.metrics


def test_the_first_rows_alone_are_those_of_one_worker(folder, ranker):
    options = (*TOWERS, f"eval_input_path={folder}/eval/*.csv", "eval_config.num_examples=31")
    limited = small_config(folder, *options).pipeline
    wanted = evaluate(limited, ranker.tasks, RankerScorer(ranker, tf.float32, is_traced=False))
    for result, _ in run(limited, 2, ranker):
        assert result.num_examples == 31 and result.metrics == wanted.metrics


def test_predictions_are_written_in_the_order_of_the_files(folder, pipeline, ranker, tmp_path):
    paths = f"{folder}/eval/*.csv"
    said = [[], []]

    def work(workers):
        scorer, output = Reading(ranker), tmp_path / f"{workers.index}.parquet"
        return predict(pipeline, scorer, paths, output, ["item", "price"], said[workers.index].append, peers=workers)[
            1
        ], scorer.num_read

    (rows, read), (rows_of_other, read_of_other) = together(2, work)
    assert rows == rows_of_other == read + read_of_other == 81 and min(read, read_of_other) > 20
    target, _ = predict(pipeline, Reading(ranker), paths, tmp_path, ["item", "price"], print)
    found, wanted = pq.read_table(tmp_path / "0.parquet"), pq.read_table(target)
    assert found.schema == wanted.schema and not (tmp_path / "1.parquet").exists()
    for name in wanted.column_names:
        if name.startswith(("probs", "logits", "y_")):
            np.testing.assert_allclose(found[name].to_numpy(), wanted[name].to_numpy(), rtol=1e-6, err_msg=name)
        else:
            assert found[name].equals(wanted[name])
    [text] = said[0]
    assert "1 row has no scores" in text and not said[1]


def test_no_batch_is_of_two_runs(folder, pipeline, ranker):
    encoder = RankerScorer(ranker, tf.float32).encoder([])

    def work(workers):
        with dealt_rows(pipeline, encoder, f"{folder}/eval/*.csv", peers=workers) as dealt:
            return [(turn.place, turn.rows.num_rows) for turn in dealt._turns(lambda rows: None)]

    first, second = together(2, work)
    lengths: dict[int, list[int]] = {}
    for place, length in [*first, *second]:
        lengths.setdefault(place, []).append(length)
    # An empty file is no block; one row of the fourth is left out.
    assert [lengths[place] for place in sorted(lengths)] == [
        [4, 4, 4, 4, 1],
        [1],
        [4, 4, 1],
        [4] * 7 + [1],
        [2],
        [4, 4, 4, 4, 4, 3],
    ]
    assert [place % 2 for place, _ in first] == [0] * len(first)


def test_runs_are_of_small_blocks_together_and_of_large_ones_alone():
    def runs(*sizes, workers=2):
        return runs_of([Block(DataFile("x", "x", LocalFileSystem()), 0, size) for size in sizes], workers)

    mib = 1 << 20
    assert runs(8 * mib, 8 * mib, 1000 * mib) == [0, 1, 2]
    assert runs(*[mib] * 1000)[:18] == [0] * 8 + [1] * 8 + [2] * 2
    assert runs(*[10] * 32) == [number // 2 for number in range(32)]
    assert runs(5, 0, 0, 5) == [0, 0, 0, 1] and runs() == []
