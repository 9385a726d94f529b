"""Exporting: written beside, checked against the checkpoint, then renamed into place."""

import contextlib
import gc
import itertools
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import tensorflow as tf
from google.protobuf import text_format

from easymtl.checkpoints.folder import Checkpoint
from easymtl.checkpoints.publishing import draft_of, publish, reason, remove, sweep
from easymtl.checkpoints.restore import load_ranker
from easymtl.config import view
from easymtl.config.export_files import asset_files, reads_vocabulary_file
from easymtl.errors import UserError
from easymtl.features.encoder import Encoder
from easymtl.protos.export_pb2 import ExportConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.delta_folders import entries_of, new_version, to_be_kept
from easymtl.serving.expected import expected_outputs
from easymtl.serving.exported import CONFIG, Export, describe_export, line_of, request_facts, write_json
from easymtl.serving.formats.writing import scores_by_format, write_formats
from easymtl.serving.narrowing import measure_narrowing
from easymtl.serving.parity import check_parity
from easymtl.serving.placement import Placement, placements_of
from easymtl.serving.precision import Precision
from easymtl.serving.proof_of_signatures import with_further
from easymtl.serving.proof_process import ProofProcess
from easymtl.serving.proof_rows import ProofRows, missing_row, proof_rows
from easymtl.serving.request_form import RequestForm
from easymtl.serving.saved_model import ServingModel, Sizes, signatures_of
from easymtl.serving.server_configs import served_name
from easymtl.serving.server_files import write_server_files, write_warmup_file
from easymtl.serving.signature_listing import list_signatures
from easymtl.serving.signatures import ENCODE, SIGNATURE, save
from easymtl.serving.warmup_file import FILE as WARMUP
from easymtl.tasks.ranker import Ranker
from easymtl.training.events import Listener, Phase

PHASES = ("reading", "scoring", "tracing", "proving the export", "describing")
"""What an export goes through, in this order, as its listener is told."""


def export(
    pipeline: Pipeline,
    checkpoint: Checkpoint,
    folder: str | Path,
    keep: int = 0,
    listener: Listener = lambda event: None,
    process: ProofProcess | None = None,
) -> Export:
    """Writes a SavedModel below `folder`, in a new subfolder named by the time in seconds, as servers want it.

    It is written to a temporary folder, loaded in another process, compared with the checkpoint on evaluation rows,
    and renamed into place when all is well. All but the newest `keep` are removed then; 0 keeps all. The listener is
    told what is being done. The other process may have been begun before, see `score_apart`.

    Raises:
        UserError: it could not be written, or see `write_export`.
    """
    final = Path(folder) / str(new_version(Path(folder), int(time.time())))
    draft = draft_of(final)
    try:
        done = write_export(pipeline, checkpoint, draft, listener=listener, process=process)
        publish(draft, final)
    except (OSError, tf.errors.OpError) as error:
        raise UserError(f"{final}: could not be written: {reason(error)}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    prune(Path(folder), keep)
    return replace(done, path=final)


def write_export(
    pipeline: Pipeline,
    checkpoint: Checkpoint,
    draft: Path,
    ready: Callable[[Path], Path] = lambda draft: draft,
    listener: Listener = lambda event: None,
    process: ProofProcess | None = None,
) -> Export:
    """Writes a SavedModel and what belongs to it into a folder, and compares it with the checkpoint.

    Args:
        pipeline: the config.
        checkpoint: what is exported.
        draft: the folder, which is made.
        ready: is given the folder when all is in it that scores depend on, and returns the one that is compared.
        listener: is told what is being done.
        process: as `score_apart` has it.

    Tables stay in the files of the checkpoint, and go from there into those of the export block by block; only the
    process that proves the export has them in memory.

    Raises:
        UserError: it does not score as the checkpoint, changes an AUC by more than `export_config.max_auc_change`, or
            cannot run on a GPU as promised.
        OSError: it could not be written.
        OpError: it could not be written.
    """
    listener(Phase("reading", str(checkpoint.path)))
    ranker = load_ranker(
        pipeline, checkpoint, True, lambda name, detail: listener(Phase(name, detail)), is_on_disk=True
    )
    model = ServingModel(pipeline, ranker)
    form, fields = model.form, model.fields
    encode = Encoder(ranker.feature_set, as_served=True)
    listener(Phase("scoring", "the rows that the export has to score alike"))
    rows = proof_rows(pipeline, fields, encode)
    rows = with_further(rows, pipeline, form, signatures_of(pipeline, form)) if rows else None
    expected = expected_outputs(pipeline, ranker, rows.read) if rows else None
    narrowing = measure_narrowing(pipeline, ranker)
    examples, serialized = _examples(pipeline, rows)
    examples = examples or missing_row(pipeline, fields, encode)
    listener(Phase("tracing", "what the export computes, and writing it"))
    saved = _save(pipeline, ranker, model, draft, rows, (examples, serialized))
    # What is written is in memory no more when the other process loads it.
    del model
    gc.collect()
    listener(Phase("proving the export", "in a process without easymtl"))
    compared = ready(draft)
    parity = None
    if rows and expected:
        wanted = (expected[0], ranker.final_scores, expected[1], saved.by_format)
        parity = check_parity(compared, rows, *wanted, process)
    listener(Phase("describing", "the export, and what a GPU would run of it"))
    done = Export(
        path=draft,
        checkpoint=checkpoint,
        constants={name: value.as_py() for name, value in ranker.feature_set.constants.items()},
        outputs=saved.outputs,
        signatures=list(saved.inputs),
        formats=saved.formats,
        parity=parity,
        placement=_placement(draft, form),
        precision=Precision.of(pipeline),
        sizes=saved.sizes,
        narrowing=narrowing,
        **request_facts(pipeline, form, saved.inputs[SIGNATURE]),
    )
    facts = describe_export(pipeline, draft, done)
    listed = list_signatures(draft, ranker.feature_set.packing, form, done.missing, done.padding)
    write_json(draft / "assets.extra" / "signatures.json", listed)
    write_server_files(pipeline, draft, checkpoint.state(), facts, parity, examples)
    return done


@dataclass(frozen=True)
class _Saved:
    """What has been written of a model that is in memory.

    Attributes:
        inputs: those of each signature.
        outputs: names of the scores.
        sizes: bytes of the weights.
        formats: the files of other formats, by format.
        by_format: their scores of all rows.
    """

    inputs: dict[str, Mapping[str, tf.TensorSpec]]
    outputs: list[str]
    sizes: Sizes
    formats: dict[str, Path]
    by_format: dict[str, dict[str, np.ndarray]]


def _save(
    pipeline: Pipeline,
    ranker: Ranker,
    model: ServingModel,
    draft: Path,
    rows: ProofRows | None,
    examples: tuple[dict[str, pa.Array] | None, pa.Array],
) -> _Saved:
    """Writes all that has to be computed by the model itself."""
    draft.parent.mkdir(parents=True, exist_ok=True)
    signatures = model.signatures()
    outputs = save(model, draft, signatures, model.write_tables)[SIGNATURE]
    _copy_assets(pipeline, draft)
    config = text_format.MessageToString(pipeline, as_utf8=True)
    (draft / "assets.extra" / CONFIG).write_text(config, encoding="utf-8")
    tensors = ranker.feature_set.packing.tensors
    written = write_formats(pipeline, draft, served_name(pipeline), model, tensors)
    write_warmup_file(pipeline, draft, *examples, signatures)
    return _Saved(
        inputs={name: signature.inputs for name, signature in signatures.items()},
        outputs=outputs,
        sizes=model.sizes,
        formats={name: one.path.relative_to(draft) for name, one in written.items()},
        by_format=scores_by_format(written, signatures[ENCODE], rows.sent) if rows and written else {},
    )


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
    line = line_of(form)
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


def prune(folder: Path, keep: int) -> None:
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
