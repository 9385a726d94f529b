"""The losses of a whole pass over data, whatever the batches it is made in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import tensorflow as tf

from easymtl.layers.views import Views
from easymtl.scoring.view_losses import ViewLosses
from easymtl.tasks.labelled import Labelled
from easymtl.tasks.reach import EACH_ROW, Reach
from easymtl.tasks.sums import Sum, Sums
from easymtl.tasks.task import Task

Columns = dict[str, np.ndarray]
T = TypeVar("T")


@dataclass(frozen=True)
class BatchLosses:
    """What a batch adds to the losses of a pass.

    Attributes:
        sums: by tower name, of the entries that look at each row by itself.
        logits: by tower name, for the others; empty where there are none.
        labelled: labels, weights and keys of the batch, for the others.
        of_layers: the losses of no task, which layers of the network add, by name.
        views: of those of them that compare rows what they compare, by `loss_type` and name; not in `of_layers`.
    """

    sums: Mapping[str, Sums]
    logits: Mapping[str, tf.Tensor]
    labelled: Labelled
    of_layers: Mapping[str, Sum] = field(default_factory=dict)
    views: Mapping[str, Mapping[str, Views]] = field(default_factory=dict)


def has_wide_losses(tasks: Sequence[Task]) -> bool:
    """Returns whether any loss looks at several rows together, so that a pass has to keep their logits."""
    return any(reach != EACH_ROW for task in tasks for reach in task.reaches.values())


class PassLosses:
    """Adds up the losses of a pass.

        losses = PassLosses(tasks)
        losses.add(batch_losses)    # for each batch
        losses.result()             # {"cross_entropy_loss_ctr": 0.61, ..., "loss": 1.02}

    The losses of layers are those of a batch as a whole: of a pass they are the mean over its rows. Those that compare
    rows are computed on blocks of `ROWS_OF_A_BLOCK` rows, which need not be kept for longer.

    Sums over rows are added in float64. Entries that compare rows are computed at the end, on whole sessions or on
    blocks of `ROWS_OF_A_BLOCK` rows: until then the logits, labels and keys of all rows are kept, 4 to 8 bytes for each
    number.
    """

    def __init__(self, tasks: Sequence[Task]):
        self._tasks = tasks
        self._sums: dict[str, Sums] | None = None
        self._of_layers: dict[str, Sum] | None = None
        self._views = ViewLosses()
        self._kept: list[list[Columns]] = []

    def add(self, losses: BatchLosses) -> None:
        """Adds a batch."""
        self._sums = _added(self._sums, losses.sums)
        self._of_layers = _added(self._of_layers, losses.of_layers)
        self._views.add(losses.views)
        if losses.logits:
            parts = (losses.logits, losses.labelled.numbers, losses.labelled.keys)
            self._kept.append([{name: np.asarray(value) for name, value in part.items()} for part in parts])

    def result(self) -> dict[str, float]:
        """Returns the losses by name and `loss`, their sum; empty when there was no batch."""
        if self._sums is None:
            return {}
        sums = self._sums
        if self._kept:
            rows = [_joined(parts) for parts in zip(*self._kept)]
            self._kept.clear()
            for reach in dict.fromkeys(reach for task in self._tasks for reach in task.reaches.values()):
                if reach != EACH_ROW:
                    found = self._wide(reach, *rows)
                    sums = {name: {**entries, **found[name]} for name, entries in sums.items()}
        losses: dict[str, float] = {}
        for task in self._tasks:
            exact = tf.nest.map_structure(lambda number: tf.constant(number, tf.float64), sums[task.name])
            reduced = task.reduced(exact)
            losses |= {name: float(reduced[name]) for name in task.loss_names}
        losses |= {name: float(found.total / found.num_all) for name, found in (self._of_layers or {}).items()}
        losses |= self._views.result()
        return {**losses, "loss": sum(losses.values())}

    def _wide(
        self,
        reach: Reach,
        logits: Mapping[str, np.ndarray],
        numbers: Mapping[str, np.ndarray],
        keys: Mapping[str, np.ndarray],
    ) -> Mapping[str, Sums]:
        """Returns the sums of the entries that look at rows together, of all rows."""
        total: dict[str, Sums] | None = None
        for part in reach.parts(len(next(iter(logits.values()))), keys):
            of_part, labelled = _cut(logits, part), Labelled(_cut(numbers, part), _cut(keys, part))
            total = _added(total, {task.name: task.sums(of_part, labelled, reach) for task in self._tasks})
        assert total is not None, "a pass has rows"
        return total


def _added(total: dict[str, T] | None, more: Mapping[str, T]) -> dict[str, T]:
    if total is None:
        return tf.nest.map_structure(np.float64, more)
    return tf.nest.map_structure(lambda number, other: number + np.float64(other), total, more)


def _joined(parts: Sequence[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _cut(columns: Mapping[str, np.ndarray], part: np.ndarray | slice) -> dict[str, tf.Tensor]:
    return {name: tf.constant(column[part]) for name, column in columns.items()}
