"""Whether the files of a checkpoint are what was written: their sizes and checksums."""

import json
import zlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

Beat = Callable[[], object]
"""Is called now and then by what takes long, so that others know that this process goes on."""

_BYTES = 16 << 20
_CHECKSUM = "checksum"


def fingerprints(folder: Path, left_out: Collection[str] = (), beat: Beat = lambda: None) -> dict[str, list[int]]:
    """Returns size in bytes and CRC-32 of every file in a folder and below it, by its name from there."""
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: fingerprint(path, beat) for name, path in files.items() if name not in left_out}


def fingerprint(path: Path, beat: Beat = lambda: None) -> list[int]:
    """Returns size in bytes and CRC-32 of a file."""
    return [path.stat().st_size, _checksum(path, beat)]


def damage(folder: Path, expected: Mapping[str, list[int]], beat: Beat = lambda: None) -> str | None:
    """Returns what is wrong with the first file that is not as expected, or None."""
    for name, (size, checksum) in expected.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        found = path.stat().st_size
        if found != size:
            return f"{name} has {found} bytes instead of {size}"
        if _checksum(path, beat) != checksum:
            return f"the bytes of {name} have changed"
    return None


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a JSON document with a checksum of itself."""
    return {**document, _CHECKSUM: _document_checksum(document)}


def is_as_sealed(document: Mapping[str, Any]) -> bool:
    """Returns whether a document is what `sealed` returned; True without a checksum."""
    return _CHECKSUM not in document or document[_CHECKSUM] == _document_checksum(document)


def _document_checksum(document: Mapping[str, Any]) -> int:
    body = {name: value for name, value in document.items() if name != _CHECKSUM}
    return zlib.crc32(json.dumps(body, sort_keys=True).encode())


def _checksum(path: Path, beat: Beat) -> int:
    checksum = 0
    with path.open("rb") as file:
        while part := file.read(_BYTES):
            checksum = zlib.crc32(part, checksum)
            beat()
    return checksum
