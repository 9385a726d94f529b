"""The feed of training and evaluation: batches of encoded rows, prepared in threads, resumable at every batch."""

import sys
import time
from collections.abc import Callable, Iterator

import pyarrow as pa

from easymtl.data.background import Background
from easymtl.data.block_store import NO_STORE
from easymtl.data.blocks import Source
from easymtl.data.chunks import Chunk, merge_chunks, read_chunks
from easymtl.data.encoded_cache import EncodedCache
from easymtl.data.encoding import encode_chunks, end_without_rows, require_rows, share_rows
from easymtl.data.kept import is_small, keep_epochs
from easymtl.data.order import WHOLE, Cursor, Share
from easymtl.data.rows import Rows
from easymtl.data.windows import Batch, cut_batches, gather_windows
from easymtl.data.workers import Workers, num_threads

__all__ = ["Batch", "Cursor", "Feed"]

MIN_WINDOW_ROWS = 262144
_PLACED_AHEAD = 2
# One of N readers meets the only block with rows in some pass of so many times N, but for one time in e^30.
_PASSES = 30


class Feed:
    """Iterates over batches of a source; `close()` it, or use it in a `with` statement.

    With `shuffle` the order of blocks is permuted per epoch, and then the rows inside windows of consecutive
    record batches. The order is a pure function of (seed, epoch): a feed that starts at the cursor of a batch
    yields exactly what an uninterrupted one yields after that batch. A batch may span windows and epochs, and only
    the last batch of all is short; of a share of runs, no batch spans two of these.

    Data whose encoded rows are small enough is read and encoded once and kept for the next epochs. Then the blocks
    stay in their order, and all rows of an epoch are permuted together. What the source counts, it counts of what is
    read; what is told of rows travels with them (`told_...` columns), and is told in each epoch anew.

    With a cache each block is read and encoded once for all trainings. That changes nothing of the rows and their
    order: what comes from the cache takes the place of record batches, before they are put together.

    Attributes:
        source: where rows come from; it counts those that are left out.
        cache: has its blocks encoded; None where there is none.
        wait_seconds: how long the consumer has waited for batches in all.
        cursor: the position after the last batch that was handed out.
        progress: passes over the data so far, such as 1.25, by the bytes of the files.
    """

    def __init__(
        self,
        source: Source,
        encode: Callable[[pa.RecordBatch], Rows],
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        num_epochs: int = 1,
        window_rows: int = MIN_WINDOW_ROWS,
        drop_remainder: bool = False,
        start: Cursor | None = None,
        threads: int | None = None,
        prefetch: int = 8,
        window_bytes: int = 512 << 20,
        chunk_rows: int = 8192,
        kept_bytes: int = 0,
        share: Share = WHOLE,
        cache: EncodedCache | None = None,
        place: Callable[[Batch], Batch] | None = None,
    ):
        """Starts the threads.

        Args:
            source: where rows come from.
            encode: turns a record batch into rows, one for one; called from several threads.
            batch_size: rows of a batch.
            shuffle: permute blocks and rows.
            seed: of the order.
            num_epochs: passes over the data, 0 = forever.
            window_rows: rows that are permuted together, at least.
            drop_remainder: leave out a last batch that is short.
            start: where to begin; None is the beginning.
            threads: how many read, encode and cut at the same time; None goes by the processors.
            prefetch: how many batches may wait for the consumer.
            window_bytes: bytes of encoded rows for the window in use and the next one together, about. It
                is a part of what determines the order.
            chunk_rows: record batches of fewer rows are put together before they are encoded; this is a
                part of what determines the order, too.
            kept_bytes: bytes of encoded rows that may be kept between epochs; the last part of what determines
                the order.
            share: what is read of the data: a share of the rows of small data that may be kept, and of data of fewer
                blocks than there are readers; else of the blocks.
            cache: has blocks of the source, and takes others; the feed closes it.
            place: returns a batch as it is handed out, its numbers on a device; called in a thread of its own, ahead.
        """
        self.source = source
        self.cache = cache
        self.wait_seconds = 0.0
        self.cursor = start or Cursor()
        self.progress = float(self.cursor.epoch)
        source.uses_threads = len(source.blocks) == 1
        # Nothing that the threads run may hold the feed itself: then it would never be dropped.
        self._num_encoded = num_encoded = [0]
        threads = num_threads() if threads is None else threads
        self._workers = workers = Workers(threads, "easymtl-feed")
        is_kept = num_epochs != 1 and is_small(source, kept_bytes)
        # Where there are fewer blocks than readers some would have none.
        is_by_rows = share != WHOLE and (is_kept or len(source.blocks) < share.size)
        # Rows that are not kept are dealt out record batch by record batch: those are the same for all readers, and
        # those that begin in between.
        least_rows = 1 if is_by_rows and not is_kept else chunk_rows

        def counted(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
            for chunk in chunks:
                num_encoded[0] += 1
                yield chunk
                del chunk

        def read(first: Cursor, end: int) -> Iterator[Chunk]:
            of_blocks = WHOLE if is_by_rows else share
            chunks = read_chunks(
                source, shuffle and not is_kept, seed, end, first, of_blocks, cache or NO_STORE, workers
            )
            chunks = counted(
                encode_chunks(merge_chunks(chunks, least_rows, of_blocks), encode, source, workers, threads)
            )
            return share_rows(chunks, share) if is_by_rows else chunks

        start = self.cursor
        chunks = keep_epochs(read, num_epochs, start, kept_bytes) if is_kept else read(start, num_epochs)
        # Where there are other readers, they may have rows. Blocks that are shuffled are dealt out anew in each pass.
        num_passes = _PASSES * share.size if shuffle and not is_by_rows else 1
        required = require_rows(chunks, source, start) if share == WHOLE else end_without_rows(chunks, num_passes)
        encoded = Background(required, 1, "easymtl-read")
        # Without shuffling each chunk is a window.
        most_rows = sys.maxsize if is_kept else window_rows
        rows, num_bytes = (most_rows, window_bytes // 2) if shuffle else (1, 1)
        windows = Background(gather_windows(encoded, rows, num_bytes, self.cursor), 1, "easymtl-window")
        batches = cut_batches(windows, batch_size, shuffle, seed, drop_remainder, self.cursor.row, workers, share)
        self._batches = Background(batches, prefetch, "easymtl-batch")
        self._stages: list[Background] = [encoded, windows, self._batches]
        if place is not None:
            self._batches = Background(map(place, self._batches), _PLACED_AHEAD, "easymtl-place")
            self._stages.append(self._batches)

    @property
    def num_encoded(self) -> int:
        """Returns how many record batches were read and encoded so far, about: a number for who watches."""
        return self._num_encoded[0]

    def __iter__(self) -> "Feed":
        return self

    def __next__(self) -> Batch:
        begin = time.perf_counter()
        try:
            batch = next(self._batches)
        except BaseException:
            self.close()
            raise
        finally:
            self.wait_seconds += time.perf_counter() - begin
        self.cursor, self.progress = batch.cursor, batch.progress
        return batch

    def __enter__(self) -> "Feed":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        # Only tells the threads to end: waiting is no business of the garbage collector.
        for stage in getattr(self, "_stages", []):
            stage.close()
        if hasattr(self, "_workers"):
            self._workers.close()

    def close(self) -> None:
        """Ends the threads and drops what they hold. Iteration ends."""
        for stage in self._stages:
            stage.close()
        self._workers.close()
        for stage in self._stages:
            stage.join()
        self._workers.join()
        if self.cache:
            self.cache.close()
