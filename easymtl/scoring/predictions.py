"""Writing the scores of any scorer to Parquet."""

import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from easymtl.data.blocks import Source
from easymtl.data.fields import input_fields
from easymtl.data.remote import is_remote, locate, require_writable_place, upload
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.dealt_rows import DealtRows, dealt_rows
from easymtl.scoring.feed import Told, tell_nobody
from easymtl.scoring.scorer import Scorer
from easymtl.scoring.scores_file import scores_file


def check_keep(pipeline: Pipeline, keep: Sequence[str]) -> None:
    """Checks that the kept columns are input fields.

    Raises:
        UserError: one is not.
    """
    known = input_fields(pipeline.data_config)
    for name in keep:
        if name not in known:
            raise UserError(
                f'--keep: "{name}" is not in data_config.input_fields ({quoted(known)}).{did_you_mean(name, known)}'
            )


def predict(
    pipeline: Pipeline,
    scorer: Scorer,
    paths: str,
    output: str | Path,
    keep: Sequence[str],
    tell: Callable[[str], None] = print,
    tell_progress: Told = tell_nobody,
    peers: Peers = ONE,
) -> tuple[str, int]:
    """Scores all rows in order and writes a Parquet file of the kept columns and the scores, local or remote.

    A remote file is written to a local disk first, so that it appears whole. Rows that have no scores are told: those
    that were left out, and those that seem to be part of another one. `tell_progress` is told how far it has come.
    Of several workers each reads and scores a part of the rows, and the chief writes the scores of all of them.

    Returns:
        The file and the number of rows.

    Raises:
        UserError: the data cannot be read, a kept column does not exist, or the file cannot be written.
    """
    output = str(output)
    if not peers.is_chief:
        with _dealt(pipeline, scorer, paths, keep, peers) as dealt:
            return output, _score_for_chief(dealt, scorer, tell_progress, peers)
    if not is_remote(output):
        path, num_rows = _predict_locally(pipeline, scorer, paths, output, keep, tell, tell_progress, peers)
        return str(path), num_rows
    place = locate(scores_file(output))
    require_writable_place(place)
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "scores.parquet"
        path, num_rows = _predict_locally(pipeline, scorer, paths, draft, keep, tell, tell_progress, peers)
        with peers.signs.doing("writing results"):
            upload(str(path), place)
    return place.name, num_rows


def _predict_locally(
    pipeline: Pipeline,
    scorer: Scorer,
    paths: str,
    output: str | Path,
    keep: Sequence[str],
    tell: Callable[[str], None],
    tell_progress: Told,
    peers: Peers,
) -> tuple[Path, int]:
    """Writes the file beside `output` and renames it when it is whole."""
    target = Path(scores_file(str(output)))
    draft = target.with_name(f".writing-{target.name}-{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _dealt(pipeline, scorer, paths, keep, peers) as dealt:
            num_rows = _write(draft, _told(_scored(dealt, scorer), tell_progress))
            lost = _lost_rows(dealt.source, peers)
        os.replace(draft, target)
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror or error}. Check the folder.") from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    for text in lost:
        tell(text)
    return target, num_rows


def _score_for_chief(dealt: DealtRows, scorer: Scorer, tell_progress: Told, peers: Peers) -> int:
    """Scores this worker's part, which the chief writes, and returns the number of rows of all workers."""
    num_rows = 0
    for num_of_batch, _ in dealt.scored(scorer):
        num_rows += num_of_batch
        tell_progress(num_rows, dealt.feed.progress)
    _lost_rows(dealt.source, peers)
    return num_rows


def _lost_rows(
    source: Source,
    peers: Peers,
) -> list[str]:
    """Returns what is to be told of rows that have no scores, of those that any worker has read."""
    own = [source.warnings(), source.skipped_rows, source.skipped.examples[:1]]
    warnings, skipped, examples = zip(*peers.share(own))
    texts = [f"Warning: {text}" for text in dict.fromkeys(text for of_one in warnings for text in of_one)]
    number = sum(skipped)
    if number:
        rows = "1 row has" if number == 1 else f"{number:,} rows have"
        first = next(example for of_one in examples for example in of_one)
        texts.append(f"Warning: {rows} no scores, left out by data_config.ignore_error. The first: {first}")
    return texts


def scores_of(
    pipeline: Pipeline, scorer: Scorer, paths: str, keep: Sequence[str] = (), tell: Callable[[str], None] = print
) -> pa.Table:
    """Returns what `predict` writes: the kept columns and the scores of all rows, in order.

    Raises:
        UserError: the data cannot be read or have no row, or a kept column does not exist.
    """
    with _dealt(pipeline, scorer, paths, keep, ONE) as dealt:
        tables = [table for table, _ in _scored(dealt, scorer)]
    for text in _lost_rows(dealt.source, ONE):
        tell(text)
    return pa.concat_tables(tables)


def _dealt(
    pipeline: Pipeline, scorer: Scorer, paths: str, keep: Sequence[str], peers: Peers
) -> AbstractContextManager[DealtRows]:
    """Returns the rows of files, of which each worker scores a part."""
    return dealt_rows(pipeline, scorer.encoder(keep, with_numbers=False), paths, peers=peers)


def _scored(dealt: DealtRows, scorer: Scorer) -> Iterator[tuple[pa.Table, float]]:
    """Yields the kept columns and the scores of each batch, and the share of the data that is read with it."""
    for _, found in dealt.scored(scorer):
        assert found is not None, "the chief has what all have found"
        kept = {field: _plain(column) for field, column in found.columns.items()}
        _check_names(kept, found.scores)
        scores = {name: _arrow(value) for name, value in sorted(found.scores.items())}
        yield pa.table({**kept, **scores}), dealt.feed.progress


def _told(tables: Iterator[tuple[pa.Table, float]], tell_progress: Told) -> Iterator[tuple[pa.Table, float]]:
    """Yields the same, and tells behind each how far it has come."""
    num_rows = 0
    for table, share in tables:
        yield table, share
        num_rows += table.num_rows
        tell_progress(num_rows, share)


def _write(draft: Path, tables: Iterator[tuple[pa.Table, float]]) -> int:
    writer: pq.ParquetWriter | None = None
    num_rows = 0
    try:
        for table, _ in tables:
            writer = writer or pq.ParquetWriter(draft, table.schema)
            writer.write_table(table)
            num_rows += table.num_rows
    finally:
        if writer:
            writer.close()
    return num_rows


def _check_names(kept: Collection[str], scores: Collection[str]) -> None:
    both = [name for name in kept if name in scores]
    if both:
        raise UserError(
            f"--keep: {quoted(both)} is the name of a score too, and a file has one column of a name. "
            "Leave it out, and keep a column by which the scores can be joined to the data."
        )


def _plain(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _arrow(scores: np.ndarray) -> pa.Array:
    """Returns `[batch]` as numbers and `[batch, num_class]` as lists of fixed size."""
    if scores.ndim == 1:
        return pa.array(scores)
    return pa.FixedSizeListArray.from_arrays(pa.array(scores.reshape(-1)), scores.shape[1])
