import gc
import gzip
import threading
import traceback
import weakref
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from easymtl.data.feed import Cursor, Feed
from easymtl.data.order import Share
from easymtl.data.rows import Ragged, Rows
from easymtl.data.sources import open_source
from easymtl.errors import UserError

NUM_ROWS = 150


def encode(batch):
    numbers = batch.column("i").to_numpy()
    lengths = (numbers % 3).astype(np.int32)[:, None]
    return Rows(
        {"i": numbers, "bags_4": Ragged(np.repeat(numbers, lengths[:, 0]), lengths), "keep_s": batch.column("s")}
    )


def lines(first, count):
    return "".join(f'{number},"s{number}\n"\n' for number in range(first, first + count)).encode()


@pytest.fixture
def source(tmp_path, make_config):
    """150 rows in three CSV files, one of them gzip, cut into 11 blocks and more chunks."""
    (tmp_path / "a.csv").write_bytes(lines(0, 40))
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(lines(40, 60)))
    (tmp_path / "c.csv").write_bytes(lines(100, 50))
    return open_source(str(tmp_path), make_config("i:INT32 s"), ["i", "s"], block_bytes=100)


@pytest.fixture
def parquet_source(tmp_path, make_config):
    table = pa.table({"i": pa.array(range(NUM_ROWS), pa.int32()), "s": [f"s{i}\n" for i in range(NUM_ROWS)]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=40)
    return open_source(str(tmp_path / "a.parquet"), make_config("i:INT32 s"), ["i", "s"], batch_rows=15)


def batches_of(source, batch_size=16, chunk_rows=1, **settings):
    with Feed(source, encode, batch_size, chunk_rows=chunk_rows, **settings) as feed:
        return list(feed)


def numbers_of(batches):
    for batch in batches:
        rows = batch.rows
        assert rows["keep_s"].to_pylist() == [f"s{number}\n" for number in rows["i"]]
        np.testing.assert_array_equal(rows["bags_4"].values, np.repeat(rows["i"], rows["i"] % 3))
    return [number for batch in batches for number in batch.rows["i"].tolist()]


def test_without_shuffle_rows_come_in_file_order(source):
    batches = batches_of(source)
    assert numbers_of(batches) == list(range(NUM_ROWS))
    assert [len(batch.rows) for batch in batches] == [16] * 9 + [6]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("batch_size", [1, 7, 16, 149, 150, 151, 1000])
def test_batches_are_exact_across_chunks_files_and_epochs(source, shuffle, batch_size):
    sizes = [len(batch.rows) for batch in batches_of(source, batch_size, shuffle=shuffle, num_epochs=2, window_rows=40)]
    assert sum(sizes) == 2 * NUM_ROWS
    assert set(sizes[:-1]) <= {batch_size}
    dropped = batches_of(source, batch_size, shuffle=shuffle, num_epochs=2, drop_remainder=True)
    assert {len(batch.rows) for batch in dropped} <= {batch_size}
    assert len(dropped) == 2 * NUM_ROWS // batch_size


@pytest.mark.parametrize("window_rows", [1, 33, 1000])
def test_each_epoch_has_each_row_once_in_an_order_of_its_own(source, window_rows):
    numbers = numbers_of(batches_of(source, 10, shuffle=True, seed=3, num_epochs=2, window_rows=window_rows))
    first, second = numbers[:NUM_ROWS], numbers[NUM_ROWS:]
    assert sorted(first) == sorted(second) == list(range(NUM_ROWS))
    assert first != second != list(range(NUM_ROWS))


def test_the_order_depends_on_the_seed_and_nothing_else(source):
    def run(seed, **settings):
        return numbers_of(batches_of(source, shuffle=True, seed=seed, window_rows=50, **settings))

    assert run(1) == run(1) == run(1, threads=1, prefetch=1)
    assert run(1) != run(2)


@pytest.mark.parametrize("shuffle, window_rows", [(False, 1), (True, 1), (True, 50), (True, 1000)])
@pytest.mark.parametrize(
    ("kind", "chunk_rows", "kept_bytes"),
    [
        ("source", 1, 0),
        ("source", 20, 0),
        ("source", 1, 1 << 20),
        ("parquet_source", 20, 0),
        ("parquet_source", 20, 1 << 20),
    ],
)
def test_from_every_cursor_the_rest_is_the_same(kind, shuffle, window_rows, chunk_rows, kept_bytes, request):
    source = request.getfixturevalue(kind)
    settings = {"shuffle": shuffle, "seed": 5, "num_epochs": 3, "window_rows": window_rows, "batch_size": 19}
    settings |= {"chunk_rows": chunk_rows, "kept_bytes": kept_bytes}
    whole = batches_of(source, **settings)
    assert len({batch.cursor for batch in whole}) == len(whole)
    for place, batch in enumerate(whole):
        rest = batches_of(source, start=Cursor.from_dict(batch.cursor.to_dict()), **settings)
        assert [one.cursor for one in rest] == [one.cursor for one in whole[place + 1 :]]
        assert numbers_of(rest) == numbers_of(whole[place + 1 :])


def test_small_record_batches_are_encoded_together(source):
    sizes = []

    def counted(batch):
        sizes.append(batch.num_rows)
        return encode(batch)

    with Feed(source, counted, 16, num_epochs=2, chunk_rows=40) as feed:
        assert numbers_of(list(feed)) == 2 * list(range(NUM_ROWS))
    assert sum(sizes) == 2 * NUM_ROWS
    assert len([size for size in sizes if size < 40]) <= 2


def test_a_window_closes_at_its_bytes_too(source):
    whole = numbers_of(batches_of(source, shuffle=True, window_rows=1000))
    assert numbers_of(batches_of(source, shuffle=True, window_rows=1000, window_bytes=1 << 20)) == whole
    small = batches_of(source, 1, shuffle=True, window_rows=1000, window_bytes=500)
    assert sorted(numbers_of(small)) == list(range(NUM_ROWS))
    assert len({(batch.cursor.block, batch.cursor.chunk) for batch in small}) > 5


@pytest.mark.parametrize("shuffle", [False, True])
def test_what_is_kept_is_read_once_and_permuted_anew(source, shuffle):
    encoded = []

    def counted(batch):
        encoded.append(batch.num_rows)
        return encode(batch)

    with Feed(source, counted, 10, shuffle=shuffle, num_epochs=3, window_rows=40, kept_bytes=1 << 20) as feed:
        numbers = numbers_of(list(feed))
    assert sum(encoded) == NUM_ROWS
    epochs = [numbers[start : start + NUM_ROWS] for start in range(0, 3 * NUM_ROWS, NUM_ROWS)]
    assert all(sorted(epoch) == list(range(NUM_ROWS)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == (3 if shuffle else 1)


def test_an_epoch_that_turns_out_too_large_is_read_again(source):
    kept_bytes = 4 * sum(block.size for block in source.blocks)
    encoded = []

    def large(batch):
        encoded.append(batch.num_rows)
        return Rows({**encode(batch).columns, "wide": np.zeros([batch.num_rows, kept_bytes // 100], np.float32)})

    with Feed(source, large, 10, num_epochs=2, kept_bytes=kept_bytes) as feed:
        assert numbers_of(list(feed)) == 2 * list(range(NUM_ROWS))
    assert sum(encoded) == 2 * NUM_ROWS


def test_zero_epochs_go_on_for_ever(source):
    with Feed(source, encode, 100, shuffle=True, num_epochs=0) as feed:
        numbers = numbers_of([next(feed) for _ in range(15)])
    for epoch in range(10):
        assert sorted(numbers[epoch * NUM_ROWS : (epoch + 1) * NUM_ROWS]) == list(range(NUM_ROWS))


def test_progress_counts_passes_over_the_data(source, parquet_source):
    for one, tolerance in ((parquet_source, 0.02), (source, 0.45)):
        with Feed(one, encode, 15, num_epochs=2, chunk_rows=1) as feed:
            seen = [(feed.progress, feed.cursor) for _ in feed]
        progress = [value for value, _ in seen]
        assert progress == sorted(progress)
        assert progress[-1] == 2.0
        assert np.abs(np.array(progress) - np.arange(1, 21) / 10).max() < tolerance
        with Feed(one, encode, 15, num_epochs=2, chunk_rows=1, start=seen[4][1]) as feed:
            next(feed)
            assert feed.progress == pytest.approx(progress[5])


@pytest.mark.parametrize("num_epochs", [0, 1, 3])
@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf"])
def test_no_rows_at_all_is_an_error(tmp_path, make_config, num_epochs, content):
    (tmp_path / "a.csv").write_bytes(content)
    source = open_source(str(tmp_path), make_config("i:INT32 s"), ["i", "s"])
    with pytest.raises(UserError, match="no rows"):
        batches_of(source, num_epochs=num_epochs)


def test_all_rows_skipped_is_an_error_that_shows_one(tmp_path, make_config):
    (tmp_path / "a.csv").write_bytes(b"x,1\ny,2\n")
    source = open_source(str(tmp_path), make_config("i:INT32 s", ignore_error="true"), ["i", "s"])
    with pytest.raises(UserError, match=r"All rows .* do not parse .*a\.csv:1: column \"i\" holds \"x\""):
        batches_of(source, num_epochs=0)


@pytest.mark.parametrize("start", [Cursor(0, 99), Cursor(0, 2, 0, 40), Cursor(0, 2, 5, 1)])
def test_a_cursor_that_is_not_in_the_data(parquet_source, start):
    with pytest.raises(UserError, match="have changed since it was saved"):
        batches_of(parquet_source, start=start)


def test_an_error_of_encode_reaches_the_consumer_with_its_traceback(source):
    def fails(batch):
        if 60 in batch.column("i").to_pylist():
            raise ZeroDivisionError("in a thread")
        return encode(batch)

    feed = Feed(source, fails, 10)
    with pytest.raises(ZeroDivisionError) as error:
        list(feed)
    assert "fails" in "".join(traceback.format_tb(error.value.__traceback__))
    assert list(feed) == []


def test_an_error_in_the_data_reaches_the_consumer(tmp_path, make_config):
    (tmp_path / "a.csv").write_bytes(lines(0, 40) + b"bad,x\n")
    source = open_source(str(tmp_path), make_config("i:INT32 s"), ["i", "s"], block_bytes=100)
    seen = []
    with pytest.raises(UserError, match=r"a\.csv:81: .*\"bad\""), Feed(source, encode, 5, chunk_rows=1) as feed:
        for batch in feed:
            seen.append(batch)
    assert numbers_of(seen) == list(range(5 * len(seen)))


def test_batches_are_placed_ahead_each_once_and_the_position_is_that_of_the_one_handed_out(source):
    begun, has_two_ahead = [], threading.Event()

    def place(batch):
        begun.append(batch.cursor)
        if len(begun) == 3:
            has_two_ahead.set()
        return replace(batch, rows=Rows({**batch.rows.columns, "placed": -batch.rows["i"]}))

    expected = batches_of(source, 30, shuffle=True, seed=5)
    found = []
    with Feed(source, encode, 30, chunk_rows=1, shuffle=True, seed=5, place=place) as feed:
        for batch in feed:
            assert has_two_ahead.wait(5)
            assert (feed.cursor, feed.progress) == (batch.cursor, batch.progress)
            found.append(batch)
    assert [batch.cursor for batch in found] == begun == [batch.cursor for batch in expected]
    assert [-number for batch in found for number in batch.rows["placed"].tolist()] == numbers_of(expected)


def test_an_error_of_placing_reaches_the_consumer_behind_the_batches_before_it(source):
    def place(batch):
        if batch.cursor.chunk or batch.cursor.block:
            raise MemoryError("of a device")
        return batch

    seen = []
    with pytest.raises(MemoryError, match="of a device"), Feed(source, encode, 2, chunk_rows=1, place=place) as feed:
        for batch in feed:
            seen.append(batch)
    assert seen and all(not batch.cursor.block and not batch.cursor.chunk for batch in seen)
    assert not list(feed)


def feed_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("easymtl")]


@pytest.mark.parametrize("place", [None, lambda batch: batch])
def test_close_ends_all_threads_at_any_moment(source, place):
    before = len(feed_threads())
    for taken in (0, 1, 5):
        feed = Feed(source, encode, 4, shuffle=True, num_epochs=0, place=place)
        for _ in range(taken):
            next(feed)
        feed.close()
        assert len(feed_threads()) == before
        assert list(feed) == []


@pytest.mark.parametrize("place", [None, lambda batch: batch])
def test_a_feed_that_is_dropped_ends_its_threads(source, place):
    before = set(feed_threads())
    feed = Feed(source, encode, 4, num_epochs=0, place=place)
    next(feed)
    started = set(feed_threads()) - before
    del feed
    gc.collect()
    for thread in started:
        thread.join(5)
    assert not any(thread.is_alive() for thread in started)


@pytest.mark.parametrize("shuffle", [False, True])
def test_memory_holds_two_windows_and_a_few_chunks(source, shuffle):
    """Counts the encoded chunks that are alive; 4 of them are a window."""
    alive, most = weakref.WeakSet(), 0

    def counted(batch):
        nonlocal most
        array = batch.column("i").to_numpy().copy()
        rows = Rows({"i": array})
        alive.add(rows)
        most = max(most, len(alive))
        return rows

    with Feed(source, counted, 4, shuffle=shuffle, num_epochs=8, window_rows=24, prefetch=2, chunk_rows=1) as feed:
        num_rows = sum(len(batch.rows) for batch in feed)
    assert num_rows == 8 * NUM_ROWS
    assert most <= (2 * 4 if shuffle else 2) + 8


def test_the_consumer_knows_how_long_it_waited(source):
    release = threading.Event()

    def waits(batch):
        release.wait(5)
        return encode(batch)

    with Feed(source, waits, 10) as feed:
        threading.Timer(0.05, release.set).start()
        next(feed)
        assert 0.03 < feed.wait_seconds < 5


@pytest.mark.parametrize("size", [2, 3, 20])
@pytest.mark.parametrize(
    "settings", [{}, {"shuffle": True}, {"kept_bytes": 1 << 20}, {"kept_bytes": 1 << 20, "shuffle": True}]
)
def test_the_shares_of_several_readers_are_all_rows_once_an_epoch(source, parquet_source, size, settings):
    for one in (source, parquet_source):
        shares = [batches_of(one, share=Share(index, size), num_epochs=2, **settings) for index in range(size)]
        for epoch in range(2):
            assert sorted(number for batches in shares for number in rows_of_epoch(batches, epoch)) == [
                *range(NUM_ROWS)
            ]


def rows_of_epoch(batches, epoch):
    """The rows of a pass: each batch tells how many of its rows are of which."""
    numbers = numbers_of(batches)
    counts = [count for batch in batches for count in batch.num_by_epoch.items()]
    ends = np.cumsum([count for _, count in counts])
    return [number for (one, count), end in zip(counts, ends) if one == epoch for number in numbers[end - count : end]]


@pytest.mark.parametrize("size", [3, 20])
@pytest.mark.parametrize("settings", [{}, {"shuffle": True}, {"kept_bytes": 1 << 20}])
def test_a_share_goes_on_where_it_was(source, parquet_source, settings, size):
    for one in (source, parquet_source):
        whole = batches_of(one, share=Share(1, size), num_epochs=3, **settings)
        for number in (0, 2, len(whole) - 1):
            rest = batches_of(one, share=Share(1, size), num_epochs=3, start=whole[number].cursor, **settings)
            assert numbers_of(rest) == numbers_of(whole[number + 1 :])


@pytest.mark.parametrize("settings", [{}, {"kept_bytes": 1 << 20}, {"kept_bytes": 1 << 20, "shuffle": True}])
def test_a_reader_without_a_row_reads_nothing_and_ends(parquet_source, settings):
    assert not batches_of(parquet_source, share=Share(NUM_ROWS, NUM_ROWS + 1), num_epochs=0, **settings)


@pytest.fixture
def source_of_one_row(tmp_path, make_config):
    """Two row groups, of which the first has one row and the other none."""
    table = pa.table({"i": pa.array([7], pa.int32()), "s": ["s7\n"]})
    with pq.ParquetWriter(tmp_path / "one.parquet", table.schema) as writer:
        writer.write_table(table)
        writer.write_table(table.slice(0, 0))
    return open_source(str(tmp_path / "one.parquet"), make_config("i:INT32 s"), ["i", "s"])


def test_a_reader_of_blocks_without_a_row_ends(source_of_one_row):
    assert len(source_of_one_row.blocks) == 2
    assert not batches_of(source_of_one_row, share=Share(1, 2), num_epochs=0)


def test_a_reader_who_meets_a_row_in_some_passes_goes_on(source_of_one_row):
    for index in range(2):
        with Feed(source_of_one_row, encode, 1, share=Share(index, 2), num_epochs=0, shuffle=True) as feed:
            assert numbers_of([next(feed) for _ in range(20)]) == [7] * 20


@pytest.mark.parametrize("settings", [{"kept_bytes": 1 << 20, "num_epochs": 2}, {}], ids=["kept", "of few blocks"])
def test_rows_of_a_session_are_of_one_reader_where_rows_are_dealt_out(parquet_source, settings):
    def encode_sessions(batch):
        numbers = batch.column("i").to_numpy()
        return Rows({"i": numbers, "keys": np.stack([numbers // 5, numbers], axis=1).astype(np.int64)})

    shares = []
    for index in range(5):
        with Feed(parquet_source, encode_sessions, 16, shuffle=True, share=Share(index, 5), **settings) as feed:
            shares.append([number for batch in feed for number in batch.rows["i"].tolist()])
    num_epochs = settings.get("num_epochs", 1)
    assert sorted(number for share in shares for number in share) == sorted([*range(NUM_ROWS)] * num_epochs)
    sessions = [{number // 5 for number in share} for share in shares]
    assert sum(map(len, sessions)) == NUM_ROWS // 5


def test_more_readers_than_blocks_have_a_part_of_the_rows_each(parquet_source):
    size = len(parquet_source.blocks) + 1
    shares = [numbers_of(batches_of(parquet_source, share=Share(index, size), chunk_rows=40)) for index in range(size)]
    assert [len(share) for share in shares] == [NUM_ROWS // size] * size
