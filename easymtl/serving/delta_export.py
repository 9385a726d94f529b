"""Exporting what has changed since another version, and proving that it leads to the new one."""

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tensorflow as tf

import easymtl
from easymtl.checkpoints.folder import Checkpoint
from easymtl.checkpoints.integrity import fingerprints, sealed
from easymtl.checkpoints.publishing import draft_of, publish, reason, sweep
from easymtl.checkpoints.restore import load_ranker
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.delta_base import WAY_OUT, Base, find_base, materialize, require_same_signatures
from easymtl.serving.delta_folders import FORMAT_VERSION, RECORD, SUFFIX, Delta, new_version
from easymtl.serving.delta_graph import cut
from easymtl.serving.delta_joining import GRAPH, MODEL, Chain, join
from easymtl.serving.delta_rows import checksums, require_same_form, shown, write_changes
from easymtl.serving.export import Export, write_export
from easymtl.serving.tensor_bundle import INDEX, Stored, stored_variables

Files = dict[str, list[int]]


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


@dataclass(frozen=True)
class _Places:
    """Folders, all of them beside each other: the delta, its draft, and what is needed until it is proved."""

    final: Path
    draft: Path
    whole: Path
    joined: Path
    base: Path


def export_since(pipeline: Pipeline, checkpoint: Checkpoint, folder: str | Path, since: str) -> DeltaExport:
    """Writes `<version>.delta` below `folder`: what is needed beside an older version to have a new one.

    A whole export is made in a temporary folder, compared with the base, and removed. The delta is joined with the base
    in another one, and what comes out is compared with the checkpoint, as an export is.

    Args:
        pipeline: the config.
        checkpoint: of the new version.
        folder: of the numbered versions.
        since: the base, as `find_base` takes it.

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
        rows = materialize(pipeline, base, places.base)
        writer = _Writer(base, rows, version, checkpoint.step, places)
        done = write_export(pipeline, checkpoint, load_ranker(pipeline, checkpoint), places.whole, writer.join_changes)
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
def _temporary(final: Path) -> Iterator[_Places]:
    stem = final.with_suffix("")
    named = [draft_of(stem.with_name(f"{stem.name}.{kind}")) for kind in ("whole", "joined", "base")]
    places = _Places(final, draft_of(final), *named)
    try:
        yield places
    except (OSError, tf.errors.OpError) as error:
        raise UserError(f"{final}: could not be written: {reason(error)}") from None
    finally:
        for path in (places.draft, *named):
            shutil.rmtree(path, ignore_errors=True)


class _Writer:
    """Writes a delta in two steps: what scores depend on, which is proved, and then all other files."""

    def __init__(self, base: Base, rows: Path, version: int, step: int, places: _Places):
        """Writes nothing.

        Args:
            base: what the delta is made from.
            rows: a SavedModel with its rows.
            version: of the delta.
            step: of its checkpoint.
            places: where to.
        """
        self._base = base
        self._rows = rows
        self._version = version
        self._step = step
        self._places = places
        self._changes: dict[str, Any] = {}
        # Only an export is on a server as it is here; the graph of a checkpoint was made for this.
        self._is_export = base.path is not None

    def join_changes(self, whole: Path) -> Path:
        """Writes what has changed in a SavedModel, joins it with the base, and returns where that is.

        Raises:
            UserError: base and SavedModel are of two forms.
        """
        new, old = stored_variables(whole), stored_variables(self._rows)
        try:
            require_same_form(new, old)
            require_same_signatures(whole, self._rows)
        except UserError as error:
            raise UserError(f"--since {self._base.since}: {self._base} is another model: {error}. {WAY_OUT}") from None
        self._places.draft.mkdir()
        self._changes = self._write(whole, new, old)
        self.seal()
        join(Chain(self._rows, [Delta(self._places.draft)]), self._places.joined)
        return self._places.joined

    def seal(self) -> dict[str, Any]:
        """Copies all files that are whole, writes what the delta says of itself, and returns it."""
        whole, draft = self._places.whole, self._places.draft
        files = fingerprints(whole)
        there = fingerprints(self._rows) if self._is_export else {}
        kept = {name for name, facts in files.items() if name.startswith("assets/") and there.get(name) == facts}
        for name in files.keys() - kept - {MODEL}:
            if not name.startswith("variables/"):
                (draft / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(whole / name, draft / name)
        needed = kept | ({MODEL} if self._changes["graph"] else set())
        record = sealed(self._record(files, {name: there[name] for name in sorted(needed)}))
        (draft / RECORD).write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")
        return record

    def _write(self, whole: Path, new: Mapping[str, Stored], old: Mapping[str, Stored]) -> dict[str, Any]:
        draft = self._places.draft
        graph = (self._rows / MODEL).read_bytes() if self._is_export else None
        rest, copies = cut((whole / MODEL).read_bytes(), graph)
        (draft / GRAPH).write_bytes(rest)
        shutil.copyfile(whole / INDEX, draft / Path(INDEX).name)
        return {
            "variables": write_changes(new, old, draft),
            "graph": copies,
            "variables_checksums": checksums(new),
            "base": {"variables_checksums": checksums(old)},
        }

    def _record(self, files: Files, needed: Files) -> dict[str, Any]:
        base = {"version": self._base.version, "step": self._base.step, "files": needed, **self._changes["base"]}
        return {
            "format_version": FORMAT_VERSION,
            "easymtl": easymtl.__version__,
            "version": self._version,
            "step": self._step,
            **self._changes,
            "base": base,
            "files": files,
        }


def _size(files: Mapping[str, list[int]]) -> int:
    return sum(size for size, _ in files.values())
