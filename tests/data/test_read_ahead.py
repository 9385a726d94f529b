import threading

import numpy as np
import pyarrow as pa
import pytest

from easymtl.data.block_store import NO_STORE
from easymtl.data.blocks import Block, Source
from easymtl.data.pieces import Piece
from easymtl.data.read_ahead import read_blocks
from easymtl.data.rows import Rows
from easymtl.data.workers import Workers
from easymtl.errors import UserError

WAIT = 5


class Numbered(Source):
    """Blocks of two batches, which tell when they are begun; each batch leaves out a row for each of its number."""

    def __init__(self, num_blocks, ignore_error=False, fails_at=None):
        super().__init__({}, [Block(None, number, 1, 2) for number in range(num_blocks)], ignore_error)
        self.begun = {number: threading.Event() for number in range(num_blocks)}
        self.fails_at = fails_at

    def read(self, block):
        self.begun[block.start].set()
        for number in range(2):
            if (block.start, number) == self.fails_at:
                raise UserError(f"block {block.start}")
            self.skipped.add(f"row of block {block.start}", number)
            self.skipped.place([0] * number)
            yield pa.record_batch({"i": [10 * block.start + number]})


@pytest.fixture(params=[0, 1, 2, 5])
def workers(request):
    workers = Workers(request.param, "test-read") if request.param else None
    yield workers
    if workers:
        workers.close()
        workers.join()


def read(source, workers):
    return [one for block in read_blocks(source, source.blocks, NO_STORE, workers) for one in block.reads]


def test_batches_come_in_their_order_with_what_was_left_out(workers):
    found = read(Numbered(9), workers)
    assert [one.batch.column(0)[0].as_py() for one in found] == [10 * n + m for n in range(9) for m in range(2)]
    assert [one.part for one in found] == [0.5, 1.0] * 9
    assert [len(one.skipped) for one in found] == [0, 1] * 9


def test_rows_that_an_encoder_left_out_in_the_same_thread_are_not_those_of_a_block(workers):
    source = Numbered(4)
    found = []
    for block in read_blocks(source, source.blocks, NO_STORE, workers):
        for one in block.reads:
            found.append(len(one.skipped))
            if workers:
                workers.submit(source.skipped.add, "encoded", 100).result(WAIT)
    assert found == [0, 1] * 4


def test_an_error_comes_behind_the_batches_before_it(workers):
    source = Numbered(5, fails_at=(2, 1))
    found = []
    with pytest.raises(UserError, match="block 2"):
        for block in read_blocks(source, source.blocks, NO_STORE, workers):
            for one in block.reads:
                found.append(one.batch.column(0)[0].as_py())
    assert found == [0, 1, 10, 11, 20]


class Odd:
    """Has the odd blocks, each as a piece without rows and one of a row behind one that was left out."""

    def get(self, block):
        if not block.start % 2:
            return None
        left_out = np.zeros(1, np.int64)
        empty, full = (Rows({"i": np.full(size, 10 * block.start + size - 1)}) for size in (0, 1))
        return [Piece(empty, 0, left_out), Piece(full, 2, left_out)]

    def recorder(self, block):
        return None


def test_what_is_kept_is_not_read_and_comes_in_its_place(workers):
    source = Numbered(5)
    found = [(block.is_kept, list(block.reads)) for block in read_blocks(source, source.blocks, Odd(), workers)]
    assert [is_kept for is_kept, _ in found] == [False, True, False, True, False]
    assert [source.begun[number].is_set() for number in range(5)] == [True, False, True, False, True]
    first, second = found[3][1]
    assert (first.part, second.part, second.batch.rows["i"].tolist()) == (0.0, 1.0, [30])
    # A piece without rows has none that tells what was left out.
    assert [len(first.skipped), len(second.skipped)] == [1, 0]


def test_blocks_ahead_are_begun_and_no_others():
    workers = Workers(2, "test-read")
    for ignores, last in ((False, 2), (True, 0)):
        source = Numbered(6, ignores)
        blocks = read_blocks(source, source.blocks, NO_STORE, workers)
        first = next(next(blocks).reads)
        assert first.batch.num_rows == 1
        assert all(source.begun[number].wait(WAIT) for number in range(last + 1))
        assert not any(source.begun[number].wait(0.02) for number in range(last + 1, 6))
    workers.close()
    workers.join()
