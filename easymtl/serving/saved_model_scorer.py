"""Scoring with a SavedModel."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import tensorflow as tf

from easymtl.data.convert import default_scalar
from easymtl.data.fields import Field, input_fields
from easymtl.data.rows import Column, Rows
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.features.columns import as_requested, text_tensor
from easymtl.features.encoder import KEEP_PREFIX
from easymtl.features.feature_set import TENSOR_TYPES
from easymtl.features.numbers import NumberColumn, read_numbers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.scorer import Scores
from easymtl.serving.signatures import SIGNATURE, names_of
from easymtl.tasks.build import build_tasks, number_columns

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

    @property
    def items(self) -> Sequence[str]:
        """Returns no fields: a client sends texts."""
        return []

    def __call__(self, batch: pa.RecordBatch) -> Rows:
        """Returns the rows of a batch."""
        columns: dict[str, Column] = {
            _INPUT_PREFIX + field: as_requested(batch.column(field), default) for field, default in self._inputs.items()
        }
        columns |= {KEEP_PREFIX + field: batch.column(field) for field in self._keep}
        if self._numbers:
            columns["numbers"] = read_numbers(batch, self._numbers)
        return Rows(columns)


def _tensor(column: pa.Array) -> tf.Tensor:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return text_tensor(column)
    return tf.constant(column.to_numpy(zero_copy_only=False))


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
