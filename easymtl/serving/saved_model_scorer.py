"""Scoring with a SavedModel."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.data.convert import default_scalar
from easymtl.data.fields import Field
from easymtl.data.rows import Column, Rows
from easymtl.errors import UserError
from easymtl.features.columns import as_requested, tensor_of
from easymtl.features.encoder import KEEP_PREFIX
from easymtl.features.growing.unseen import UnseenIds
from easymtl.features.numbers import Known, NumberColumn, read_numbers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.scorer import Scores
from easymtl.serving.delta_folders import is_delta
from easymtl.serving.form_of_export import describe, form_of
from easymtl.serving.request_rows import as_sent, unsendable
from easymtl.serving.signatures import SIGNATURE, names_of
from easymtl.tasks.build import build_tasks, number_columns

_INPUT_PREFIX = "input_"
_REFUSED = re.compile(r"assertion failed: \[(.*)\]\s+\[(?:\[|Op:)", re.DOTALL)
_NOT_A_NUMBER = re.compile(r"could not correctly convert string: (.*?)\s+\[(?:\[|Op:)", re.DOTALL)


class SavedModelScorer:
    """Scores rows with a SavedModel, on raw columns, as a server would."""

    looks_up_together = False
    unseen: UnseenIds | None = None

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
        self._form = form_of(Path(folder), pipeline, self._serve.structured_input_signature[1].values())

    def encoder(self, keep: Sequence[str], with_numbers: bool = True) -> "RawEncoder":
        """Returns an encoder that hands on the raw columns of the model's inputs."""
        return RawEncoder(self._form.fields, self.number_columns if with_numbers else (), keep)

    def score(self, rows: Rows) -> tuple[Scores, None]:
        """Returns the scores by name; a SavedModel knows no losses.

        Raises:
            UserError: a request cannot hold a row, or the model refuses it.
        """
        columns: dict[str, Any] = {field: rows[_INPUT_PREFIX + field] for field in self._form.fields}
        # A model is loaded with its inputs in any order.
        for field, flags in sorted(unsendable(self._form, columns).items()):
            value = columns[field].take(pa.array(np.flatnonzero(flags)[:1]))[0].as_py()
            why = (
                "which no list of values can hold: an empty one at its end, and -1 among whole numbers, are padding. "
                "Export the field as text, without export_config.multi_value_fields and auto_multi_value."
            )
            if self._form.separator is not None:
                why = (
                    f"which no line can hold: data_config.separator {self._form.separator!r} ends a field. Export with "
                    "export_config.multi_placeholder: true."
                )
            raise UserError(f'The data hold "{value}" in "{field}", {why}')
        tensors = {name: tensor_of(column) for name, column in as_sent(self._form, columns).items()}
        try:
            parts = [self._ask(request, count) for request, count in self._requests(tensors)]
        except tf.errors.InvalidArgumentError as error:
            raise as_told(error) from None
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, None

    def _ask(self, request: Mapping[str, tf.Tensor], num_rows: int) -> Scores:
        """Returns the scores of the first rows of a request; what features have read is none."""
        answer = self._serve(**{self._keywords[name]: tensor for name, tensor in request.items()})
        return {name: value.numpy()[:num_rows] for name, value in answer.items() if value.dtype != tf.string}

    def _requests(self, tensors: Mapping[str, tf.Tensor]) -> Iterator[tuple[Mapping[str, tf.Tensor], int]]:
        """Yields requests of as many rows as the model takes, filled up with the last one, and the rows that count."""
        size = self._form.num_rows
        total = len(next(iter(tensors.values())))
        if size is None or not total:
            yield tensors, total
            return
        for first in range(0, total, size):
            places = np.minimum(np.arange(first, first + size), total - 1)
            yield {name: tf.gather(tensor, places) for name, tensor in tensors.items()}, min(size, total - first)


def as_told(error: tf.errors.InvalidArgumentError) -> Exception:
    """Returns a request's refusal as a mistake of the user, if it is one."""
    number, said = _NOT_A_NUMBER.search(error.message), _REFUSED.search(error.message)
    if said:
        return UserError(f"The SavedModel refuses rows of the data: {said[1]}")
    if not number:
        return error
    return UserError(
        f'The data hold "{number[1]}" where the SavedModel reads a number. Without --saved_model the message '
        "names file and line, and data_config.ignore_error leaves out such rows."
    )


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

    @property
    def items(self) -> Sequence[str]:
        """Returns no fields: a client sends texts."""
        return []

    def __call__(self, batch: pa.RecordBatch, known: Known | None = None) -> Rows:
        """Returns the rows of a batch; `known` are numbers of it that have been read."""
        columns: dict[str, Column] = {
            _INPUT_PREFIX + field: as_requested(batch.column(field), default) for field, default in self._inputs.items()
        }
        columns |= {KEEP_PREFIX + field: batch.column(field) for field in self._keep}
        if self._numbers:
            columns["numbers"] = read_numbers(batch, self._numbers, known)
        return Rows(columns)


def newest_export(folder: str | Path) -> Path:
    """Returns the folder of a SavedModel: itself, or the newest of the numbered ones in it.

    Raises:
        UserError: there is none.
    """
    path = Path(folder)
    if is_delta(path):
        raise UserError(
            f"{path} is a delta, which holds what has changed since another version. Join it: easymtl verify {path} "
            "--write FOLDER, and name the folder with a number that is written there."
        )
    if (path / "saved_model.pb").is_file():
        return path
    numbered = [entry for entry in path.glob("*/saved_model.pb") if entry.parent.name.isdigit()]
    if not numbered:
        raise UserError(f"{path}: no SavedModel is in this folder. Make one: easymtl export --pipeline_config ...")
    return max(numbered, key=lambda entry: int(entry.parent.name)).parent


def step_of_export(folder: Path) -> int:
    """Returns the number of updates that the weights of an exported SavedModel have had; 0 if it does not say."""
    return int(describe(folder).get("step", 0))
