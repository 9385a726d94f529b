"""Scoring that workers share out: each scores some batches, and all of them have the scores of all."""

import io
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import tensorflow as tf

from easymtl.data.rows import Rows
from easymtl.peers.peers import Peers
from easymtl.scoring.pass_losses import BatchLosses
from easymtl.scoring.scorer import Scorer, Scores
from easymtl.tasks.labelled import Labelled


def scored(batches: Iterator[Rows], scorer: Scorer, peers: Peers) -> Iterator[tuple[Rows, Scores, BatchLosses | None]]:
    """Yields batches with what `Scorer.score` returns of them, in order.

    Args:
        batches: the same on all workers.
        scorer: of the same weights on all workers.
        peers: the workers; the batches are dealt out in turns.
    """
    if not peers.are_several:
        for rows in batches:
            yield rows, *scorer.score(rows)
        return
    while group := list(islice(batches, peers.size)):
        # Who has none scores no rows: looking up rows of tables may need all workers.
        own = group[peers.index] if peers.index < len(group) else group[0].slice(0, 0)
        for rows, found in zip(group, _of_all(*scorer.score(own), peers)):
            yield rows, *found


def rows_of_all(arrays: Sequence[np.ndarray], peers: Peers) -> list[np.ndarray]:
    """Returns the rows of all workers in their order, for each of several arrays `[rows, ...]`."""
    if not peers.are_several:
        return list(arrays)
    of_workers = [_unpacked(content, len(arrays)) for content in peers.share_bytes(_packed(list(arrays)))]
    return [np.concatenate(parts) for parts in zip(*of_workers)]


def _of_all(
    predictions: Scores, losses: BatchLosses | None, peers: Peers
) -> Iterator[tuple[Scores, BatchLosses | None]]:
    """Yields what each worker has found."""
    labelled = losses and (losses.labelled.numbers, losses.labelled.keys)
    fields = losses and (losses.sums, losses.logits, labelled, losses.of_layers, losses.views)
    leaves = [np.asarray(leaf) for leaf in tf.nest.flatten((predictions, fields or ()))]
    for content in peers.share_bytes(_packed(leaves)):
        found, others = tf.nest.pack_sequence_as((predictions, fields or ()), _unpacked(content, len(leaves)))
        if losses is None:
            yield found, None
            continue
        sums, logits, (numbers, keys), of_layers, views = tf.nest.map_structure(tf.constant, others)
        yield found, BatchLosses(sums, logits, Labelled(numbers, keys), of_layers, views)


def _packed(arrays: list[np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, *arrays)
    return buffer.getvalue()


def _unpacked(content: bytes, number: int) -> list[np.ndarray]:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return [arrays[f"arr_{index}"] for index in range(number)]
