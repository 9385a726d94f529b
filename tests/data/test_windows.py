"""Each stage between blocks and batches by itself: positions, progress, and where things begin and end."""

from concurrent.futures import Future

import numpy as np
import pyarrow as pa
import pytest

from easymtl.data.blocks import Block, Source
from easymtl.data.chunks import Chunk, block_order, merge_chunks, read_chunks
from easymtl.data.encoding import encode_chunks, require_rows
from easymtl.data.order import Cursor, permutation
from easymtl.data.rows import Rows
from easymtl.data.windows import Window, cut_batches, gather_windows
from easymtl.errors import UserError


def batch_of(num_rows: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"i": pa.array(range(num_rows), pa.int64())})


class Listed(Source):
    """Blocks of record batches of so many rows."""

    def __init__(self, *blocks: tuple[Block, list[int]]):
        super().__init__({}, [block for block, _ in blocks])
        self.batches = {block.start: sizes for block, sizes in blocks}

    def read(self, block):
        return map(batch_of, self.batches[block.start])


BEGINNING = Cursor()
KNOWN = Block(None, 0, 30, num_rows=3)
UNKNOWN = Block(None, 1, 10)


def num_rows_of(chunk: Chunk) -> int | None:
    return None if chunk.rows is None else chunk.rows.num_rows


def positions(source, start=BEGINNING, num_epochs=1, shuffle=False):
    return [
        (chunk.start, chunk.after, chunk.begin, chunk.progress, num_rows_of(chunk))
        for chunk in read_chunks(source, shuffle, 5, num_epochs, start)
    ]


def epoch_of_two_blocks(epoch: int) -> list:
    return [
        (Cursor(epoch, 0, 0), Cursor(epoch, 0, 1), epoch, epoch + 0.5, 2),
        # The record batch without rows, in between, is left out and has its place.
        (Cursor(epoch, 0, 2), Cursor(epoch, 0, 3), epoch + 0.5, epoch + 0.75, 1),
        (Cursor(epoch, 1, 0), Cursor(epoch, 1, 1), epoch + 0.75, epoch + 1, 4),
        (Cursor(epoch, 2), Cursor(epoch + 1), epoch + 1, epoch + 1, None),
    ]


def two_blocks() -> Listed:
    return Listed((KNOWN, [2, 0, 1]), (UNKNOWN, [4]))


def test_chunks_know_their_place_and_the_share_of_the_bytes_before_them():
    assert positions(two_blocks(), num_epochs=2) == epoch_of_two_blocks(0) + epoch_of_two_blocks(1)


@pytest.mark.parametrize(
    "start, left_out",
    [
        (Cursor(0, 0, 0, 7), 0),
        (Cursor(0, 0, 1), 1),
        (Cursor(0, 0, 3), 2),
        (Cursor(0, 1), 2),
        (Cursor(0, 1, 1), 3),
        (Cursor(0, 2), 3),
        (Cursor(1), 4),
        (Cursor(1, 1), 6),
    ],
)
def test_chunks_from_any_position_on_are_those_of_a_whole_pass(start, left_out):
    assert positions(two_blocks(), start, num_epochs=2) == positions(two_blocks(), num_epochs=2)[left_out:]


def test_a_position_behind_the_end_is_refused():
    with pytest.raises(UserError, match="is not there: the files, or"):
        positions(two_blocks(), Cursor(0, 3))


def test_a_stream_of_unknown_length_is_read_when_it_has_been_read():
    source = Listed((Block(None, 0, 30, is_stream=True), [1, 1]), (UNKNOWN, [1]))
    assert [(begin, progress) for _, _, begin, progress, _ in positions(source)] == [
        (0, 0),
        (0, 0),
        (0.75, 1),
        (1, 1),
    ]


def test_blocks_without_a_size_have_no_progress():
    assert [progress for *_, progress, _ in positions(Listed((Block(None, 0, 0), [1, 1])))] == [0, 0, 1]


def test_shuffled_blocks_are_counted_in_the_order_in_which_they_are_read():
    source = Listed(*[(Block(None, number, 1 + number), [1]) for number in range(8)])
    orders = [block_order(8, True, 5, epoch).tolist() for epoch in range(2)]
    assert orders[0] != orders[1]
    assert orders[0] == permutation(8, 5, 0).tolist()
    assert block_order(8, False, 5, 1).tolist() == list(range(8))
    whole = positions(source, num_epochs=2, shuffle=True)
    sizes = [1 + number for order in orders for number in order]
    ends = np.cumsum(sizes) / 36
    np.testing.assert_allclose([each[3] for each in whole if each[4]], ends)
    assert positions(source, Cursor(0, 5), num_epochs=2, shuffle=True) == whole[5:]


def test_only_a_whole_epoch_without_rows_is_no_data():
    empty = Listed((KNOWN, [0]), (UNKNOWN, [0]))
    with pytest.raises(UserError, match="no rows"):
        positions(empty)
    half = Listed((KNOWN, [1]), (UNKNOWN, [0]))
    for start in (Cursor(0, 1), Cursor(0, 0, 1)):
        assert positions(half, start) == [(Cursor(0, 2), Cursor(1), 1, 1, None)]
    with pytest.raises(UserError, match="no rows"):
        positions(empty, Cursor(0, 1), num_epochs=2)


def chunks_of(*sizes: int | None, epoch: int = 0, block: int = 0) -> list[Chunk]:
    """Returns encoded chunks of so many rows, all of one block; None is the end of an epoch."""
    made, place, row = [], 0, 0
    for size in sizes:
        start = Cursor(epoch, block, place)
        if size is None:
            epoch, place = epoch + 1, 0
            made.append(Chunk(start, Cursor(epoch), epoch, epoch, None))
        else:
            rows = Rows({"i": np.arange(row, row + size)})
            after, begin = Cursor(epoch, block, place + 1), epoch + place / 10
            made.append(Chunk(start, after, begin, begin + 0.1, rows))
            place, row = place + 1, row + size
    return made


def raw_chunks_of(*sizes: int | None) -> list[Chunk]:
    """Returns the same before they are encoded, each of two blocks."""
    blocks = [Block(None, number, 1) for number in range(len(sizes) + 1)]
    return [
        Chunk(
            *(one.start, one.after, one.begin, one.progress),
            None if one.rows is None else batch_of(one.rows.num_rows),
            tuple(blocks[place : place + 2]),
        )
        for place, one in enumerate(chunks_of(*sizes))
    ]


def test_few_rows_are_put_together_until_they_are_enough_or_the_epoch_ends():
    chunks = raw_chunks_of(1, 2, 3, 2, 1, 1, None, 1, None)
    merged = list(merge_chunks(iter(chunks), 3))
    assert [one.rows and one.rows.column("i").to_pylist() for one in merged] == [
        [0, 0, 1],
        [0, 1, 2],
        [0, 1, 0],
        [0],
        None,
        [0],
        None,
    ]
    first, third = merged[0], merged[2]
    assert (first.start, first.begin) == (chunks[0].start, chunks[0].begin)
    assert (first.after, first.progress) == (chunks[1].after, chunks[1].progress)
    assert [block.start for block in first.blocks] == [0, 1, 2]
    assert (third.start, third.after, third.progress) == (chunks[3].start, chunks[4].after, chunks[4].progress)
    assert [merged[place] for place in (1, 3, 4)] == [chunks[place] for place in (2, 5, 6)]


@pytest.mark.parametrize("window_rows", [0, 1])
@pytest.mark.parametrize("sizes", [(4, None), (4, 0, None), (4, 0, 0, None)])
def test_behind_the_last_rows_of_an_epoch_comes_the_next_whatever_is_between(sizes, window_rows):
    window, *without_rows = gather_windows(iter(chunks_of(*sizes)), window_rows, 1, BEGINNING)
    assert not any(one.rows.num_rows for one in without_rows)
    assert (window.after, window.progress) == (Cursor(1), 1)


class Pool:
    """Does what is submitted at once, and counts it."""

    def __init__(self):
        self.submitted = 0

    def submit(self, function, *arguments):
        self.submitted += 1
        future = Future()
        future.set_result(function(*arguments))
        return future


@pytest.mark.parametrize("ahead", [1, 3])
def test_while_a_chunk_is_used_some_more_are_in_work_and_no_others(ahead):
    pool, source = Pool(), Listed()
    chunks = raw_chunks_of(*[1] * 9, None)
    encoded = encode_chunks(iter(chunks), lambda batch: Rows({"i": batch.column("i").to_numpy()}), source, pool, ahead)
    for place, chunk in enumerate(encoded):
        assert pool.submitted == min(place + 1 + ahead, 9)
        assert (chunk.start, chunk.after, chunk.progress) == (
            chunks[place].start,
            chunks[place].after,
            chunks[place].progress,
        )
        assert (chunk.rows is None) == (place == 9)
    assert place == 9


def test_an_epoch_in_which_no_row_can_be_used_is_an_error():
    def required(*sizes, start=BEGINNING):
        return [num_rows_of(chunk) for chunk in require_rows(iter(chunks_of(*sizes)), Listed(), start)]

    assert required(0, 2, 0, None, 1, None) == [0, 2, 0, None, 1, None]
    for sizes in ((0, 0, None), (2, None, 0, None)):
        with pytest.raises(UserError, match="no rows"):
            required(*sizes)
    # What is left of an epoch may have none; the next one is whole.
    assert required(0, None, 1, None, start=Cursor(0, 0, 1)) == [0, None, 1, None]
    with pytest.raises(UserError, match="no rows"):
        required(0, None, 0, None, start=Cursor(0, 0, 1))
    with pytest.raises(UserError, match="no rows"):
        required(0, None, start=Cursor(3))


def windows_of(chunks, rows=1000, num_bytes=1 << 20, start=BEGINNING):
    return list(gather_windows(iter(chunks), rows, num_bytes, start))


def test_a_window_closes_when_it_has_its_rows_or_bytes_or_the_epoch_ends():
    sizes = (2, 2, 3, 1, None, 1, None)
    for windows in (windows_of(chunks_of(*sizes), rows=4), windows_of(chunks_of(*sizes), num_bytes=4 * 8)):
        assert [window.rows["i"].tolist() for window in windows] == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
        first, second, third = windows
        assert (first.start, first.after) == (Cursor(0, 0, 0), Cursor(0, 0, 2))
        # Nothing is left of the epoch, though no chunk without rows was needed to close it.
        assert (second.start, second.after, second.progress) == (Cursor(0, 0, 2), Cursor(1), 1)
        assert (first.begin, first.progress, second.begin) == pytest.approx((0, 0.2, 0.2))
        assert (third.start, third.after, third.begin, third.progress) == (Cursor(1), Cursor(2), 1, 2)
    (whole, _) = windows_of(chunks_of(*sizes))
    assert (whole.after, whole.progress) == (Cursor(1), 1)


def test_what_comes_before_rows_that_cannot_be_read_is_used():
    def chunks():
        yield from chunks_of(2, 2)
        raise UserError("the third")

    found = gather_windows(chunks(), 2, 1 << 20, BEGINNING)
    assert [next(found).rows.num_rows for _ in range(2)] == [2, 2]
    with pytest.raises(UserError, match="the third"):
        next(found)


def test_a_window_that_is_gone_is_refused_at_its_first_chunk_only():
    chunks = chunks_of(2, 2, None, 2, None, epoch=3, block=5)
    start = Cursor(3, 5, 1, 1)
    assert len(windows_of(chunks[1:], rows=1, start=start)) == 2
    with pytest.raises(UserError, match="is not there: the files, or"):
        windows_of(chunks, rows=1, start=start)
    # At a border of windows any chunk may be the first: those before it may have lost their rows.
    assert len(windows_of(chunks, rows=1, start=Cursor(3, 5, 1))) == 3


def windows(*sizes: int) -> list[Window]:
    """Returns windows of so many rows, of epoch 0 and block 2."""
    return windows_of(chunks_of(*sizes, block=2), rows=1)


def cut(sizes, batch_size=4, shuffle=False, drop_remainder=False, skip_rows=0, seed=5):
    return list(cut_batches(iter(windows(*sizes)), batch_size, shuffle, seed, drop_remainder, skip_rows))


def test_batches_are_cut_across_windows_and_know_the_position_behind_them():
    batches = cut([6, 3, 2])
    assert [batch.rows["i"].tolist() for batch in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    assert [batch.cursor for batch in batches] == [Cursor(0, 2, 0, 4), Cursor(0, 2, 1, 2), Cursor(0, 2, 3)]
    assert [batch.progress for batch in batches] == pytest.approx([0.1 * 4 / 6, 0.1 + 0.1 * 2 / 3, 0.3])
    assert [batch.cursor for batch in cut([4, 4])] == [Cursor(0, 2, 1), Cursor(0, 2, 2)]


def test_only_a_last_batch_that_is_short_is_dropped():
    assert [len(batch.rows) for batch in cut([6, 3], drop_remainder=True)] == [4, 4]
    assert [len(batch.rows) for batch in cut([5, 3], drop_remainder=True)] == [4, 4]
    assert [len(batch.rows) for batch in cut([5, 3])] == [4, 4]


def test_rows_that_were_used_are_skipped_in_the_first_window_alone():
    assert [batch.rows["i"].tolist() for batch in cut([3, 5], skip_rows=2)] == [[2, 3, 4, 5], [6, 7]]
    for skipped in (3, 4):
        with pytest.raises(
            UserError, match=rf"'epoch': 0, 'block': 2, 'chunk': 0, 'row': {skipped}.* is not there: the files, or"
        ):
            cut([3, 5], skip_rows=skipped)


def test_the_rows_of_a_window_are_permuted_by_seed_and_position():
    (first, second) = cut([20, 20], batch_size=20, shuffle=True)
    np.testing.assert_array_equal(first.rows["i"], permutation(20, 5, 0, 2, 0))
    np.testing.assert_array_equal(second.rows["i"], 20 + permutation(20, 5, 0, 2, 1))
    rest = cut([20, 20], batch_size=20, shuffle=True, skip_rows=15)
    np.testing.assert_array_equal(rest[0].rows["i"][:5], first.rows["i"][15:])
    (other, _) = cut([20, 20], batch_size=20, shuffle=True, seed=6)
    assert other.rows["i"].tolist() != first.rows["i"].tolist()


def test_a_batch_tells_which_of_its_rows_are_of_which_epoch():
    windows = iter(
        Window(Cursor(epoch), Cursor(epoch + 1), epoch, epoch + 1, Rows({"i": np.arange(3)})) for epoch in (4, 5)
    )
    found = [dict(batch.num_by_epoch) for batch in cut_batches(windows, 2, False, 0, False, 0)]
    assert found == [{4: 2}, {4: 1, 5: 1}, {5: 2}]
