"""Exporting: written beside, checked against the checkpoint, then renamed into place."""

import contextlib
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import tensorflow as tf

import easymtl
from easymtl.config import view
from easymtl.data.bad_values import usable_rows
from easymtl.data.sources import open_source
from easymtl.errors import UserError
from easymtl.features.columns import without_nulls
from easymtl.features.encoder import Encoder
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.parity import Parity, check_parity
from easymtl.serving.placement import Placement, check_placement
from easymtl.serving.saved_model import ServingModel
from easymtl.serving.signatures import SIGNATURE, keywords, save
from easymtl.tasks.ranker import Ranker
from easymtl.training.checkpoints import Checkpoint
from easymtl.training.evaluation import RankerScorer
from easymtl.training.publishing import draft_of, publish, reason, remove, sweep
from easymtl.training.restore import load_ranker

_PARITY_ROWS = 1000


@dataclass(frozen=True)
class Export:
    """A published SavedModel.

    Attributes:
      path: its folder.
      checkpoint: what it was made from.
      inputs: names and types of its inputs.
      outputs: names of its scores.
      parity: how near its scores are to the checkpoint's, or None when there was no row to compare on.
      placement: which of its nodes can run on a GPU.
    """

    path: Path
    checkpoint: Checkpoint
    inputs: dict[str, str]
    outputs: list[str]
    parity: Parity | None
    placement: Placement


def export(pipeline: Pipeline, checkpoint: Checkpoint, folder: str | Path, keep: int = 0) -> Export:
    """Writes a SavedModel below `folder`, in a new subfolder named by the time in seconds, as servers want it.

    It is written to a temporary folder, loaded in another process, compared with the checkpoint on evaluation rows,
    and renamed into place when all is well. All but the newest `keep` are removed then; 0 keeps all.

    Raises:
      UserError: it could not be written, does not score as the checkpoint, or has a node without a GPU kernel.
    """
    ranker = load_ranker(pipeline, checkpoint)
    model = ServingModel(pipeline, ranker)
    final = _new_subfolder(Path(folder))
    draft = draft_of(final)
    try:
        signature = model.signature()
        draft.parent.mkdir(parents=True, exist_ok=True)
        outputs = save(model, draft, {SIGNATURE: signature})[SIGNATURE]
        _copy_assets(pipeline, draft)
        rows = sample_rows(pipeline, model.fields, Encoder(ranker.feature_set))
        parity = check_parity(draft, rows, _expected(ranker, rows)) if rows else None
        placement = _checked_placement(draft)
        inputs = {name: spec.dtype.name for name, spec in signature.inputs.items()}
        _describe(draft, checkpoint, inputs, outputs)
        publish(draft, final)
    except (OSError, tf.errors.OpError) as error:
        raise UserError(f"{final}: could not be written: {reason(error)}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _prune(Path(folder), keep)
    return Export(final, checkpoint, inputs, outputs, parity, placement)


def sample_rows(pipeline: Pipeline, fields: list[str], encode: Encoder | None = None) -> dict[str, pa.Array]:
    """Returns raw columns of some evaluation (else training) rows, null as '' or 0; empty when there are none.

    With an encoder, rows whose values it cannot use are left out where `data_config.ignore_error` says so.
    """
    paths = view.eval_input(pipeline) or view.train_input(pipeline)
    if not paths:
        return {}
    source = open_source(paths, pipeline.data_config, fields)
    for block in source.blocks:
        for batch in source.read(block):
            part = batch.slice(0, _PARITY_ROWS)
            if encode:
                part, _ = usable_rows(encode, part, source, [block])
            if part.num_rows:
                return {name: without_nulls(part.column(name)) for name in fields}
    return {}


def _expected(ranker: Ranker, rows: dict[str, pa.Array]) -> dict[str, np.ndarray]:
    """Returns the predictions of the checkpoint by the path that training and evaluation take."""
    scorer = RankerScorer(ranker, tf.float32)
    predictions, _ = scorer.score(scorer.encoder([], with_numbers=False)(pa.RecordBatch.from_pydict(rows)))
    return predictions


def _checked_placement(folder: Path) -> Placement:
    placement = check_placement(folder)
    if placement.without_kernel:
        nodes = ", ".join(placement.without_kernel[:10])
        raise UserError(f"{folder}: no GPU kernel is registered for {nodes}. It was not published.")
    return placement


def _new_subfolder(folder: Path) -> Path:
    number = int(time.time())
    while (folder / str(number)).exists():
        number += 1
    return folder / str(number)


def _copy_assets(pipeline: Pipeline, draft: Path) -> None:
    extra = draft / "assets.extra"
    extra.mkdir(exist_ok=True)
    for asset in pipeline.export_config.asset_files:
        path = Path(asset)
        if not path.is_file():
            raise UserError(f'export_config.asset_files: "{asset}" is not a file.')
        shutil.copy(path, extra / path.name)


def _describe(draft: Path, checkpoint: Checkpoint, inputs: dict[str, str], outputs: list[str]) -> None:
    document = {
        "easymtl": easymtl.__version__,
        "step": checkpoint.step,
        "checkpoint": str(checkpoint.path),
        "precision": "FLOAT32",
        "inputs": inputs,
        "outputs": outputs,
    }
    (draft / "assets.extra" / "easymtl.json").write_text(json.dumps(document, indent=2), encoding="utf-8")


def _prune(folder: Path, keep: int) -> None:
    """Removes all but the newest `keep` exports (0 keeps all), and what killed processes left half written."""
    published = sorted((entry for entry in folder.iterdir() if entry.name.isdigit()), key=lambda entry: int(entry.name))
    for entry in published[:-keep] if keep > 0 else []:
        # Another export may have been quicker.
        with contextlib.suppress(OSError):
            remove(entry)
    sweep(folder)
