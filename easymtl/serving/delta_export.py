"""Exporting what has changed since another version, and proving that it leads to the new one."""

import gc
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import tensorflow as tf

from easymtl.checkpoints.folder import Checkpoint
from easymtl.checkpoints.integrity import fingerprints
from easymtl.checkpoints.publishing import draft_of, publish, reason, sweep
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.delta_base import Base, find_base, materialize
from easymtl.serving.delta_folders import SUFFIX, new_version
from easymtl.serving.delta_rows import shown
from easymtl.serving.delta_writer import DeltaWriter, Places
from easymtl.serving.export import write_export
from easymtl.serving.exported import Export
from easymtl.serving.proof_process import ProofProcess
from easymtl.training.events import Listener, Phase


@dataclass(frozen=True)
class DeltaExport:
    """A published delta.

    Attributes:
        export: what it leads to, as it was compared with the checkpoint; its path is the folder of the delta.
        base: what it is made from.
        changed: how many rows differ, and of how many, by what a person calls a variable.
        num_bytes: of the delta.
        whole_bytes: of the export that it leads to.
    """

    export: Export
    base: Base
    changed: dict[str, tuple[int, int]]
    num_bytes: int
    whole_bytes: int


def export_since(
    pipeline: Pipeline,
    checkpoint: Checkpoint,
    folder: str | Path,
    since: str,
    listener: Listener = lambda event: None,
    process: ProofProcess | None = None,
) -> DeltaExport:
    """Writes `<version>.delta` below `folder`: what is needed beside an older version to have a new one.

    A whole export is made in a temporary folder, compared with the base, and removed. The delta is joined with the base
    in another one, and what comes out is compared with the checkpoint, as an export is.

    Args:
        pipeline: the config.
        checkpoint: of the new version.
        folder: of the numbered versions.
        since: the base, as `find_base` takes it.
        listener: is told what is being done.
        process: as `score_apart` has it.

    Raises:
        UserError: the base is not there or of another model, the delta could not be written, or it does not score as
            the checkpoint.
    """
    folder = Path(folder)
    base = find_base(pipeline, folder, since)
    version = new_version(folder, int(time.time()))
    final = folder / f"{version}{SUFFIX}"
    with _temporary(final) as places:
        folder.mkdir(parents=True, exist_ok=True)
        listener(Phase("reading", f"the base, {since}"))
        rows = materialize(pipeline, base, places.base)
        # The tables of a checkpoint are held by circles of functions, and those of another one are read now.
        gc.collect()
        writer = DeltaWriter(base, rows, version, checkpoint.step, places)
        done = write_export(pipeline, checkpoint, places.whole, writer.join_changes, listener, process)
        record = writer.seal()
        num_bytes, whole_bytes = _size(fingerprints(places.draft)), _size(record["files"])
        publish(places.draft, final)
    sweep(folder)
    changed = {
        shown(name): (entry["changed"], entry["rows"])
        for name, entry in record["variables"].items()
        if name in record["variables_checksums"]
    }
    return DeltaExport(replace(done, path=final), base, changed, num_bytes, whole_bytes)


@contextmanager
def _temporary(final: Path) -> Iterator[Places]:
    stem = final.with_suffix("")
    named = [draft_of(stem.with_name(f"{stem.name}.{kind}")) for kind in ("whole", "joined", "base")]
    places = Places(final, draft_of(final), *named)
    try:
        yield places
    except (OSError, tf.errors.OpError) as error:
        raise UserError(f"{final}: could not be written: {reason(error)}") from None
    finally:
        for path in (places.draft, *named):
            shutil.rmtree(path, ignore_errors=True)


def _size(files: Mapping[str, list[int]]) -> int:
    return sum(size for size, _ in files.values())
