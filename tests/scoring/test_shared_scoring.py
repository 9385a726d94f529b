"""Batches that workers have dealt out to each other have the scores and losses that one of them finds."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.data.rows import Rows
from easymtl.layers.views import Views
from easymtl.peers.peers import ONE
from easymtl.scoring.gate_tally import GateTally
from easymtl.scoring.pass_losses import BatchLosses
from easymtl.scoring.shared_scoring import scored
from easymtl.tasks.labelled import Labelled
from easymtl.tasks.sums import FactoredSum, Sum
from tests.peers.threads import make_devices, together

pytestmark = pytest.mark.threads


@pytest.fixture(scope="module", autouse=True)
def devices():
    make_devices()


class Scorer:
    """Scores rows by their numbers, and counts them."""

    number_columns = ()

    def __init__(self, has_labels=True):
        self.has_labels = has_labels
        self.num_rows = 0

    def score(self, rows):
        x = rows["x"].astype(np.float32)
        self.num_rows += len(x)
        predictions = {"probs_b": x / 10, "probs_a": np.stack([x, -x], axis=1)}
        if not self.has_labels:
            return predictions, None
        total = tf.reduce_sum(tf.constant(x))
        sums = {"t": {"loss": [Sum(total, total + 1, total + 2), FactoredSum(*[total] * 6)]}}
        labelled = Labelled({"y": tf.constant(x)}, {"session": tf.constant(rows["x"].astype(np.int64) << 40)})
        view = tf.constant(x[:, None])
        views = {"nce_loss": {"near": Views(view, -view, tf.constant(0.5), tf.constant(2.0))}}
        return predictions, BatchLosses(sums, {"t": tf.constant(x)}, labelled, {"aux": Sum(total, total, total)}, views)


def batches(lengths):
    ends = np.cumsum(lengths)
    return [Rows({"x": np.arange(end - length, end)}) for end, length in zip(ends, lengths)]


def plain(found):
    """Returns what was found as lists."""
    rows, predictions, losses = found
    fields = losses and (
        losses.sums,
        losses.logits,
        losses.labelled.numbers,
        losses.labelled.keys,
        losses.of_layers,
        losses.views,
    )
    return rows["x"].tolist(), tf.nest.map_structure(
        lambda leaf: np.asarray(leaf).tolist(), (predictions, fields or ())
    )


@pytest.mark.parametrize("has_labels", [True, False])
@pytest.mark.parametrize("lengths", [[4, 4, 4, 1], [4, 4, 2], [3], [5, 1, 2, 2, 5]])
@pytest.mark.parametrize("size", [2, 3])
def test_all_workers_have_what_one_finds(size, lengths, has_labels):
    wanted = [plain(found) for found in scored(iter(batches(lengths)), Scorer(has_labels), ONE)]

    def work(workers):
        scorer = Scorer(has_labels)
        found = [plain(one) for one in scored(iter(batches(lengths)), scorer, workers)]
        return found, scorer.num_rows

    results = together(size, work)
    assert all(found == wanted for found, _ in results)
    assert [rows for _, rows in results] == [sum(lengths[index::size]) for index in range(size)]


def test_gates_are_told_of_the_rows_of_all_workers():
    def work(workers):
        tally = GateTally()
        tally.name({"gate": ["one", "two"]})
        number = workers.index + 1.0
        tally.add({"gate": (np.array([number, 0.0]), number, np.ones(3), number)})
        return tally.of_all(workers).result()["gate"]

    for use in together(2, work):
        assert use.weights == {"one": 1.0, "two": 0.0} and use.entropy == 1.0 and use.counts.tolist() == [2, 2, 2]
