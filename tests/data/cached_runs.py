"""A feed of a few thousand rows with an encoded cache, for the tests of this folder."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from google.protobuf import text_format

from easymtl.data.bad_values import BadValues
from easymtl.data.encoded_cache import EncodedCache, Encoding
from easymtl.data.feed import Feed
from easymtl.data.pieces import SKIPPED
from easymtl.data.rows import Ragged, Rows
from easymtl.data.sources import open_source
from easymtl.protos.data_pb2 import DatasetConfig

FIELDS = (
    'input_fields { input_name: "i" input_type: INT32 } input_fields { input_name: "y" input_type: INT32 } '
    'input_fields { input_name: "z" } '
)
NUM_ROWS = 3000
BAD = {0: "0,x,first", 7: "7,-1,label", 8: "8,x,value", 500: "500,-2,label", 1999: "1999,x,last", 2999: "2999,-1,last"}
# Whole record batches, and blocks, without a row.
BAD |= {row: f"{row},x,value" for row in range(950, 1550)}


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


def block_bytes(folder):
    """Returns the bytes of each block in a folder."""
    return [path.stat().st_size for path in folder.rglob("*.rows")]
