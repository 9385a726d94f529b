"""What a request to a SavedModel looks like, from what the SavedModel and its description say."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from easymtl.config.multi_values import MultiValue, multi_values
from easymtl.data.fields import Field, input_fields
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.features import lines
from easymtl.features.feature_set import TENSOR_TYPES
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.request_form import TYPES_OF_LISTS, RequestForm

_ADVICE = "Score with the config that it was exported with, or export again."


def form_of(folder: Path, pipeline: Pipeline, specs: Iterable[tf.TensorSpec]) -> RequestForm:
    """Returns the form of requests.

    Args:
        folder: of the SavedModel.
        pipeline: declares the fields.
        specs: of the inputs, under their names.

    Raises:
        UserError: an input is not what the config says of its field; TensorFlow's own message names no input.
    """
    by_name = {spec.name: spec for spec in specs}
    declared = input_fields(pipeline.data_config)
    num_rows = next(iter(by_name.values())).shape[0]
    line = describe(folder).get("line")
    if line:
        fields = {name: _declared(folder, name, declared) for name in line["fields"]}
        return RequestForm(fields, {}, line["separator"], num_rows)
    if set(by_name) == {lines.INPUT} and lines.INPUT not in declared:
        raise UserError(
            f"{folder}: the rows of this SavedModel are lines, and assets.extra/easymtl.json, which says of which "
            "fields, is not there. Copy the whole folder of the export."
        )
    fields = {name: _declared(folder, name, declared) for name in by_name}
    names = [name for name, spec in by_name.items() if spec.shape.rank == 2]
    form = RequestForm(fields, _lists(folder, pipeline, names), None, num_rows)
    for name, spec in by_name.items():
        _check_type(folder, name, spec, form)
    return form


def describe(folder: Path) -> Mapping[str, Any]:
    """Returns what an export tells of itself; nothing if it does not."""
    description = folder / "assets.extra" / "easymtl.json"
    return json.loads(description.read_text(encoding="utf-8")) if description.is_file() else {}


def described_inputs(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """Returns what an export tells of the inputs of each signature, by name; nothing if it does not."""
    listing = folder / "assets.extra" / "signatures.json"
    told = json.loads(listing.read_text(encoding="utf-8")) if listing.is_file() else {}
    return {name: signature["inputs"] for name, signature in told.items()}


def _declared(folder: Path, name: str, declared: Mapping[str, Field]) -> Field:
    if name not in declared:
        raise UserError(
            f'{folder}: the SavedModel has an input "{name}", which is not in data_config.input_fields'
            f" ({quoted(declared)}).{did_you_mean(name, declared)}"
        )
    return declared[name]


def _lists(folder: Path, pipeline: Pipeline, names: Iterable[str]) -> dict[str, MultiValue]:
    """Returns the inputs that hold lists, as the features of the config split their texts."""
    asked = Pipeline()
    asked.CopyFrom(pipeline)
    asked.export_config.multi_placeholder = True
    asked.export_config.auto_multi_value = False
    asked.export_config.multi_value_fields.input_name[:] = names
    found = multi_values(asked)
    for name in names:
        if name not in found:
            raise UserError(
                f'{folder}: the input "{name}" of the SavedModel is a list of values, and the features of the config '
                f"do not split the field at one separator. {_ADVICE}"
            )
    return found


def _check_type(folder: Path, name: str, spec: tf.TensorSpec, form: RequestForm) -> None:
    field = form.fields[name]
    if name in form.lists:
        wanted, says = TYPES_OF_LISTS[form.lists[name].kind], "the features of the config read it as a list of "
        says += TYPES_OF_LISTS[form.lists[name].kind].name
    else:
        wanted, says = TENSOR_TYPES[field.type], f"data_config.input_fields declares it {field.type_name}"
    if spec.dtype != wanted:
        raise UserError(f'{folder}: the input "{name}" of the SavedModel is {spec.dtype.name}, and {says}. {_ADVICE}')
