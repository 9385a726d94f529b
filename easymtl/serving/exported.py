"""What a published export is, and what it tells of itself."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import tensorflow as tf

import easymtl
from easymtl.checkpoints.folder import Checkpoint
from easymtl.checkpoints.meaning import digests_of
from easymtl.config.multi_values import FLOAT, INT64, STRING
from easymtl.data.convert import default_scalar
from easymtl.data.fields import input_fields
from easymtl.features.columns import missing_value
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.narrowing import Narrowing
from easymtl.serving.parity import TOLERANCE, Parity
from easymtl.serving.placement import Placement
from easymtl.serving.precision import Precision
from easymtl.serving.request_form import RequestForm
from easymtl.serving.saved_model import Sizes
from easymtl.serving.server_configs import served_name
from easymtl.serving.signatures import keywords

Missing = str | float | bool

CONFIG = "pipeline.config"
"""The file in `assets.extra` that holds the config, from which rows are read as the export takes them."""

_PADDING = {STRING: "", INT64: -1, FLOAT: None}


@dataclass(frozen=True)
class Export:
    """A published SavedModel.

    Attributes:
        path: its folder.
        checkpoint: what it was made from.
        inputs: names and types of its inputs.
        shapes: their shapes; None is any number.
        line: of a model whose rows are lines, the fields and the separator; None where each field is an input.
        missing: what a client sends in place of a missing value, by input: '', a number, or true or false; of lines,
            where a missing value is an empty field, nothing.
        padding: what stands behind the values of a row, by input that holds lists; None is NaN.
        keywords: the keyword of each input of the function that `tf.saved_model.load` returns, where it is not the
            name.
        constants: the value of each field that has a `serving_value`, and so is no input.
        outputs: names of its scores.
        signatures: names of its signatures.
        formats: the files of other formats below `path`, by format.
        parity: how near its scores are to the checkpoint's, or None when there was no row to compare on.
        placement: where the nodes of a signature run on a GPU server and what is copied, by signature.
        precision: what it computes in and stores.
        sizes: bytes of its weights.
        narrowing: what fewer bytes than those of float32 have changed; None where there are no fewer.
    """

    path: Path
    checkpoint: Checkpoint
    inputs: dict[str, str]
    shapes: dict[str, list[int | None]]
    line: dict[str, Any] | None
    missing: dict[str, Missing]
    padding: dict[str, str | int | None]
    keywords: dict[str, str]
    constants: dict[str, Missing]
    outputs: list[str]
    signatures: list[str]
    formats: dict[str, Path]
    parity: Parity | None
    placement: dict[str, Placement]
    precision: Precision
    sizes: Sizes
    narrowing: Narrowing | None = None


def missing_values(pipeline: Pipeline, fields: Sequence[str]) -> dict[str, Missing]:
    """Returns what a client sends in place of a missing value of each field, as JSON can hold it.

    In place of NaN, which JSON has no word for, it is the default that the graph takes for it.
    """
    declared = input_fields(pipeline.data_config)
    values = {}
    for name in fields:
        default = default_scalar(declared[name])
        value = missing_value(declared[name].type, default)
        values[name] = (value if default is None or not pa.types.is_floating(value.type) else default).as_py()
    return values


def request_facts(pipeline: Pipeline, form: RequestForm, specs: Mapping[str, tf.TensorSpec]) -> dict[str, Any]:
    """Returns what an `Export` tells of requests."""
    return {
        "inputs": {name: spec.dtype.name for name, spec in specs.items()},
        "shapes": {name: spec.shape.as_list() for name, spec in specs.items()},
        "line": line_of(form),
        "missing": missing_values(pipeline, [name for name in specs if name in form.fields and name not in form.lists]),
        "padding": {name: _PADDING[one.kind] for name, one in form.lists.items()},
        "keywords": {name: keyword for name, keyword in keywords(specs).items() if keyword != name},
    }


def line_of(form: RequestForm) -> dict[str, Any] | None:
    """Returns the fields and the separator where a row is one line; None where each field is an input."""
    return None if form.separator is None else {"separator": form.separator, "fields": list(form.fields)}


def describe_export(pipeline: Pipeline, draft: Path, done: Export) -> dict[str, Any]:
    """Writes what the export tells of itself, and returns it."""
    products, rows = done.precision.names
    document: dict[str, Any] = {
        "easymtl": easymtl.__version__,
        "name": served_name(pipeline),
        "step": done.checkpoint.step,
        "checkpoint": str(done.checkpoint.path),
        "precision": products,
        "row_precision": rows,
        "tolerance": done.parity.tolerance if done.parity else TOLERANCE,
        "bytes": done.sizes.document(),
        "narrowing": done.narrowing.document() if done.narrowing else None,
        "checkpoint_files": done.checkpoint.state().get("files", {}),
        "formats": {name: str(path) for name, path in done.formats.items()},
        "inputs": done.inputs,
        "shapes": done.shapes,
        "line": done.line,
        "padding": done.padding,
        "missing": done.missing,
        "keywords": done.keywords,
        "constants": done.constants,
        "outputs": done.outputs,
        "meaning": digests_of(pipeline),
    }
    write_json(draft / "assets.extra" / "easymtl.json", document)
    return document


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Writes a document for programs, which a person can read as well."""
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")
