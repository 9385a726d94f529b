"""From encoded chunks to windows of rows, to batches."""

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from easymtl.data.chunks import Chunk, changed_data
from easymtl.data.order import WHOLE, Cursor, Share, permutation
from easymtl.data.rows import Rows, concat_columns
from easymtl.data.workers import Workers
from easymtl.errors import UserError


@dataclass
class Window:
    """Rows that are permuted together.

    Attributes:
        start: its position, which alone determines what it holds and its order.
        after: the position after it.
        begin: passes over the data at its start, by the bytes of the blocks.
        progress: the same at its end.
        rows: the encoded rows in the order of the files.
    """

    start: Cursor
    after: Cursor
    begin: float
    progress: float
    rows: Rows


@dataclass(frozen=True)
class Batch:
    """Rows for one step.

    Attributes:
        rows: the encoded rows.
        cursor: the position after them.
        progress: passes over the data at their end, by the bytes of the blocks.
        num_by_epoch: epoch -> how many of the rows are of it, in the order of the rows.
        run: which run of the data the rows are of, see `Share.run_of`.
    """

    rows: Rows
    cursor: Cursor
    progress: float = 0.0
    num_by_epoch: Mapping[int, int] = field(default_factory=dict)
    run: int = 0


def gather_windows(chunks: Iterator[Chunk], window_rows: int, window_bytes: int, start: Cursor) -> Iterator[Window]:
    """Yields windows of consecutive chunks of one epoch, each as soon as it has enough rows or bytes.

    What follows a window is known by then: behind the last one of an epoch comes the next epoch.

    Raises:
        UserError: `start` lies in a window that is no longer there.
    """
    collected: list[Chunk] = []
    rows = num_bytes = 0
    first = start
    held: list[Window] = []
    try:
        for chunk in chunks:
            # A chunk without rows may be the last of the epoch.
            if held and (chunk.rows is None or chunk.rows.num_rows):
                if chunk.rows is None:
                    held[0].after, held[0].progress = chunk.after, chunk.progress
                yield held.pop()
            if chunk.rows is not None:
                if first.row and chunk.start != Cursor(first.epoch, first.block, first.chunk):
                    raise UserError(changed_data(first))
                first = Cursor()
                collected.append(chunk)
                rows += chunk.rows.num_rows
                num_bytes += chunk.rows.nbytes
            if not collected:
                continue
            # One without rows would stand between the window that is held and the end of the epoch.
            is_full = rows > 0 and (rows >= window_rows or num_bytes >= window_bytes)
            if chunk.rows is None or is_full:
                held.append(_window(collected, chunk.after, chunk.progress))
                collected.clear()
                rows = num_bytes = 0
                if chunk.rows is None:
                    yield held.pop()
            del chunk
    except UserError:
        # Of rows behind it.
        yield from held
        raise
    yield from held


def _window(chunks: list[Chunk], after: Cursor, progress: float) -> Window:
    # Column by column, and each part is dropped once it is copied, to hold hardly more than one copy.
    parts = [chunk.rows.columns for chunk in chunks]
    if len(parts) > 1:
        columns = {name: concat_columns([part.pop(name) for part in parts]) for name in list(parts[0])}
    else:
        columns = parts[0]
    return Window(chunks[0].start, after, chunks[0].begin, progress, Rows(columns))


def cut_batches(
    windows: Iterator[Window],
    batch_size: int,
    shuffle: bool,
    seed: int,
    drop_remainder: bool,
    skip_rows: int,
    workers: Workers | None = None,
    share: Share = WHOLE,
) -> Iterator[Batch]:
    """Yields batches of exactly `batch_size` rows across windows and epochs; only the last of a run may be shorter.

    Args:
        windows: in their order.
        batch_size: rows of a batch.
        shuffle: permute the rows of each window.
        seed: of their order.
        drop_remainder: leave out a last batch that is short.
        skip_rows: rows of the first window that are consumed already.
        workers: take the rows of several batches at a time; None is the thread that asks.
        share: of the blocks that they are of, which says where runs end.

    Raises:
        UserError: the first window has fewer rows than were consumed of it.
    """
    plans = _plan_batches(windows, batch_size, shuffle, seed, drop_remainder, skip_rows, share)
    if workers is None:
        yield from (plan.batch() for plan in plans)
        return
    pending: deque[Future] = deque()
    for plan in plans:
        pending.append(workers.urgent.submit(plan.batch))
        del plan
        if len(pending) > workers.num_threads:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


class _Plan(NamedTuple):
    """What a batch is made of.

    Attributes:
        parts: rows of windows, and which of them; a slice is a run of them.
        cursor: of the batch, as what follows.
        progress: see there.
        num_by_epoch: see there.
        run: see there.
    """

    parts: list[tuple[Rows, np.ndarray | slice]]
    cursor: Cursor
    progress: float
    num_by_epoch: dict[int, int]
    run: int

    def batch(self) -> Batch:
        """Returns the batch."""
        pieces = [
            rows.slice(which.start, which.stop - which.start) if isinstance(which, slice) else rows.take(which)
            for rows, which in self.parts
        ]
        return Batch(Rows.concat(pieces), self.cursor, self.progress, self.num_by_epoch, self.run)


def _plan_batches(
    windows: Iterator[Window],
    batch_size: int,
    shuffle: bool,
    seed: int,
    drop_remainder: bool,
    skip_rows: int,
    share: Share,
) -> Iterator[_Plan]:
    parts: list[tuple[Rows, np.ndarray | slice]] = []
    num_by_epoch: dict[int, int] = {}
    missing = batch_size
    cursor, progress, run = Cursor(), 0.0, 0
    for window in windows:
        if parts and share.run_of(window.start.block) != run:
            yield _Plan(parts, cursor, progress, num_by_epoch, run)
            parts, num_by_epoch, missing = [], {}, batch_size
        run = share.run_of(window.start.block)
        num_rows = window.rows.num_rows
        if skip_rows and skip_rows >= num_rows:
            raise UserError(changed_data(Cursor(window.start.epoch, window.start.block, window.start.chunk, skip_rows)))
        order = _window_order(window, num_rows, seed) if shuffle else None
        row, skip_rows = skip_rows, 0
        while row < num_rows:
            count = min(missing, num_rows - row)
            which = slice(row, row + count)
            parts.append((window.rows, which if order is None else order[which]))
            num_by_epoch[window.start.epoch] = num_by_epoch.get(window.start.epoch, 0) + count
            row, missing = row + count, missing - count
            cursor, progress = _position(window, row, num_rows)
            if not missing:
                plan = _Plan(parts, cursor, progress, num_by_epoch, run)
                parts, num_by_epoch, missing = [], {}, batch_size
                yield plan
                del plan
        del window, order
    if parts and not drop_remainder:
        yield _Plan(parts, cursor, progress, num_by_epoch, run)


def _window_order(window: Window, num_rows: int, seed: int) -> np.ndarray:
    return permutation(num_rows, seed, window.start.epoch, window.start.block, window.start.chunk)


def _position(window: Window, row: int, num_rows: int) -> tuple[Cursor, float]:
    """Returns cursor and progress when `row` rows of the window are consumed."""
    if row == num_rows:
        return window.after, window.progress
    start = window.start
    progress = window.begin + (window.progress - window.begin) * row / num_rows
    return Cursor(start.epoch, start.block, start.chunk, row), progress
