import threading

import pyarrow as pa
import pytest

from easymtl.data.blocks import Block, Source
from easymtl.data.read_ahead import read_blocks
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
    return [one for batches in read_blocks(source, source.blocks, workers) for one in batches]


def test_batches_come_in_their_order_with_what_was_left_out(workers):
    found = read(Numbered(9), workers)
    assert [one.batch.column(0)[0].as_py() for one in found] == [10 * n + m for n in range(9) for m in range(2)]
    assert [one.part for one in found] == [0.5, 1.0] * 9
    assert [len(one.skipped) for one in found] == [0, 1] * 9


def test_rows_that_an_encoder_left_out_in_the_same_thread_are_not_those_of_a_block(workers):
    source = Numbered(4)
    found = []
    for batches in read_blocks(source, source.blocks, workers):
        for one in batches:
            found.append(len(one.skipped))
            if workers:
                workers.submit(source.skipped.add, "encoded", 100).result(WAIT)
    assert found == [0, 1] * 4


def test_an_error_comes_behind_the_batches_before_it(workers):
    source = Numbered(5, fails_at=(2, 1))
    found = []
    with pytest.raises(UserError, match="block 2"):
        for batches in read_blocks(source, source.blocks, workers):
            for one in batches:
                found.append(one.batch.column(0)[0].as_py())
    assert found == [0, 1, 10, 11, 20]


def test_blocks_ahead_are_begun_and_no_others():
    workers = Workers(2, "test-read")
    for ignores, last in ((False, 2), (True, 0)):
        source = Numbered(6, ignores)
        blocks = read_blocks(source, source.blocks, workers)
        first = next(next(blocks))
        assert first.batch.num_rows == 1
        assert all(source.begun[number].wait(WAIT) for number in range(last + 1))
        assert not any(source.begun[number].wait(0.02) for number in range(last + 1, 6))
    workers.close()
    workers.join()
