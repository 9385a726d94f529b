"""What parts of data are there: folders that are called by a time, their files, and when these were changed last."""

import errno
import fnmatch
import glob
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyarrow import fs

from easymtl.data.paths import local_path, split_paths
from easymtl.data.remote import Location, explain, is_remote, locate
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.following.layout import PartName, Time, part_name, require_one_layout

MARKER = "_SUCCESS"
"""The file by which a writer says that a part, or a folder around it, is complete."""
_QUERY = re.compile(r"\?\w+=.*$")


@dataclass(frozen=True)
class Entry:
    """One file or folder.

    Attributes:
        names: of the folders from that of all parts on, and its own.
        is_folder: whether it is one.
        size: bytes of a file.
        changed: nanoseconds since 1970 of its last change; None where the file system does not tell.
    """

    names: tuple[str, ...]
    is_folder: bool
    size: int = 0
    changed: int | None = None


@dataclass(frozen=True)
class Part:
    """A part of data.

    Attributes:
        name: the names of its folders.
        path: what `train_input_path` is to be to read it alone.
        files: of its data files the name below its folder, the size and the last change.
        changed: the last change of a file or folder of it, nanoseconds since 1970; 0 where nothing tells.
        is_marked: whether its writer has said that it is complete.
    """

    name: PartName
    path: str
    files: tuple[tuple[str, int, int | None], ...]
    changed: int = 0
    is_marked: bool = False

    @property
    def text(self) -> str:
        """Returns how it is called."""
        return self.name.text

    @property
    def time(self) -> Time:
        """Returns what it is ordered by."""
        return self.name.time

    @property
    def mark(self) -> str:
        """Returns what changes with the names, sizes and times of its files: a row may be mended in its place."""
        return hashlib.blake2b(repr(self.files).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()

    @property
    def num_bytes(self) -> int:
        """Returns the bytes of its files."""
        return sum(size for _, size, _ in self.files)


@dataclass(frozen=True)
class Listing:
    """What is there at a time.

    Attributes:
        parts: in the order of their times; those without a file, too.
        others: names beside them that are no time, and are not read.
    """

    parts: tuple[Part, ...]
    others: tuple[str, ...] = ()

    def of(self, text: str) -> Part | None:
        """Returns the part that is called so."""
        return next((part for part in self.parts if part.text == text), None)


class PartFolder:
    """The folder, or pattern of folders and files, in which parts appear.

    Attributes:
        root: the folder of all parts, as a user knows it.
    """

    def __init__(self, paths: str):
        """Looks at nothing yet.

        Args:
            paths: `train_input_path` of a config.

        Raises:
            UserError: it is no single folder or pattern.
        """
        split = split_paths(paths)
        if len(split) != 1:
            raise UserError(
                f'train_input_path "{paths}" names {len(split)} places, and parts that follow each other lie in one '
                "folder. Name that folder, or a pattern such as logs/dt=*/hour=*."
            )
        text = split[0]
        match = _QUERY.search(text) if is_remote(text) else None
        self._query = match[0] if match else ""
        text = text[: len(text) - len(self._query)] if self._query else text
        text = text if is_remote(text) else local_path(text)
        self.root, self._pattern = _fixed_part(text)
        if "**" in self._pattern:
            raise UserError(
                f'train_input_path "{paths}": ** stands for any number of folders, and does not show which of them '
                f"are parts. Name the folder of all parts, {self.root}, or a pattern: {self.root}/dt=*/*.parquet."
            )

    def list(self) -> Listing:
        """Returns what is there now.

        Raises:
            UserError: the folder is not there or cannot be read, or the parts are laid out in two ways.
        """
        entries = list(self._entries())
        markers = {entry.names[:-1] for entry in entries if entry.names[-1] == MARKER and not entry.is_folder}
        kept = [entry for entry in entries if self._fits(entry) and (entry.is_folder or _is_data(entry.names[-1]))]
        found: dict[tuple[str, ...], list[Entry]] = {}
        names: dict[tuple[str, ...], PartName] = {}
        others: dict[str, None] = {}
        for entry in kept:
            folders = entry.names if entry.is_folder else entry.names[:-1]
            name = part_name(folders)
            if name is None:
                others[entry.names[0]] = None
                continue
            found.setdefault(name.folders, []).append(entry)
            names[name.folders] = name
        with_files = [names[key] for key, of in found.items() if not all(entry.is_folder for entry in of)]
        require_one_layout(sorted(with_files, key=_order), self.root)
        keys = with_files[0].keys if with_files else None
        chosen = [name for key, name in names.items() if keys is None or name.keys == keys]
        return Listing(
            tuple(self._part(name, found[name.folders], markers) for name in sorted(chosen, key=_order)),
            tuple(others),
        )

    def _part(self, name: PartName, entries: Sequence[Entry], markers: set[tuple[str, ...]]) -> Part:
        depth = len(name.folders)
        files = sorted(
            ("/".join(entry.names[depth:]), entry.size, entry.changed) for entry in entries if not entry.is_folder
        )
        around = {name.folders[:length] for length in range(1, depth + 1)}
        changed = max((entry.changed or 0 for entry in entries), default=0)
        return Part(name, self._path(name), tuple(files), changed, bool(around & markers))

    def _path(self, name: PartName) -> str:
        """Returns what reads a part alone: its folder, or the pattern with the names of its folders."""
        rest = self._pattern[len(name.folders) :]
        place = "/".join((self.root.rstrip("/") or "", *name.folders)) if self.root else name.text
        path = "/".join((glob.escape(place), *rest)) if rest else place
        return path.replace(",", r"\,") + self._query

    def _fits(self, entry: Entry) -> bool:
        """Returns whether the pattern means an entry, or a folder around it; of a folder also what may lie in it."""
        if not entry.is_folder and len(entry.names) < len(self._pattern):
            return False
        return all(fnmatch.fnmatchcase(name, pattern) for name, pattern in zip(entry.names, self._pattern))

    def _entries(self) -> Iterator[Entry]:
        place = self.root + self._query
        if is_remote(self.root):
            yield from _remote_entries(locate(place))
        else:
            yield from _local_entries(self.root)


def _order(name: PartName) -> tuple[Time, tuple[str, ...]]:
    return name.time, name.folders


def _is_data(name: str) -> bool:
    """Returns whether a file is read as data, see `easymtl.data.paths.expand`."""
    return not name.startswith((".", "_")) and not name.endswith(MARKER)


def _fixed_part(text: str) -> tuple[str, tuple[str, ...]]:
    """Returns the folder above the first wildcard, and the patterns of the names below it."""
    if not glob.has_magic(text) or (not is_remote(text) and os.path.exists(text)):
        return text, ()
    names = text.split("/")
    first = next(place for place, name in enumerate(names) if glob.has_magic(name))
    root = "/".join(names[:first]) or ("/" if text.startswith("/") else ".")
    return root, tuple(name for name in names[first:] if name)


def _local_entries(root: str) -> Iterator[Entry]:
    if not os.path.isdir(root):
        parent, name = os.path.split(os.path.abspath(root))
        names = os.listdir(parent) if os.path.isdir(parent) else []
        found = "is a file" if os.path.exists(root) else "is not there"
        raise UserError(
            f'train_input_path: the folder of all parts, "{root}", {found}.{did_you_mean(name, names)} Name the folder '
            "in which the parts appear, or make it."
        )
    yield from _walk(root, (), {os.path.realpath(root)})


def _walk(folder: str, names: tuple[str, ...], seen: set[str]) -> Iterator[Entry]:
    """Yields what lies below a folder; what vanishes meanwhile is not there, and a link is not followed in circles."""
    try:
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f'train_input_path: the folder "{folder}" cannot be read: {error.strerror}.') from None
    for entry in entries:
        is_marker = entry.name == MARKER
        if entry.name.startswith((".", "_")) and not is_marker:
            continue
        try:
            status = entry.stat()
            is_folder = entry.is_dir()
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP):
                # It is gone, or a link that leads nowhere or to itself, which reading the part tells of.
                continue
            raise UserError(f'train_input_path: "{entry.path}" cannot be read: {error.strerror}.') from None
        # The time of the change of a name or an owner, too: a file that is moved here keeps that of its content.
        changed = max(status.st_mtime_ns, status.st_ctime_ns)
        below = (*names, entry.name)
        if not is_folder:
            yield Entry(below, False, status.st_size, changed)
        elif (place := os.path.realpath(entry.path)) not in seen:
            yield Entry(below, True, 0, changed)
            yield from _walk(entry.path, below, seen | {place})


def _remote_entries(place: Location) -> Iterator[Entry]:
    try:
        if place.filesystem.get_file_info(place.path).type == fs.FileType.NotFound:
            raise UserError(f'train_input_path: "{place.name}" is not there. Check the path.')
        infos = place.filesystem.get_file_info(fs.FileSelector(place.path, recursive=True))
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f'train_input_path "{place.name}": {explain(place.name, error)}') from None
    start = len(place.path.rstrip("/")) + 1
    for info in sorted(infos, key=lambda info: info.path):
        names = tuple(info.path[start:].rstrip("/").split("/"))
        is_hidden = any(name.startswith((".", "_")) for name in names)
        if is_hidden and not (names[-1] == MARKER and not any(name.startswith((".", "_")) for name in names[:-1])):
            continue
        is_folder = info.type == fs.FileType.Directory
        yield Entry(names, is_folder, 0 if is_folder else info.size, info.mtime_ns)


def no_parts(folder: PartFolder, listing: Listing) -> str:
    """Returns why nothing is a part, where files are there that are none; empty where there may be one later."""
    if any(part.files for part in listing.parts) or not listing.others:
        return ""
    return (
        f"{folder.root}: nothing in it is called by a time: {quoted(listing.others, limit=3)}. Parts are folders such "
        "as dt=2026-01-02, dt=2026-01-02/hour=03, 20260102 or 2026/01/02."
    )
