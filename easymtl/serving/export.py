"""Exporting: written beside, checked against the checkpoint, then renamed into place."""

import contextlib
import gc
import itertools
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import tensorflow as tf
from google.protobuf import text_format

import easymtl
from easymtl.checkpoints.folder import Checkpoint
from easymtl.checkpoints.meaning import digests_of
from easymtl.checkpoints.publishing import draft_of, publish, reason, remove, sweep
from easymtl.checkpoints.restore import load_ranker
from easymtl.config import view
from easymtl.config.export_files import asset_files, reads_vocabulary_file
from easymtl.config.multi_values import FLOAT, INT64, STRING
from easymtl.data.convert import default_scalar
from easymtl.data.fields import input_fields
from easymtl.errors import UserError
from easymtl.features.columns import missing_value
from easymtl.features.encoder import Encoder
from easymtl.protos.export_pb2 import ExportConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.delta_folders import entries_of, new_version, to_be_kept
from easymtl.serving.expected import expected_outputs
from easymtl.serving.formats.writing import scores_by_format, write_formats
from easymtl.serving.narrowing import Narrowing, measure_narrowing
from easymtl.serving.parity import TOLERANCE, Parity, check_parity
from easymtl.serving.placement import Placement, placements_of
from easymtl.serving.precision import Precision
from easymtl.serving.proof_of_signatures import with_further
from easymtl.serving.proof_rows import ProofRows, missing_row, proof_rows
from easymtl.serving.request_form import RequestForm
from easymtl.serving.saved_model import ServingModel, Sizes, signatures_of
from easymtl.serving.server_configs import served_name
from easymtl.serving.server_files import write_server_files, write_warmup_file
from easymtl.serving.signature_listing import list_signatures
from easymtl.serving.signatures import ENCODE, SIGNATURE, keywords, save
from easymtl.serving.warmup_file import FILE as WARMUP

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


def export(pipeline: Pipeline, checkpoint: Checkpoint, folder: str | Path, keep: int = 0) -> Export:
    """Writes a SavedModel below `folder`, in a new subfolder named by the time in seconds, as servers want it.

    It is written to a temporary folder, loaded in another process, compared with the checkpoint on evaluation rows,
    and renamed into place when all is well. All but the newest `keep` are removed then; 0 keeps all.

    Raises:
        UserError: it could not be written, or see `write_export`.
    """
    final = Path(folder) / str(new_version(Path(folder), int(time.time())))
    draft = draft_of(final)
    try:
        done = write_export(pipeline, checkpoint, draft)
        publish(draft, final)
    except (OSError, tf.errors.OpError) as error:
        raise UserError(f"{final}: could not be written: {reason(error)}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _prune(Path(folder), keep)
    return replace(done, path=final)


def write_export(
    pipeline: Pipeline, checkpoint: Checkpoint, draft: Path, ready: Callable[[Path], Path] = lambda draft: draft
) -> Export:
    """Writes a SavedModel and what belongs to it into a folder, and compares it with the checkpoint.

    Args:
        pipeline: the config.
        checkpoint: what is exported.
        draft: the folder, which is made.
        ready: is given the folder when all is in it that scores depend on, and returns the one that is compared.

    The checkpoint gives its scores first, and its tables then: no width is in memory more than twice, and none when the
    other process loads the model.

    Raises:
        UserError: it does not score as the checkpoint, changes an AUC by more than `export_config.max_auc_change`, or
            cannot run on a GPU as promised.
        OSError: it could not be written.
        OpError: it could not be written.
    """
    ranker = load_ranker(pipeline, checkpoint, is_exported=True)
    model = ServingModel(pipeline, ranker, gives_up_tables=True)
    form, fields = model.form, model.fields
    encode = Encoder(ranker.feature_set, as_served=True)
    rows = proof_rows(pipeline, fields, encode)
    rows = with_further(rows, pipeline, form, signatures_of(pipeline, form)) if rows else None
    expected = expected_outputs(pipeline, ranker, rows.read) if rows else None
    narrowing = measure_narrowing(pipeline, ranker)
    draft.parent.mkdir(parents=True, exist_ok=True)
    signatures = model.signatures()
    outputs, sizes = save(model, draft, signatures)[SIGNATURE], model.sizes
    _copy_assets(pipeline, draft)
    config = text_format.MessageToString(pipeline, as_utf8=True)
    (draft / "assets.extra" / CONFIG).write_text(config, encoding="utf-8")
    tensors = ranker.feature_set.packing.tensors
    written = write_formats(pipeline, draft, served_name(pipeline), model, tensors)
    by_format = scores_by_format(written, signatures[ENCODE], rows.sent) if rows and written else {}
    formats = {one: made.path.relative_to(draft) for one, made in written.items()}
    examples, serialized = _examples(pipeline, rows)
    examples = examples or missing_row(pipeline, fields, encode)
    write_warmup_file(pipeline, draft, examples, serialized, signatures)
    inputs = {one: signature.inputs for one, signature in signatures.items()}
    # What is written is in memory no more when the other process loads it.
    del model, signatures, written
    gc.collect()
    compared = ready(draft)
    parity = None
    if rows and expected:
        parity = check_parity(compared, rows, expected[0], ranker.final_scores, expected[1], by_format)
    placement = _placement(draft, form)
    done = Export(
        path=draft,
        checkpoint=checkpoint,
        constants={name: value.as_py() for name, value in ranker.feature_set.constants.items()},
        outputs=outputs,
        signatures=list(inputs),
        formats=formats,
        parity=parity,
        placement=placement,
        precision=Precision.of(pipeline),
        sizes=sizes,
        narrowing=narrowing,
        **_request(pipeline, form, inputs[SIGNATURE]),
    )
    facts = _describe(pipeline, draft, done)
    _write_json(
        draft / "assets.extra" / "signatures.json",
        list_signatures(draft, ranker.feature_set.packing, form, done.missing, done.padding),
    )
    write_server_files(pipeline, draft, done.checkpoint.state(), facts, parity, examples)
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


def _examples(pipeline: Pipeline, rows: ProofRows | None) -> tuple[dict[str, pa.Array] | None, pa.Array]:
    """Returns the rows of the data that are shipped with the export, as a client sends them, and as examples.

    Without any there are no columns, and an example in which every value is missing.
    """
    if rows is None or rows.examples is None or pipeline.export_config.warmup_rows == ExportConfig.NONE:
        return None, pa.array([b""])
    num_examples = len(rows.examples) - rows.num_blanked
    return {name: column.slice(0, rows.num_rows) for name, column in rows.sent.items()}, rows.examples[:num_examples]


def _placement(draft: Path, form: RequestForm) -> dict[str, Placement]:
    """Looks at what a GPU server would do, and writes it beside the model."""
    line = _line(form)
    # A line of missing values; an empty one would be refused.
    texts = {name: line["separator"] * (len(line["fields"]) - 1) for name in form.specs()} if line else {}
    found = placements_of(draft, texts)
    text = json.dumps({name: one.document() for name, one in found.items()}, indent=2, ensure_ascii=False)
    (draft / "assets.extra" / "placement.json").write_text(text, encoding="utf-8")
    return found


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


def _describe(pipeline: Pipeline, draft: Path, done: Export) -> dict[str, Any]:
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
    _write_json(draft / "assets.extra" / "easymtl.json", document)
    return document


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")


def _prune(folder: Path, keep: int) -> None:
    """Removes all versions but the newest `keep` (0 keeps all), and what killed processes left half written.

    Versions that deltas are made from stay as long as these do.
    """
    kept = to_be_kept(folder, keep)
    for path in itertools.chain(*entries_of(folder).values()) if keep > 0 else ():
        if path not in kept:
            # Another export may have been quicker.
            with contextlib.suppress(OSError):
                remove(path)
    sweep(folder)
