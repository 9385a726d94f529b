"""Encoded blocks on disk: the same rows, in the same order, with the same said of them, and nothing encoded twice."""

import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from easymtl.data.encoded_cache import EncodedCache, Encoding, look
from easymtl.data.feed import Feed
from easymtl.data.order import Share
from easymtl.errors import UserError
from tests.data.cached_runs import BAD, NUM_ROWS, Encode, Names, Run, block_bytes, source_of, write


@pytest.fixture(params=["csv", "gzip", "parquet"])
def paths(request, tmp_path):
    return write(tmp_path / "data", request.param, BAD)


OPTIONS = [
    {},
    {"shuffle": False},
    {"chunk_rows": 1},
    {"num_epochs": 3, "kept_bytes": 1 << 30},
    {"num_epochs": 3, "window_bytes": 40000},
    {"share": Share(1, 3), "num_epochs": 2},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_a_cold_and_a_warm_cache_give_what_is_read(paths, tmp_path, options):
    plain_run = Run(paths, **options)
    cold = Run(paths, tmp_path / "cache", **options)
    warm = Run(paths, tmp_path / "cache", codes=Names(("g", "other"), ("f", "odd")), **options)
    assert cold.seen == plain_run.seen
    assert warm.seen == plain_run.seen
    assert warm.num_encoded == 0
    assert not warm.cache.messages


def test_what_is_read_once_is_not_encoded_again_in_the_passes_behind_it(paths, tmp_path):
    run = Run(paths, tmp_path / "cache", num_epochs=3)
    assert run.num_encoded == Run(paths).num_encoded
    assert run.seen == Run(paths, num_epochs=3).seen


@pytest.mark.parametrize("options", [{}, {"chunk_rows": 1, "num_epochs": 3, "kept_bytes": 1 << 30}])
def test_a_run_goes_on_from_every_cursor_with_and_without_a_cache(paths, tmp_path, options):
    whole = Run(paths, **options)
    Run(paths, tmp_path / "warm", **options)
    for number in (0, 17):
        rest = whole.seen[number + 1 :]
        start = {"start": whole.seen[number][0]}
        assert Run(paths, tmp_path / "warm", **start, **options).seen == rest
        assert Run(paths, tmp_path / f"cold{number}", **start, **options).seen == rest
        # What a run that began in the middle has kept is right from the beginning, too.
        assert Run(paths, tmp_path / f"cold{number}", **options).seen == whole.seen


def test_a_run_that_is_stopped_leaves_whole_blocks_and_nothing_else(paths, tmp_path):
    options = {"prefetch": 1, "window_rows": 1, "chunk_rows": 1}
    Run(paths, tmp_path / "cache", most=30, **options)
    names = [name for _, _, names in os.walk(tmp_path / "cache") for name in names]
    assert all(name == "entry.json" or name.endswith(".rows") for name in names)
    rest = Run(paths, tmp_path / "cache", **options)
    assert rest.seen == Run(paths, **options).seen
    if len(source_of(paths).blocks) > 1:
        assert rest.num_encoded < NUM_ROWS - len(BAD)


def test_several_readers_share_one_cache(paths, tmp_path):
    for index in range(3):
        Run(paths, tmp_path / "cache", share=Share(index, 3))
    whole = Run(paths, tmp_path / "cache")
    assert whole.num_encoded == 0
    assert whole.seen == Run(paths).seen


def damaged(path, how):
    data = bytearray(path.read_bytes())
    if how == "cut":
        del data[len(data) // 2 :]
    elif how == "empty":
        data.clear()
    elif how == "zeros":
        data[len(data) // 3 : len(data) // 3 + 64] = bytes(64)
    elif how == "directory":
        data[-40] ^= 1
    else:
        data[200] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("how", ["cut", "empty", "zeros", "directory", "bit"])
def test_a_damaged_block_is_made_again_with_a_word(paths, tmp_path, how):
    Run(paths, tmp_path / "cache")
    path = max((tmp_path / "cache").rglob("*.rows"))
    damaged(path, how)
    run = Run(paths, tmp_path / "cache")
    (message,) = run.cache.messages
    assert f"{path}: this block of the encoded cache is damaged, and is made again: " in message
    assert run.seen == Run(paths).seen
    assert run.num_encoded > 0
    assert not Run(paths, tmp_path / "cache").num_encoded


def test_other_data_and_other_encodings_are_not_taken_for_these(tmp_path):
    paths = write(tmp_path / "data", "csv")
    Run(paths, tmp_path / "cache")
    other = Run(paths, tmp_path / "cache", part="2")
    assert other.num_encoded == NUM_ROWS
    assert "0 of 11 blocks are there; part changed since it was made." in other.cache.opening
    # One row of one file is edited in place, far from its ends.
    path = tmp_path / "data" / "1.csv"
    text = path.read_text()
    assert len(text) < 1 << 17
    path.write_text(text.replace("1500,0,text", "1500,1,text"))
    changed = Run(paths, tmp_path / "cache", part="2")
    assert changed.num_encoded == 1000
    assert re.search(
        rf'7 of 11 blocks are there \(\d+\.\d kB\); "{path}" changed since it was kept\.', changed.cache.opening
    )
    assert changed.seen == Run(paths).seen
    assert len(list((tmp_path / "cache").rglob("*.rows"))) == 11 + 11


def test_a_file_of_more_days_leaves_the_others_cached(tmp_path):
    paths = write(tmp_path / "data", "csv")
    Run(paths, tmp_path / "cache")
    shutil.copy(tmp_path / "data" / "0.csv", tmp_path / "data" / "3.csv")
    assert Run(paths, tmp_path / "cache").num_encoded == 1000


def test_a_file_that_was_only_touched_is_read_again(tmp_path):
    paths = write(tmp_path / "data", "csv")
    Run(paths, tmp_path / "cache")
    os.utime(tmp_path / "data" / "0.csv", (1, 1))
    assert Run(paths, tmp_path / "cache").num_encoded == 1000


def test_what_the_encoder_knows_of_all_rows_travels_with_them(tmp_path):
    paths, noted = write(tmp_path / "data", "csv"), []
    for _ in range(2):
        source = source_of(paths)
        encoding = Encoding({}, notes=lambda: {"found": ["city"]}, note=noted.append)
        cache = EncodedCache(str(tmp_path / "cache"), 0, source, encoding)
        with Feed(source, Encode(Names()), 50, cache=cache) as feed:
            list(feed)
    assert noted == [{"found": ["city"]}] * len(source.blocks)


def test_a_block_of_which_something_is_to_be_told_is_read_each_time(tmp_path):
    """Quotes that seem to swallow rows are told of what is read."""
    (tmp_path / "data").mkdir()
    text = "".join(f'{row},0,"text\n' if row in (100, 140) else f"{row},0,text\n" for row in range(600))
    (tmp_path / "data" / "0.csv").write_text(text)
    runs = []
    for _ in range(2):
        source, codes = source_of(str(tmp_path / "data")), Names()
        cache = EncodedCache(str(tmp_path / "cache"), 0, source, Encoding({}, {}, {"told_odd": codes}))
        with Feed(source, Encode(codes), 50, cache=cache) as feed:
            rows = [row for batch in feed for row in batch.rows["ids_4"][:, 0].tolist()]
        runs.append((rows, source.warnings()))
    assert runs[0] == runs[1]
    assert "rows seem to be lost" in runs[0][1][0]
    assert len(list((tmp_path / "cache").rglob("*.rows"))) == len(source.blocks) - 1


def test_what_is_there_is_told_without_writing(tmp_path):
    paths, folder = write(tmp_path / "data", "csv"), tmp_path / "cache"
    source, encoding = source_of(paths), Encoding({"part": "1"}, {"ids_4": "column 0"}, {"told_odd": Names()})
    assert look(str(folder), source, encoding).share == 0
    assert not folder.exists()
    Run(paths, folder)
    state = look(str(folder), source, encoding)
    assert (state.share, state.num_bytes, state.reason) == (1, sum(block_bytes(folder)), "")


def test_an_error_in_the_data_is_found_with_a_cache_as_without(tmp_path):
    paths = write(tmp_path / "data", "csv", {1500: "1500,x,value"})
    messages = []
    for folder in (None, tmp_path / "cache", tmp_path / "cache"):
        with pytest.raises(UserError) as error:
            Run(paths, folder, ignore_error=False)
        messages.append(str(error.value))
    assert len(set(messages)) == 1
    assert "1.csv:501: " in messages[0]


def test_data_of_which_no_row_can_be_used_are_the_same_error_each_time(tmp_path):
    paths = write(tmp_path / "data", "csv", {row: f"{row},-1,label" for row in range(NUM_ROWS)})
    messages = []
    for _ in range(2):
        with pytest.raises(UserError) as error:
            Run(paths, tmp_path / "cache")
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    assert "All rows of the data were skipped" in messages[0]


def test_readers_at_the_same_time_read_the_same(paths, tmp_path):
    whole = Run(paths, num_epochs=3).seen
    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(lambda _: Run(paths, tmp_path / "cache", num_epochs=3), range(3)))
    assert all(run.seen == whole and not run.cache.messages for run in runs)
    assert Run(paths, tmp_path / "cache").num_encoded == 0
