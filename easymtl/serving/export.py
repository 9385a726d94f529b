"""Exporting: written beside, checked against the checkpoint, then renamed into place."""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

import easymtl
from easymtl.checkpoints.folder import Checkpoint
from easymtl.checkpoints.publishing import draft_of, publish, reason, remove, sweep
from easymtl.checkpoints.restore import load_ranker
from easymtl.config import view
from easymtl.config.export_files import asset_files, reads_vocabulary_file
from easymtl.config.multi_values import FLOAT, INT64, STRING
from easymtl.data.convert import default_scalar
from easymtl.data.fields import input_fields
from easymtl.errors import UserError
from easymtl.features.columns import as_requested, missing_value, tensor_of
from easymtl.features.encoder import Encoder
from easymtl.features.shown import shown_features
from easymtl.protos.export_pb2 import ExportConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.scorer import RankerScorer
from easymtl.serving.formats.writing import scores_by_format, write_formats
from easymtl.serving.parity import Parity, check_parity
from easymtl.serving.placement import Placement, placements_of
from easymtl.serving.proof_of_signatures import with_further
from easymtl.serving.proof_rows import ProofRows, missing_row, proof_rows
from easymtl.serving.request_form import RequestForm
from easymtl.serving.saved_model import ServingModel
from easymtl.serving.server_configs import served_name
from easymtl.serving.server_files import write_server_files
from easymtl.serving.signature_listing import list_signatures
from easymtl.serving.signatures import ENCODE, SIGNATURE, keywords, save
from easymtl.serving.warmup_file import FILE as WARMUP
from easymtl.tasks.ranker import Ranker

Missing = str | float | bool

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
        formats: the files of other formats, by format.
        parity: how near its scores are to the checkpoint's, or None when there was no row to compare on.
        placement: where the nodes of a signature run on a GPU server and what is copied, by signature.
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
    formats: dict[str, Path]
    parity: Parity | None
    placement: dict[str, Placement]


def export(pipeline: Pipeline, checkpoint: Checkpoint, folder: str | Path, keep: int = 0) -> Export:
    """Writes a SavedModel below `folder`, in a new subfolder named by the time in seconds, as servers want it.

    It is written to a temporary folder, loaded in another process, compared with the checkpoint on evaluation rows,
    and renamed into place when all is well. All but the newest `keep` are removed then; 0 keeps all.

    Raises:
        UserError: it could not be written, does not score as the checkpoint, or cannot run on a GPU as promised.
    """
    ranker = load_ranker(pipeline, checkpoint)
    model = ServingModel(pipeline, ranker)
    final = _new_subfolder(Path(folder))
    draft = draft_of(final)
    try:
        signatures = model.signatures()
        draft.parent.mkdir(parents=True, exist_ok=True)
        outputs = save(model, draft, signatures)[SIGNATURE]
        _copy_assets(pipeline, draft)
        encode = Encoder(ranker.feature_set, as_served=True)
        rows = proof_rows(pipeline, model.fields, encode)
        rows = with_further(rows, pipeline, model.form, signatures) if rows else None
        name, tensors = served_name(pipeline), ranker.feature_set.packing.tensors
        formats = write_formats(pipeline, draft, name, model, tensors)
        further = scores_by_format(formats, signatures[ENCODE], rows.sent) if formats and rows else {}
        parity = _proved(pipeline, ranker, draft, rows, further) if rows else None
        placement = _placement(draft, model.form)
        done = Export(
            path=final,
            checkpoint=checkpoint,
            constants={name: value.as_py() for name, value in ranker.feature_set.constants.items()},
            outputs=outputs,
            formats={one: final / written.path.relative_to(draft) for one, written in formats.items()},
            parity=parity,
            placement=placement,
            **_request(pipeline, model.form, signatures[SIGNATURE].inputs),
        )
        facts = _describe(draft, done, name)
        _write_json(
            draft / "assets.extra" / "signatures.json",
            list_signatures(draft, ranker.feature_set.packing, model.form, done.missing, done.padding),
        )
        examples = _examples(pipeline, rows) or missing_row(pipeline, model.fields, encode)
        write_server_files(pipeline, draft, done.checkpoint.state(), facts, parity, examples, signatures)
        publish(draft, final)
    except (OSError, tf.errors.OpError) as error:
        raise UserError(f"{final}: could not be written: {reason(error)}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _prune(Path(folder), keep)
    return done


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


def _request(pipeline: Pipeline, form: RequestForm, specs: Mapping[str, tf.TensorSpec]) -> dict[str, Any]:
    """Returns what an `Export` tells of requests."""
    return {
        "inputs": {name: spec.dtype.name for name, spec in specs.items()},
        "shapes": {name: spec.shape.as_list() for name, spec in specs.items()},
        "line": _line(form),
        "missing": missing_values(pipeline, [name for name in specs if name in form.fields and name not in form.lists]),
        "padding": {name: _PADDING[one.kind] for name, one in form.lists.items()},
        "keywords": {name: keyword for name, keyword in keywords(specs).items() if keyword != name},
    }


def _line(form: RequestForm) -> dict[str, Any] | None:
    return None if form.separator is None else {"separator": form.separator, "fields": list(form.fields)}


def _examples(pipeline: Pipeline, rows: ProofRows | None) -> dict[str, pa.Array] | None:
    """Returns the rows of the data that are shipped with the export, as a client sends them; None for none."""
    if rows is None or pipeline.export_config.warmup_rows == ExportConfig.NONE:
        return None
    return {name: column.slice(0, rows.num_rows) for name, column in rows.sent.items()}


def _proved(
    pipeline: Pipeline,
    ranker: Ranker,
    draft: Path,
    rows: ProofRows,
    by_format: Mapping[str, Mapping[str, np.ndarray]],
) -> Parity:
    return check_parity(draft, rows, _expected(pipeline, ranker, rows), ranker.final_scores, by_format)


def _expected(pipeline: Pipeline, ranker: Ranker, rows: ProofRows) -> dict[str, np.ndarray]:
    """Returns the outputs of the checkpoint by the path that training and evaluation take."""
    scorer = RankerScorer(ranker, tf.float32, is_traced=False)
    predictions, _ = scorer.score(scorer.encoder([], with_numbers=False)(rows.read))
    if not pipeline.export_config.export_features:
        return predictions
    features = ranker.feature_set
    columns = {name: tensor_of(as_requested(rows.read.column(name), None)) for name in features.request_fields}
    return predictions | {name: text.numpy() for name, text in shown_features(features, columns).items()}


def _placement(draft: Path, form: RequestForm) -> dict[str, Placement]:
    """Looks at what a GPU server would do, and writes it beside the model."""
    line = _line(form)
    # A line of missing values; an empty one would be refused.
    texts = {name: line["separator"] * (len(line["fields"]) - 1) for name in form.specs()} if line else {}
    found = placements_of(draft, texts)
    text = json.dumps({name: one.document() for name, one in found.items()}, indent=2, ensure_ascii=False)
    (draft / "assets.extra" / "placement.json").write_text(text, encoding="utf-8")
    return found


def _new_subfolder(folder: Path) -> Path:
    number = int(time.time())
    while (folder / str(number)).exists():
        number += 1
    return folder / str(number)


def _copy_assets(pipeline: Pipeline, draft: Path) -> None:
    """Copies files to where the vocabularies are; one of these is there already."""
    (draft / "assets.extra").mkdir(exist_ok=True)
    folder = draft / "assets"
    folder.mkdir(exist_ok=True)
    features = view.features_in_groups(pipeline)
    vocabularies = {os.path.abspath(one.vocab_file) for one in features if reads_vocabulary_file(one)}
    for asset in asset_files(pipeline):
        path = Path(asset)
        if not path.is_file():
            raise UserError(f'export_config.asset_files: "{asset}" is not a file.')
        if os.path.abspath(path) in vocabularies or path.name == WARMUP:
            continue
        if (folder / path.name).exists():
            raise UserError(
                f'export_config.asset_files: "{asset}" would replace another file of this name in the folder assets. '
                "Give it another name."
            )
        shutil.copy(path, folder / path.name)


def _describe(draft: Path, done: Export, name: str) -> dict[str, Any]:
    """Writes what the export tells of itself, and returns it."""
    document: dict[str, Any] = {
        "easymtl": easymtl.__version__,
        "name": name,
        "step": done.checkpoint.step,
        "checkpoint": str(done.checkpoint.path),
        "precision": "FLOAT32",
        "formats": {name: str(path.relative_to(done.path)) for name, path in done.formats.items()},
        "inputs": done.inputs,
        "shapes": done.shapes,
        "line": done.line,
        "padding": done.padding,
        "missing": done.missing,
        "keywords": done.keywords,
        "constants": done.constants,
        "outputs": done.outputs,
    }
    _write_json(draft / "assets.extra" / "easymtl.json", document)
    return document


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")


def _prune(folder: Path, keep: int) -> None:
    """Removes all but the newest `keep` exports (0 keeps all), and what killed processes left half written."""
    published = sorted((entry for entry in folder.iterdir() if entry.name.isdigit()), key=lambda entry: int(entry.name))
    for entry in published[:-keep] if keep > 0 else []:
        # Another export may have been quicker.
        with contextlib.suppress(OSError):
            remove(entry)
    sweep(folder)
