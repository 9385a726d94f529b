"""Writes synthetic data sets as Parquet or CSV files, block by block in flat memory."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.synth.data_set import TRUTH_PREFIX, Blocks, DataSet
from easymtl.synth.feed import Feed
from easymtl.synth.funnel import Funnel
from easymtl.synth.livestream import Livestream
from easymtl.synth.mmoe_paper import MMoEPaper, MMoEPaperBlocks
from easymtl.synth.posts import Posts
from easymtl.synth.sampling import with_texts
from easymtl.synth.taobao import Taobao
from easymtl.synth.tenrec import Tenrec

HIDDEN_MODELS: tuple[DataSet, ...] = (Livestream(), Taobao(), Tenrec(), Funnel(), Feed(), Posts())
DATA_SETS: dict[str, DataSet | MMoEPaper] = {
    **{data_set.name: data_set for data_set in HIDDEN_MODELS},
    MMoEPaper.name: MMoEPaper(),
}
FORMATS = ("parquet", "csv")
HISTORIES = ("lists", "text")
_MOST_EVAL_ROWS = 200_000


def default_folder(name: str) -> str:
    """Returns the folder that the sample configs read the data set `name` from."""
    return f"samples/data/{name}"


def write(
    name: str,
    num_rows: int,
    seed: int = 0,
    out: str | os.PathLike | None = None,
    format: str | None = None,
    eval_rows: int | None = None,
    header: bool = False,
    truth: bool | None = None,
    histories: str | None = None,
    tell: Callable[[int], None] = lambda num_rows: None,
) -> dict[str, Path]:
    """Writes `train.<format>` and `eval.<format>` of a synthetic data set.

    Row n is a pure function of (name, seed, n), so a longer file begins with the rows of a shorter one.

    Args:
        name: a key of `DATA_SETS`.
        num_rows: rows of the training file.
        seed: another seed is another hidden model.
        out: folder, made if needed; `default_folder(name)` when not given.
        format: `parquet` or `csv`; when not given, the one that the sample configs of the data set read.
        eval_rows: rows of the evaluation file; a fifth of `num_rows`, at most 200,000, when not given.
        header: whether CSV files begin with the names of the columns.
        truth: whether to write the `true_<label>` columns; when not given, all but CSV files without a
            header have them (their columns are the labels and features alone, as in a log).
        histories: how columns with the steps of a history are written: `lists`, of Parquet, null where there is no
            step; or `text`, the steps joined with `|`, empty where there is none. When not given, `lists` in Parquet
            and `text` in CSV, which has no lists.
        tell: is told the number of rows behind each block that is written.

    Returns:
        The paths written, by the keys `train` and `eval`.

    Raises:
        UserError: the name, the format, the seed or a number of rows is not allowed, the data set has no histories or
            CSV was to hold lists, or other data would be replaced.
    """
    data_set = _data_set(name)
    format = data_set.format if format is None else format
    eval_rows = total_rows(num_rows, eval_rows) - num_rows
    if format not in FORMATS:
        raise UserError(
            f'format "{format}" is not known: choose from {quoted(FORMATS)}.{did_you_mean(format, FORMATS)}'
        )
    for option, number, least in (("rows", num_rows, 1), ("eval rows", eval_rows, 1), ("seed", seed, 0)):
        if number < least:
            raise UserError(f"{option} is {number}: it must be at least {least}.")
    if truth is None:
        truth = header or format == "parquet"
    blocks = _blocks(data_set, seed)
    if histories is not None:
        _require_histories(name, blocks, format, histories)
    as_text = format == "csv" or histories == "text"
    folder = Path(default_folder(name) if out is None else out)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {part: folder / f"{part}.{format}" for part in ("train", "eval")}
    existing = [path for path in paths.values() if os.path.lexists(path)]
    if existing:
        names = next(_batches(blocks, "eval", 1, truth=True)).schema.names
        _require_replaceable(existing, names, format)
    for part, rows in (("train", num_rows), ("eval", eval_rows)):
        batches = _batches(blocks, part, rows, truth)
        _write_file(paths[part], map(with_texts, batches) if as_text else batches, format, header, tell)
    return paths


def total_rows(num_rows: int, eval_rows: int | None = None) -> int:
    """Returns the rows of both files that `write` writes."""
    return num_rows + (min(max(num_rows // 5, 1), _MOST_EVAL_ROWS) if eval_rows is None else eval_rows)


def read_batches(name: str, num_rows: int, seed: int = 0, part: str = "train") -> Iterator[pa.RecordBatch]:
    """Yields the rows that `write` would write, truth included, in batches of at most 65,536 rows."""
    yield from _batches(_blocks(_data_set(name), seed), part, num_rows, truth=True)


def _require_histories(name: str, blocks: Blocks | MMoEPaperBlocks, format: str, histories: str) -> None:
    if histories not in HISTORIES:
        raise UserError(
            f'histories "{histories}" are not known: choose from {quoted(HISTORIES)}.'
            f"{did_you_mean(histories, HISTORIES)}"
        )
    if not any(pa.types.is_list(field.type) for field in next(_batches(blocks, "eval", 1, truth=False)).schema):
        raise UserError(f'The data set "{name}" has no histories: leave --histories {histories} out.')
    if format == "csv" and histories == "lists":
        raise UserError("CSV has no lists: use --histories text, or --format parquet.")


def _data_set(name: str) -> DataSet | MMoEPaper:
    if name not in DATA_SETS:
        raise UserError(f'No data set "{name}": choose from {quoted(DATA_SETS)}.{did_you_mean(name, DATA_SETS)}')
    return DATA_SETS[name]


def _blocks(data_set: DataSet | MMoEPaper, seed: int) -> Blocks | MMoEPaperBlocks:
    return data_set.blocks(seed) if isinstance(data_set, MMoEPaper) else Blocks(data_set, seed)


def _batches(blocks: Blocks | MMoEPaperBlocks, part: str, num_rows: int, truth: bool) -> Iterator[pa.RecordBatch]:
    for index, start in enumerate(range(0, num_rows, blocks.block_rows)):
        batch = blocks.block(part, index).slice(0, num_rows - start)
        if not truth:
            batch = batch.select([name for name in batch.schema.names if not name.startswith(TRUTH_PREFIX)])
        yield batch


def _require_replaceable(existing: list[Path], names: list[str], format: str) -> None:
    """Refuses to replace a file whose columns are not those of the data set: it is somebody's data."""
    columns = [name for name in names if not name.startswith(TRUTH_PREFIX)]
    for path in existing:
        if not path.is_file() or not _holds(path, columns, len(names), format):
            raise UserError(
                f"{path} is there and holds other data than this data set: they would be lost. Name another folder "
                "with --out, or remove the file."
            )


def _holds(path: Path, columns: list[str], most_columns: int, format: str) -> bool:
    if format == "parquet":
        try:
            return set(columns) <= set(pa.parquet.read_schema(path).names)
        except (OSError, pa.ArrowException):
            return False
    with path.open("rb") as file:
        return file.readline().count(b",") + 1 in (len(columns), most_columns)


def _write_file(
    path: Path, batches: Iterator[pa.RecordBatch], format: str, header: bool, tell: Callable[[int], None]
) -> None:
    """Writes under another name first, so that an interrupted run leaves no half file that looks whole."""
    partial = path.with_name(path.name + ".partial")
    first = next(batches)
    with _writer(partial, first.schema, format, header) as writer:
        for batch in itertools.chain([first], batches):
            writer.write_batch(batch)
            tell(batch.num_rows)
    partial.replace(path)


def _writer(path: Path, schema: pa.Schema, format: str, header: bool):
    if format == "parquet":
        return pa.parquet.ParquetWriter(path, schema, compression="zstd", compression_level=1)
    options = pa.csv.WriteOptions(include_header=header, batch_size=8192, quoting_style="none")
    return pa.csv.CSVWriter(path, schema, write_options=options)
