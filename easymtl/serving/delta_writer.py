"""Writing the files of a delta, from two SavedModels."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import easymtl
from easymtl.checkpoints.integrity import fingerprint, fingerprints, sealed
from easymtl.errors import UserError
from easymtl.serving.delta_base import WAY_OUT, Base, require_same_signatures
from easymtl.serving.delta_folders import FORMAT_VERSION, RECORD, Delta
from easymtl.serving.delta_graph import cut
from easymtl.serving.delta_joining import GRAPH, MODEL, Chain, join
from easymtl.serving.delta_rows import checksums, require_same_form, write_changes
from easymtl.serving.tensor_bundle import INDEX, Stored, stored_variables

Files = dict[str, list[int]]

_SAID = "assets.extra/"


@dataclass(frozen=True)
class Places:
    """Folders, all of them beside each other: the delta, its draft, and what is needed until it is proved."""

    final: Path
    draft: Path
    whole: Path
    joined: Path
    base: Path


class DeltaWriter:
    """Writes a delta in two steps: what scores depend on, which is proved, and then all other files."""

    def __init__(self, base: Base, rows: Path, version: int, step: int, places: Places):
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
        # Of graph and variables, which do not change any more: tables are not read twice.
        self._fingerprints: Files = {}
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
        self._fingerprints = {name: fingerprint(whole / name) for name in [MODEL, *_names_in(whole, "variables")]}
        self.seal()
        join(Chain(self._rows, [Delta(self._places.draft)]), self._places.joined)
        return self._places.joined

    def seal(self) -> dict[str, Any]:
        """Copies all files that are whole, writes what the delta says of itself, and returns it."""
        whole, draft = self._places.whole, self._places.draft
        further = fingerprints(whole, self._fingerprints)
        kept = {name: facts for name, facts in further.items() if self._is_kept(name, facts)}
        for name in further.keys() - kept.keys():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(whole / name, draft / name)
        if self._changes["graph"]:
            kept[MODEL] = fingerprint(self._rows / MODEL)
        record = sealed(self._record(self._fingerprints | further, kept))
        (draft / RECORD).write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")
        return record

    def _is_kept(self, name: str, facts: list[int]) -> bool:
        """Returns whether a file is taken from the base; what is said of a version is always there to be read."""
        there = self._rows / name
        return self._is_export and not name.startswith(_SAID) and there.is_file() and fingerprint(there) == facts

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


def _names_in(folder: Path, part: str) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in sorted((folder / part).iterdir())]
