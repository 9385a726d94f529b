"""What workers find of their batches comes in the order of the data, whole, to the chief."""

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from easymtl.data.rows import Rows
from easymtl.features.encoder import KEEP_PREFIX
from easymtl.features.numbers import NumberColumn
from easymtl.layers.views import Views
from easymtl.peers.peers import ONE
from easymtl.scoring.gate_tally import GateTally
from easymtl.scoring.pass_losses import BatchLosses
from easymtl.scoring.shared_scoring import Turn, scored
from easymtl.tasks.labelled import Labelled
from easymtl.tasks.sums import FactoredSum, Sum
from tests.peers.threads import make_devices, together

pytestmark = pytest.mark.threads


@pytest.fixture(scope="module", autouse=True)
def devices():
    make_devices()


class Scorer:
    """Scores rows by their numbers, and counts batches."""

    number_columns = (NumberColumn("y", "y"),)

    def __init__(self, has_labels=True, looks_up_together=False):
        self.has_labels = has_labels
        self.looks_up_together = looks_up_together
        self.unseen = None
        self.lengths = []

    def score(self, rows):
        x = rows["numbers"][:, 0].astype(np.float32)
        self.lengths.append(len(x))
        predictions = {"probs_b": x / 10, "probs_a": np.stack([x, -x], axis=1), "y": x.astype(np.int64)}
        if not self.has_labels:
            return predictions, None
        total = tf.reduce_sum(tf.constant(x))
        sums = {"t": {"loss": [Sum(total, total + 1, total + 2), FactoredSum(*[total] * 6)]}, "wide": {}}
        labelled = Labelled({"y": tf.constant(x)}, {"session": tf.constant(x.astype(np.int64) << 40)})
        view, of_layers = tf.constant(x[:, None]), {"aux": Sum(total, total, total)}
        views = {"nce_loss": {"near": Views(view, -view, tf.constant(0.5), tf.constant(2.0))}}
        return predictions, BatchLosses(sums, {"wide": tf.constant(x)}, labelled, of_layers, views)


def batches(lengths):
    """Returns batches of numbers that go up, with a text that is kept; every third text is missing."""
    ends = np.cumsum(lengths)
    found = []
    for end, length in zip(ends, lengths):
        x = np.arange(end - length, end)
        texts = pa.array([None if number % 3 == 0 else f"t{number % 5}" for number in x], pa.string())
        found.append(
            Rows({"numbers": x.astype(np.float32)[:, np.newaxis], f"{KEEP_PREFIX}text": texts.dictionary_encode()})
        )
    return found


def plain(found):
    """Returns what was found as lists."""
    num_rows, batch = found
    losses = batch.losses
    fields = losses and (
        losses.sums,
        losses.logits,
        losses.labelled.numbers,
        losses.labelled.keys,
        losses.of_layers,
        losses.views,
    )
    texts = batch.columns["text"].dictionary_decode().to_pylist()
    leaves = tf.nest.map_structure(lambda leaf: np.asarray(leaf).tolist(), (batch.scores, batch.numbers, fields or ()))
    return num_rows, batch.num_rows, texts, leaves


def turns_of(places, lengths, index, size):
    """Returns the batches of a worker, given the place of each one."""
    return iter([Turn(place, rows) for place, rows in zip(places, batches(lengths)) if place % size == index])


def no_rows():
    return batches([0])[0]


@pytest.mark.parametrize("has_labels", [True, False])
@pytest.mark.parametrize(
    ("places", "lengths"),
    [
        ([0, 1, 2, 3], [4, 4, 4, 1]),
        ([0], [3]),
        ([5], [3]),
        # Runs of several batches, one of none, and one that is far longer than the others.
        ([0, 0, 1, 3, 3, 3, 3, 3, 4], [5, 1, 2, 2, 5, 1, 1, 1, 2]),
        ([0, 0, 0, 0, 0, 1], [1, 2, 3, 4, 5, 6]),
    ],
)
@pytest.mark.parametrize("size", [2, 3])
def test_the_chief_has_in_order_what_all_have_found(size, places, lengths, has_labels):
    wanted = [
        plain(one) for one in scored(turns_of([0] * len(places), lengths, 0, 1), Scorer(has_labels), ONE, no_rows)
    ]
    wanted_losses = [type(part) for part in (Sum, FactoredSum)] if has_labels else []
    assert len(wanted) == len(lengths) and len(wanted_losses) in (0, 2)

    def work(workers):
        scorer, asked = Scorer(has_labels), []
        own = turns_of(places, lengths, workers.index, size)
        found = list(scored(own, scorer, workers, no_rows, lambda: asked.append(1)))
        return found, scorer.lengths, len(asked)

    (of_chief, *others) = results = together(size, work)
    assert [plain(one) for one in of_chief[0]] == wanted
    for found, *_ in others:
        assert found == [(length, None) for length in lengths]
    for index, (_, own, _) in enumerate(results):
        assert own == [length for place, length in zip(places, lengths) if place % size == index]
    assert len({asked for *_, asked in results}) == 1, "all ask as often whether to go on"


def test_who_has_no_batch_looks_up_with_the_others_where_rows_are_dealt_out():
    def work(workers):
        scorer = Scorer(looks_up_together=True)
        list(scored(turns_of([0, 0, 0, 1], [4, 4, 4, 1], workers.index, 2), scorer, workers, no_rows))
        return scorer.lengths

    assert together(2, work) == [[4, 4, 4, 0], [1, 0, 0, 0]]


def test_gates_are_told_of_the_rows_of_all_workers():
    def work(workers):
        tally = GateTally()
        if workers.index < 2:
            tally.name({"gate": ["one", "two"]})
            number = workers.index + 1.0
            tally.add({"gate": (np.array([number, 0.0]), number, np.ones(3), number)})
        return tally.of_all(workers).result()["gate"]

    for use in together(3, work):
        assert use.weights == {"one": 1.0, "two": 0.0} and use.entropy == 1.0 and use.counts.tolist() == [2, 2, 2]
