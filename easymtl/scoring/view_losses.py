"""Losses of layers that compare rows, of a whole pass over data, whatever the batches it is made in."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from easymtl.layers.named.auxiliary_loss import loss_of_views
from easymtl.layers.views import Views
from easymtl.tasks.reach import ROWS_OF_A_BLOCK


class ViewLosses:
    """Computes such losses on blocks of `ROWS_OF_A_BLOCK` rows in the order of the data.

    A row is looked for among those of its block, so the loss of a batch goes up with its rows. No more than the rows of
    a block and a batch are kept.
    """

    def __init__(self) -> None:
        self._losses: dict[str, _BlockLoss] = {}

    def add(self, views: Mapping[str, Mapping[str, Views]]) -> None:
        """Adds a batch: what each loss compares, by its `loss_type` and name."""
        for loss_type, by_name in views.items():
            for name, of_loss in by_name.items():
                self._losses.setdefault(name, _BlockLoss(loss_type)).add(of_loss)

    def result(self) -> dict[str, float]:
        """Returns the losses by name: the means over all rows."""
        return {name: loss.mean() for name, loss in self._losses.items()}


class _BlockLoss:
    """One of the losses."""

    def __init__(self, loss_type: str):
        self._loss_type = loss_type
        self._waiting: list[Views] = []
        self._num_waiting = self._num_rows = 0
        self._total = 0.0

    def add(self, views: Views) -> None:
        self._waiting.append(views)
        self._num_waiting += len(views.first)
        while self._num_waiting >= ROWS_OF_A_BLOCK:
            rows = self._rows()
            self._count(_cut(rows, slice(0, ROWS_OF_A_BLOCK)))
            self._waiting = [_cut(rows, slice(ROWS_OF_A_BLOCK, None))]
            self._num_waiting -= ROWS_OF_A_BLOCK

    def mean(self) -> float:
        if self._num_waiting:
            self._count(self._rows())
            self._waiting, self._num_waiting = [], 0
        return self._total / self._num_rows if self._num_rows else 0.0

    def _rows(self) -> Views:
        first, second = (np.concatenate([np.asarray(views[index]) for views in self._waiting]) for index in (0, 1))
        return self._waiting[0]._replace(first=first, second=second)

    def _count(self, block: Views) -> None:
        num_rows = len(block.first)
        self._total += float(loss_of_views(self._loss_type, block)) * num_rows
        self._num_rows += num_rows


def _cut(views: Views, rows: slice) -> Views:
    return views._replace(first=tf.constant(views.first[rows]), second=tf.constant(views.second[rows]))
