"""Encoded blocks on disk: the same rows, in the same order, with the same said of them, and nothing encoded twice."""

import gzip
import os
import re
import resource
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format

from easymtl.data.bad_values import BadValues
from easymtl.data.encoded_cache import EncodedCache, Encoding, look
from easymtl.data.feed import Feed
from easymtl.data.order import Share
from easymtl.data.pieces import SKIPPED
from easymtl.data.rows import Ragged, Rows
from easymtl.data.sources import open_source
from easymtl.errors import UserError
from easymtl.protos.data_pb2 import DatasetConfig

FIELDS = (
    'input_fields { input_name: "i" input_type: INT32 } input_fields { input_name: "y" input_type: INT32 } '
    'input_fields { input_name: "z" } '
)
NUM_ROWS = 3000
BAD = {0: "0,x,first", 7: "7,-1,label", 8: "8,x,value", 500: "500,-2,label", 1999: "1999,x,last", 2999: "2999,-1,last"}


class Names:
    """Numbers for names, as they are asked for."""

    def __init__(self, *names):
        self.numbers = {name: number for number, name in enumerate(names)}

    def of(self, feature, kind):
        return self.numbers.setdefault((feature, kind), len(self.numbers))

    def known(self):
        return list(self.numbers)


class Encode:
    """Encodes rows of several kinds of columns, counts them, and refuses negative labels."""

    def __init__(self, codes):
        self.codes, self.num_rows = codes, 0

    def __call__(self, batch):
        labels = batch.column("y").to_numpy()
        bad = np.unique(labels[labels < 0])
        if len(bad):
            raise BadValues("y", int(bad[0]), bad[1:].tolist(), "is negative.")
        self.num_rows += batch.num_rows
        numbers = batch.column("i").to_numpy()
        lengths = (numbers % 3).astype(np.int32)[:, None]
        odd = np.full(int((numbers % 2).sum()), self.codes.of("f", "odd"), np.int32)
        inner = Ragged(np.repeat(numbers, 2), np.full((len(numbers), 1), 2, np.int32), None)
        return Rows(
            {
                "ids_4": np.stack([numbers, numbers + 1], axis=1),
                "bags_4": Ragged(np.repeat(numbers, lengths[:, 0]), lengths, np.ones(lengths.sum(), np.float32)),
                "steps_0": Ragged(inner, np.ones((len(numbers), 1), np.int32)),
                "keep_z": batch.column("z"),
                "texts": batch.column("z").cast(pa.binary()).to_numpy(zero_copy_only=False),
                "told_odd": Ragged(odd, (numbers % 2).astype(np.int32)[:, None]),
            }
        )


@pytest.fixture(params=["csv", "gzip", "parquet"])
def paths(request, tmp_path):
    return write(tmp_path / "data", request.param, BAD)


def write(folder, kind, bad=None):
    """Writes the rows in a format, some of them bad, and returns the path of the files."""
    bad = bad or {}
    folder.mkdir(exist_ok=True)
    lines = [bad.get(row, f"{row},0,text{row % 7}") for row in range(NUM_ROWS)]
    if kind == "parquet":
        columns = {name: [line.split(",")[place] for line in lines] for place, name in enumerate("iyz")}
        pq.write_table(pa.table(columns), folder / "a.parquet", row_group_size=700)
    elif kind == "gzip":
        (folder / "a.csv.gz").write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
    else:
        for part in range(3):
            text = "".join(f"{line}\n" for line in lines[part * 1000 : part * 1000 + 1000])
            (folder / f"{part}.csv").write_text(text)
    return str(folder)


def source_of(paths, ignore_error=True):
    config = text_format.Parse(FIELDS + f"ignore_error: {str(ignore_error).lower()}", DatasetConfig())
    return open_source(paths, config, ["i", "y", "z"], block_bytes=4000, batch_rows=300)


class Run:
    """One pass or several, with a cache or without.

    Attributes:
        seen: each row of each batch as plain values, with the cursor behind the batch and its progress.
        num_encoded: rows that were encoded.
    """

    def __init__(self, paths, folder=None, part="1", max_bytes=0, most=None, codes=None, ignore_error=True, **options):
        codes = codes or Names()
        encode = Encode(codes)
        source = source_of(paths, ignore_error)
        encoding = Encoding({"part": part}, {"ids_4": "column 0"}, {"told_odd": codes})
        self.cache = EncodedCache(str(folder), max_bytes, source, encoding) if folder else None
        options = {"num_epochs": 1, "shuffle": True, "seed": 3, "window_rows": 900, "chunk_rows": 400} | options
        with Feed(source, encode, 50, cache=self.cache, **options) as feed:
            batches = [batch for batch, _ in zip(feed, range(most or 10**6))]
        self.seen = [
            (batch.cursor, batch.progress, plain(batch.rows, codes), batch.rows.nbytes - batch.rows["keep_z"].nbytes)
            for batch in batches
        ]
        self.num_encoded = encode.num_rows


def plain(rows, codes):
    """Returns the rows as plain values."""
    known = codes.known()
    bags, steps, odd = rows["bags_4"], rows["steps_0"], rows["told_odd"]
    return (
        rows["ids_4"].tolist(),
        (bags.values.tolist(), bags.lengths.tolist(), bags.weights.tolist()),
        (steps.values.values.tolist(), steps.values.lengths.tolist(), steps.lengths.tolist()),
        rows["keep_z"].to_pylist(),
        rows["texts"].tolist(),
        ([known[code] for code in odd.values], odd.lengths.tolist()),
        rows[SKIPPED].tolist() if SKIPPED in rows.columns else None,
    )


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
    for number in (0, 5, 17, 38):
        rest = whole.seen[number + 1 :]
        start = {"start": whole.seen[number][0]}
        assert Run(paths, tmp_path / "warm", **start, **options).seen == rest
        assert Run(paths, tmp_path / f"cold{number}", **start, **options).seen == rest
        # What a run that began in the middle has kept is right from the beginning, too.
        assert Run(paths, tmp_path / f"cold{number}", **options).seen == whole.seen


def test_a_run_that_is_stopped_leaves_whole_blocks_and_nothing_else(paths, tmp_path):
    options = {"prefetch": 1, "window_rows": 1, "chunk_rows": 1}
    Run(paths, tmp_path / "cache", most=1, **options)
    names = [name for _, _, names in os.walk(tmp_path / "cache") for name in names]
    assert all(name == "entry.json" or name.endswith(".rows") for name in names)
    rest = Run(paths, tmp_path / "cache", **options)
    assert rest.seen == Run(paths, **options).seen
    if len(source_of(paths).blocks) > 1:
        assert 0 < rest.num_encoded < NUM_ROWS - len(BAD)


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
    assert f'7 of 11 blocks are there (0.1 MB); "{path}" changed since.' in changed.cache.opening
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


def block_bytes(folder):
    return [path.stat().st_size for path in folder.rglob("*.rows")]


def test_what_goes_beyond_max_bytes_is_not_kept_and_that_is_told(tmp_path):
    paths = write(tmp_path / "data", "csv")
    Run(paths, tmp_path / "all")
    whole = sum(block_bytes(tmp_path / "all"))
    run = Run(paths, tmp_path / "cache", max_bytes=whole // 2)
    (message,) = run.cache.messages
    share = int(re.search(r": (\d+) % of it is there, and the rest is encoded in every pass", message)[1])
    assert 25 < share < 55
    told = float(re.search(r"All of it would take about ([\d.]+) MB", message)[1])
    assert told == pytest.approx(whole / 1e6, abs=0.1)
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
