"""A batch that has been scored, and the bytes in which one worker sends it to another."""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from easymtl.data.rows import Rows
from easymtl.layers.views import Views
from easymtl.scoring.pass_losses import BatchLosses
from easymtl.scoring.scorer import Scorer, Scores, kept_columns
from easymtl.tasks.evaluation import compact
from easymtl.tasks.labelled import Labelled
from easymtl.tasks.sums import FactoredSum, Part, Sum

_PARTS = {len(kind._fields): kind for kind in (Sum, FactoredSum)}


@dataclass(frozen=True)
class ScoredBatch:
    """What is found of some rows.

    Attributes:
        num_rows: how many.
        scores: predictions by name, `[rows, ...]`.
        numbers: labels and weights by name, `[rows]` each; empty where data need not have them.
        columns: raw columns that are handed on, by field.
        losses: what the rows add to the losses; None where the scorer cannot tell that.
    """

    num_rows: int
    scores: Scores
    numbers: dict[str, np.ndarray] = field(default_factory=dict)
    columns: dict[str, pa.Array] = field(default_factory=dict)
    losses: BatchLosses | None = None

    @classmethod
    def of(cls, rows: Rows, scorer: Scorer) -> "ScoredBatch":
        """Scores encoded rows."""
        scores, losses = scorer.score(rows)
        numbers = named_numbers(scorer, rows) if "numbers" in rows.columns else {}
        return cls(rows.num_rows, scores, numbers, kept_columns(rows), losses)

    def to_bytes(self) -> bytes:
        """Returns what `of_bytes` takes."""
        losses = self.losses
        groups = {
            "scores": self.scores,
            "numbers": self.numbers,
            "logits": losses.logits if losses else {},
            "labels": losses.labelled.numbers if losses else {},
            "keys": losses.labelled.keys if losses else {},
        }
        entries = list(_entries(losses)) if losses else []
        layers = losses.of_layers if losses else {}
        parts = [part for _, _, found in entries for part in found] + list(layers.values())
        views = [(kind, name) for kind, names in losses.views.items() for name in names] if losses else []
        of_views = [value for kind, name in views for value in losses.views[kind][name]] if losses else []
        arrays = [np.asarray(value) for group in groups.values() for value in group.values()]
        arrays += [np.asarray(value) for value in of_views]
        head = {
            "rows": self.num_rows,
            "groups": {name: list(group) for name, group in groups.items()},
            "tasks": list(losses.sums) if losses else None,
            "entries": [[task, name, len(found)] for task, name, found in entries],
            "layers": list(layers),
            "views": views,
            "sizes": [len(part) for part in parts],
        }
        numbers = np.array([np.float32(number) for part in parts for number in part], np.float32)
        return _joined(
            [json.dumps(head).encode(), _arrays_to_bytes([*arrays, numbers]), _columns_to_bytes(self.columns)]
        )

    @classmethod
    def of_bytes(cls, content: bytes) -> "ScoredBatch":
        """Returns the batch of `to_bytes`; tensors of its losses are arrays."""
        first, second, third = _apart(content)
        head = json.loads(first)
        *arrays, numbers = _arrays_of_bytes(second)
        found = iter(arrays)
        groups = {name: {key: next(found) for key in keys} for name, keys in head["groups"].items()}
        losses = None
        if head["tasks"] is not None:
            ends = np.cumsum(head["sizes"], dtype=np.int64)
            parts = iter([_PARTS[size](*numbers[end - size : end]) for size, end in zip(head["sizes"], ends)])
            sums: dict[str, dict[str, list[Part]]] = {task: {} for task in head["tasks"]}
            for task, name, count in head["entries"]:
                sums[task][name] = [next(parts) for _ in range(count)]
            of_layers = {name: Sum(*next(parts)) for name in head["layers"]}
            views: dict[str, dict[str, Views]] = {}
            for kind, name in head["views"]:
                views.setdefault(kind, {})[name] = Views(*(next(found) for _ in Views._fields))
            labelled = Labelled(groups["labels"], groups["keys"])
            losses = BatchLosses(sums, groups["logits"], labelled, of_layers, views)
        return cls(head["rows"], groups["scores"], groups["numbers"], _columns_of_bytes(third), losses)


def named_numbers(scorer: Scorer, rows: Rows) -> dict[str, np.ndarray]:
    """Returns labels and weights of encoded rows by the name of their column, `[batch]` each."""
    numbers = np.asarray(rows["numbers"])
    return {column.name: numbers[:, index] for index, column in enumerate(scorer.number_columns)}


def _entries(losses: BatchLosses) -> Iterator[tuple[str, str, list[Part]]]:
    """Yields tower, name and parts of each loss entry."""
    for task, of_task in losses.sums.items():
        for name, parts in of_task.items():
            yield task, name, list(parts)


def _joined(parts: list[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(8, "little") + part for part in parts)


def _apart(content: bytes) -> Iterator[bytes]:
    place = 0
    while place < len(content):
        size = int.from_bytes(content[place : place + 8], "little")
        yield content[place + 8 : place + 8 + size]
        place += 8 + size


def _arrays_to_bytes(arrays: list[np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    for array in arrays:
        np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _arrays_of_bytes(content: bytes) -> Iterator[np.ndarray]:
    buffer = io.BytesIO(content)
    while buffer.tell() < len(content):
        yield np.load(buffer, allow_pickle=False)


def _columns_to_bytes(columns: Mapping[str, pa.Array]) -> bytes:
    if not columns:
        return b""
    # The dictionary of a column is that of a block of the file, of which a batch has a part.
    own = [compact(column) if pa.types.is_dictionary(column.type) else column for column in columns.values()]
    batch = pa.record_batch(own, list(columns))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def _columns_of_bytes(content: bytes) -> dict[str, pa.Array]:
    if not content:
        return {}
    with pa.ipc.open_stream(content) as reader:
        batch = reader.read_next_batch()
    return dict(zip(batch.schema.names, batch.columns))
