"""Scoring with a SavedModel, and writing the scores of any scorer to Parquet."""

import json
import os
import re
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from easymtl.data.blocks import Source
from easymtl.data.convert import default_scalar
from easymtl.data.feed import Feed
from easymtl.data.fields import Field, input_fields
from easymtl.data.remote import is_remote, locate, require_writable_place, upload
from easymtl.data.rows import Column, Rows
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.features.columns import as_requested, text_tensor
from easymtl.features.encoder import KEEP_PREFIX
from easymtl.features.feature_set import TENSOR_TYPES
from easymtl.features.numbers import NumberColumn, read_numbers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.scores_file import scores_file
from easymtl.serving.signatures import SIGNATURE, names_of
from easymtl.tasks.build import build_tasks, number_columns
from easymtl.training.evaluation import Scorer, Scores, kept_columns
from easymtl.training.inputs import evaluation_feed

_INPUT_PREFIX = "input_"
_NOT_A_NUMBER = re.compile(r"could not correctly convert string: (.*?)\s+\[(?:\[|Op:)", re.DOTALL)


class SavedModelScorer:
    """Scores rows with a SavedModel, on raw columns, as a server would."""

    def __init__(self, folder: str | Path, pipeline: Pipeline):
        """Loads the model.

        Args:
            folder: the SavedModel.
            pipeline: names the labels and weights that evaluation needs.

        Raises:
            UserError: it cannot be loaded.
        """
        try:
            self._model = tf.saved_model.load(str(folder))
            self._serve = self._model.signatures[SIGNATURE]
        except (OSError, KeyError, tf.errors.OpError) as error:
            raise UserError(f"{folder}: cannot be loaded as a SavedModel: {error}") from None
        self.number_columns: Sequence[NumberColumn] = number_columns(build_tasks(pipeline))
        self._keywords = names_of(self._serve)
        self._fields = input_fields(pipeline.data_config)
        self._check_types(folder)

    def _check_types(self, folder: str | Path) -> None:
        """Compares the types of the inputs with those of the fields: TensorFlow's own message names no input."""
        specs = self._serve.structured_input_signature[1]
        for name, keyword in self._keywords.items():
            field = self._fields.get(name)
            if field is None:
                raise UserError(
                    f'{folder}: the SavedModel has an input "{name}", which is not in data_config.input_fields'
                    f" ({quoted(self._fields)}).{did_you_mean(name, self._fields)}"
                )
            wanted, found = specs[keyword].dtype, TENSOR_TYPES[field.type]
            if wanted != found:
                raise UserError(
                    f'{folder}: the input "{name}" of the SavedModel is {wanted.name}, and data_config.input_fields '
                    f"declares it {field.type_name}. Score with the config that it was exported with, or export again."
                )

    def encoder(self, keep: Sequence[str], with_numbers: bool = True) -> "RawEncoder":
        """Returns an encoder that hands on the raw columns of the model's inputs."""
        fields = {name: self._fields[name] for name in self._keywords}
        return RawEncoder(fields, self.number_columns if with_numbers else (), keep)

    def score(self, rows: Rows) -> tuple[Scores, None]:
        """Returns the scores by name; a SavedModel knows no losses."""
        columns = {keyword: _tensor(rows[_INPUT_PREFIX + field]) for field, keyword in self._keywords.items()}
        try:
            return {name: value.numpy() for name, value in self._serve(**columns).items()}, None
        except tf.errors.InvalidArgumentError as error:
            match = _NOT_A_NUMBER.search(error.message)
            if not match:
                raise
            raise UserError(
                f'The data hold "{match[1]}" where the SavedModel reads a number. Without --saved_model the message '
                "names file and line, and data_config.ignore_error leaves out such rows."
            ) from None


class RawEncoder:
    """Hands on raw columns as a client sends them, and the numbers that evaluation needs."""

    def __init__(self, inputs: Mapping[str, Field], numbers: Sequence[NumberColumn], keep: Sequence[str]):
        self._inputs = {name: default_scalar(field) for name, field in inputs.items()}
        self._numbers = tuple(numbers)
        self._keep = tuple(keep)

    @property
    def fields(self) -> list[str]:
        """Returns the fields that a batch must hold, each once."""
        return list(dict.fromkeys([*self._inputs, *(column.field for column in self._numbers), *self._keep]))

    def __call__(self, batch: pa.RecordBatch) -> Rows:
        """Returns the rows of a batch."""
        columns: dict[str, Column] = {
            _INPUT_PREFIX + field: as_requested(batch.column(field), default) for field, default in self._inputs.items()
        }
        columns |= {KEEP_PREFIX + field: batch.column(field) for field in self._keep}
        if self._numbers:
            columns["numbers"] = read_numbers(batch, self._numbers)
        return Rows(columns)


def newest_export(folder: str | Path) -> Path:
    """Returns the folder of a SavedModel: itself, or the newest of the numbered ones in it.

    Raises:
        UserError: there is none.
    """
    path = Path(folder)
    if (path / "saved_model.pb").is_file():
        return path
    numbered = [entry for entry in path.glob("*/saved_model.pb") if entry.parent.name.isdigit()]
    if not numbered:
        raise UserError(f"{path}: no SavedModel is in this folder. Make one: easymtl export --pipeline_config ...")
    return max(numbered, key=lambda entry: int(entry.parent.name)).parent


def step_of_export(folder: Path) -> int:
    """Returns the number of updates that the weights of an exported SavedModel have had; 0 if it does not say."""
    description = folder / "assets.extra" / "easymtl.json"
    if not description.is_file():
        return 0
    return int(json.loads(description.read_text(encoding="utf-8"))["step"])


def predict(
    pipeline: Pipeline,
    scorer: Scorer,
    paths: str,
    output: str | Path,
    keep: Sequence[str],
    tell: Callable[[str], None] = print,
) -> tuple[str, int]:
    """Scores all rows in order and writes a Parquet file of the kept columns and the scores, local or remote.

    A remote file is written to a local disk first, so that it appears whole. Rows that have no scores are told: those
    that were left out, and those that seem to be part of another one.

    Returns:
        The file and the number of rows.

    Raises:
        UserError: the data cannot be read, a kept column does not exist, or the file cannot be written.
    """
    output = str(output)
    if not is_remote(output):
        path, num_rows = _predict_locally(pipeline, scorer, paths, output, keep, tell)
        return str(path), num_rows
    place = locate(scores_file(output))
    require_writable_place(place)
    with tempfile.TemporaryDirectory() as folder:
        path, num_rows = _predict_locally(pipeline, scorer, paths, Path(folder) / "scores.parquet", keep, tell)
        upload(str(path), place)
    return place.name, num_rows


def _predict_locally(
    pipeline: Pipeline,
    scorer: Scorer,
    paths: str,
    output: str | Path,
    keep: Sequence[str],
    tell: Callable[[str], None],
) -> tuple[Path, int]:
    """Writes the file beside `output` and renames it when it is whole."""
    target = Path(scores_file(str(output)))
    draft = target.with_name(f".writing-{target.name}-{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with evaluation_feed(pipeline, scorer.encoder(keep, with_numbers=False), paths) as feed:
            num_rows = _write(draft, feed, scorer)
        os.replace(draft, target)
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror or error}. Check the folder.") from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    _tell_of_lost_rows(feed.source, tell)
    return target, num_rows


def _tell_of_lost_rows(source: Source, tell: Callable[[str], None]) -> None:
    for text in source.warnings():
        tell(f"Warning: {text}")
    if source.skipped_rows:
        rows = "1 row has" if source.skipped_rows == 1 else f"{source.skipped_rows:,} rows have"
        tell(
            f"Warning: {rows} no scores, left out by data_config.ignore_error. The first: {source.skipped.examples[0]}"
        )


def _write(draft: Path, feed: Feed, scorer: Scorer) -> int:
    writer: pq.ParquetWriter | None = None
    num_rows = 0
    try:
        for batch in feed:
            scores, _ = scorer.score(batch.rows)
            kept = {field: _plain(column) for field, column in kept_columns(batch.rows).items()}
            _check_names(kept, scores)
            table = pa.table({**kept, **{name: _arrow(value) for name, value in sorted(scores.items())}})
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


def _tensor(column: pa.Array) -> tf.Tensor:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return text_tensor(column)
    return tf.constant(column.to_numpy(zero_copy_only=False))


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
