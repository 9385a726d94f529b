"""Folders of exports and deltas: `<version>` is an export, `<version>.delta` what changed since another version.

A server that knows no deltas looks at names that are numbers alone. No file of a delta is called as one by which an
export is known, so that nobody takes one for the other.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from easymtl.checkpoints.integrity import is_as_sealed
from easymtl.errors import UserError

RECORD = "delta.json"
SUFFIX = ".delta"
FORMAT_VERSION = 1

_VERSION = re.compile(rf"^([0-9]+)(?:{re.escape(SUFFIX)})?$")
# A server counts versions in 63 bits.
_END = 1 << 63


@dataclass(frozen=True)
class Delta:
    """What changed between a version and an older one, its base.

    Attributes:
        path: its folder.
    """

    path: Path

    @cached_property
    def record(self) -> Mapping[str, Any]:
        """Returns what `delta.json` holds.

        Raises:
            UserError: it cannot be read.
        """
        path = self.path / RECORD
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            is_known = record["format_version"] == FORMAT_VERSION
            is_whole = "checksum" in record and is_as_sealed(record)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(f"{path}: cannot be read ({error}). Copy the folder again.") from None
        if not is_known:
            raise UserError(f"{path}: written by another version of easymtl (format {record['format_version']}).")
        if not is_whole or not all(map(_stays_inside, record["files"])):
            raise UserError(f"{path}: its content has changed. Copy the folder again.")
        return record

    @property
    def version(self) -> int:
        """Returns the number of the version that it leads to."""
        return int(self.record["version"])


def is_delta(folder: Path) -> bool:
    """Returns whether a folder is a delta."""
    return (folder / RECORD).is_file()


def is_whole(folder: Path) -> bool:
    """Returns whether a folder is a SavedModel."""
    return (folder / "saved_model.pb").is_file()


def version_of(folder: Path) -> int | None:
    """Returns the number of a version by the name of its folder."""
    match = _VERSION.match(folder.name)
    return int(match[1]) if match and int(match[1]) < _END else None


def entries_of(folder: Path) -> dict[int, list[Path]]:
    """Returns all that is called as a version, or as a delta to one, by number: exports before deltas."""
    found: dict[int, list[Path]] = {}
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            version = version_of(path)
            if version is not None:
                found.setdefault(version, []).append(path)
    return {version: found[version] for version in sorted(found)}


def versions_in(folder: Path) -> dict[int, Path]:
    """Returns the exports in a folder, and the deltas to versions of which there is no export, by number."""
    found = {}
    for version, paths in entries_of(folder).items():
        usable = [path for path in paths if is_whole(path)] + [path for path in paths if is_delta(path)]
        if usable:
            found[version] = usable[0]
    return found


def new_version(folder: Path, number: int) -> int:
    """Returns `number`, or one more than the newest version: a clock may go back, and the newest is what is served."""
    return max(number, max(entries_of(folder), default=0) + 1)


def to_be_kept(folder: Path, keep: int) -> set[Path]:
    """Returns the newest `keep` versions in a folder, and those that the deltas among them are made from."""
    entries = entries_of(folder)
    waiting = [path for version in list(entries)[-keep:] for path in entries[version]]
    kept: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in kept:
            kept.add(path)
            waiting += entries.get(_base_version(path), [])
    return kept


def _base_version(path: Path) -> int:
    """Returns the version that a delta was made from; -1 if it is none, or does not say."""
    if not is_delta(path):
        return -1
    try:
        version = Delta(path).record["base"]["version"]
    except UserError:
        return -1
    return -1 if version is None else int(version)


def described(places: Iterable[Path]) -> str:
    """Returns folders for a message, each once."""
    return " or ".join(dict.fromkeys(map(str, places)))


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name
