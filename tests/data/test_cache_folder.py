"""Encoded caches where there is no room, no permission, no folder any more, or somebody else at work."""

import json
import os
import re
import resource

import numpy as np
import pytest

from easymtl.data.encoded_cache import EncodedCache, Encoding
from easymtl.data.feed import Feed
from easymtl.data.rows import Rows
from tests.data.cached_runs import NUM_ROWS, Encode, Names, Run, block_bytes, source_of, write


def test_a_cache_that_nobody_can_write_is_read(tmp_path):
    paths, whole = write(tmp_path / "data", "csv"), Run(write(tmp_path / "data", "csv")).seen
    (tmp_path / "file").write_text("no folder")
    run = Run(paths, tmp_path / "file" / "cache")
    assert run.seen == whole
    assert "0 of 11 blocks are there. Nothing can be written there: " in run.cache.opening


def test_a_cache_that_is_removed_meanwhile_is_made_again(tmp_path):
    paths = write(tmp_path / "data", "csv")
    folder = tmp_path / "cache"

    class Removing(Encode):
        def __call__(self, batch):
            rows = super().__call__(batch)
            if 1200 in rows["ids_4"][:, 0]:
                folder.rename(tmp_path / str(len(list(tmp_path.iterdir()))))
            return rows

    source, codes = source_of(paths), Names()
    cache = EncodedCache(str(folder), 0, source, Encoding({"part": "1"}, {"ids_4": "column 0"}, {"told_odd": codes}))
    with Feed(source, Removing(codes), 50, cache=cache, num_epochs=2, chunk_rows=1) as feed:
        rows = [row for batch in feed for row in batch.rows["ids_4"][:, 0].tolist()]
    assert rows == 2 * list(range(NUM_ROWS))
    assert cache.messages[0] == f'The encoded cache "{folder}" was removed, and is made again.'
    again = Run(paths, folder)
    assert again.num_encoded == 0
    assert again.seen == Run(paths).seen


def test_a_full_disk_ends_the_cache_and_not_the_run(tmp_path):
    paths = write(tmp_path / "data", "csv")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Files of more bytes cannot be written by this process: what a full disk does to one of them.
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, limits[1]))
    try:
        run = Run(paths, tmp_path / "cache", num_epochs=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    (message,) = run.cache.messages
    assert "File too large, so that no more is kept of the data: 0 % of it is there" in message
    assert run.seen == Run(paths, num_epochs=2).seen
    assert run.num_encoded == 2 * NUM_ROWS
    assert not list((tmp_path / "cache").rglob("*.rows*"))


def test_what_goes_beyond_max_bytes_is_not_kept_and_that_is_told(tmp_path):
    paths = write(tmp_path / "data", "csv")
    Run(paths, tmp_path / "all")
    whole = sum(block_bytes(tmp_path / "all"))
    run = Run(paths, tmp_path / "cache", max_bytes=whole // 2)
    (message,) = run.cache.messages
    share = int(re.search(r": (\d+) % of it is there, and the rest is encoded in every pass", message)[1])
    assert 25 < share < 55
    told = float(re.search(r"All of it would take about ([\d.]+) kB", message)[1])
    assert told == pytest.approx(whole / 1e3, rel=0.1)
    assert whole // 4 < sum(block_bytes(tmp_path / "cache")) <= whole // 2
    again = Run(paths, tmp_path / "cache", max_bytes=whole // 2)
    assert 0 < again.num_encoded < NUM_ROWS
    assert again.seen == run.seen == Run(paths).seen


def test_blocks_that_were_used_longest_ago_make_room(tmp_path):
    paths, folder = write(tmp_path / "data", "csv"), tmp_path / "cache"
    for number, part in enumerate("123"):
        Run(paths, folder, part=part)
        for path in folder.rglob("*.rows"):
            os.utime(path, (number, number))
    Run(paths, folder, part="1")
    whole = sum(block_bytes(folder)) // 3
    run = Run(paths, folder, part="4", max_bytes=3 * whole + 1000)
    assert "that were not used for longest made room" in run.cache.messages[0]
    assert sum(block_bytes(folder)) <= 3 * whole + 1000
    assert {part: Run(paths, folder, part=part).num_encoded for part in "4132"} == {
        "4": 0,
        "1": 0,
        "3": 0,
        "2": NUM_ROWS,
    }


def test_blocks_that_another_one_is_using_stay(tmp_path):
    paths, folder = write(tmp_path / "data", "csv"), tmp_path / "cache"
    source = source_of(paths)
    Run(paths, folder)
    whole = sum(block_bytes(folder))
    waiting = EncodedCache(str(folder), whole + 1000, source, Encoding({"part": "2"}))
    Run(paths, folder)
    recorder = waiting.recorder(source.blocks[0])
    recorder.read(2, np.zeros(0, np.int64))
    recorder.encoded(0, Rows({"i": np.zeros(2000, np.int64)}), np.arange(2))
    assert "it has reached max_bytes (" in waiting.messages[0]
    assert sum(block_bytes(folder)) == whole


def test_one_process_writes_a_block_and_others_go_without(tmp_path):
    paths, folder = write(tmp_path / "data", "csv"), tmp_path / "cache"
    source = source_of(paths)
    first, second = (EncodedCache(str(folder), 0, source, Encoding({})) for _ in range(2))
    rows, kept = Rows({"i": np.arange(5)}), np.arange(5)
    recorders = [cache.recorder(source.blocks[0]) for cache in (first, second)]
    for recorder in recorders:
        recorder.read(5, np.zeros(0, np.int64))
        recorder.encoded(0, rows, kept)
    assert not recorders[0].is_done and recorders[1].is_done
    recorders[1].end()
    assert first.get(source.blocks[0]) is None
    recorders[0].end()
    (piece,) = second.get(source.blocks[0])
    assert piece.rows["i"].tolist() == [0, 1, 2, 3, 4]
    assert not first.messages and not second.messages


def test_what_a_killed_process_left_half_written_is_removed(tmp_path):
    paths, folder = write(tmp_path / "data", "csv"), tmp_path / "cache"
    cache = EncodedCache(str(folder), 0, source_of(paths), Encoding({}))
    left = next(folder.iterdir()) / "abc-0-1.rows.part"
    left.write_bytes(b"half")
    EncodedCache(str(folder), 0, source_of(paths), Encoding({}))
    assert not left.exists()
    assert not cache.messages


def test_files_of_other_data_are_named_as_long_as_there_are_blocks(tmp_path):
    paths = write(tmp_path / "data", "csv")
    Run(f"{paths}/0.csv,{paths}/1.csv", tmp_path / "cache")
    (entry,) = (tmp_path / "cache").glob("*/entry.json")
    first = json.loads(entry.read_text())["files"]
    assert list(first) == [f"{paths}/0.csv", f"{paths}/1.csv"]
    for path in entry.parent.glob(f"{first[f'{paths}/0.csv']}-*.rows"):
        path.unlink()
    Run(f"{paths}/2.csv", tmp_path / "cache")
    assert list(json.loads(entry.read_text())["files"]) == [f"{paths}/1.csv", f"{paths}/2.csv"]


def test_a_block_whose_folder_is_removed_while_it_is_written_is_not_the_last(tmp_path):
    source = source_of(write(tmp_path / "data", "csv"))
    cache = EncodedCache(str(tmp_path / "cache"), 0, source, Encoding({}))
    rows, kept = Rows({"i": np.arange(5)}), np.arange(5)
    for block in source.blocks[:2]:
        recorder = cache.recorder(block)
        recorder.read(5, np.zeros(0, np.int64))
        recorder.encoded(0, rows, kept)
        if block == source.blocks[0]:
            (tmp_path / "cache").rename(tmp_path / "gone")
        recorder.end()
    assert cache.messages == [f'The encoded cache "{tmp_path}/cache" was removed, and is made again.']
    assert cache.get(source.blocks[0]) is None
    assert len(cache.get(source.blocks[1])) == 1
