"""From a comma list of globs, folders and files to the data files behind it.

All reading goes through a `pyarrow.fs.FileSystem`, so that remote ones need no other reader; but for tables in memory.
"""

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa
from pyarrow import fs

from easymtl.data.memory import HeldTable, held_table, is_in_memory
from easymtl.data.remote import explain, is_remote, locate
from easymtl.data.remote_listing import list_files
from easymtl.errors import UserError, did_you_mean

_COMMAS = re.compile(r"(?<!\\),")
_PART_ENDS = re.compile(r"^\s+|(?<!\\)\s+$")
_ESCAPED = re.compile(r"\\([,\s])")
_OF_COMMAS = (
    " The input path is several, as commas separate them: a comma that belongs to a name is written "
    r"\, (and in a config file, where a backslash is doubled, \\,)."
)
_LOCAL_SCHEME = re.compile(r"^file://", re.IGNORECASE)


@dataclass(frozen=True)
class DataFile:
    """One file of data.

    Attributes:
        name: how the user knows it, for messages.
        path: its path inside `filesystem`.
        filesystem: where it lies.
        found_in: the folder or pattern that it was found by; empty for a file that the user named.
        held: the table, where it is one in memory and no file.
    """

    name: str
    path: str
    filesystem: fs.FileSystem = field(compare=False)
    found_in: str = field(default="", compare=False)
    held: HeldTable | None = field(default=None, compare=False)

    @property
    def what(self) -> str:
        """Returns what a message calls it."""
        return "table" if self.held else "file"

    @property
    def is_remote(self) -> bool:
        """Returns whether each read is a request to a server."""
        return not isinstance(self.filesystem, fs.LocalFileSystem)

    @cached_property
    def size(self) -> int:
        """Returns the bytes of the file, or of the table, when first asked.

        Raises:
            UserError: the file is gone or may not be read.
        """
        if self.held:
            return int(self.held.table.nbytes)
        with self.open() as file:
            return file.size()

    def open(self) -> pa.NativeFile:
        """Returns the file, open for reading at any place.

        Raises:
            UserError: the file is gone, became something else, or may not be read.
        """
        if not self.is_remote and os.path.exists(self.path) and not os.path.isfile(self.path):
            # Whoever opens a pipe waits for the one who writes.
            raise UserError(
                f"{self.name}: this data file is now a folder, a pipe or a device. Bring the file back, and run again: "
                "a training goes on from its last checkpoint."
            )
        try:
            return self.filesystem.open_input_file(self.path)
        except FileNotFoundError:
            raise UserError(f'{self.name}: this data file is gone. Was "{self.name}" removed?') from None
        except OSError as error:
            raise UserError(f"{self.name}: this data file cannot be opened: {explain(self.name, error)}") from None

    def read_at(self, start: int, length: int) -> bytes:
        """Returns `length` bytes from `start` on, fewer only at the end of the file.

        Raises:
            UserError: the file is gone or cannot be read.
        """
        with self.open() as opened:
            return read_open(opened, start, length, self)


def read_open(opened: pa.NativeFile, start: int, length: int, file: DataFile) -> bytes:
    """Returns `length` bytes of an open file from `start` on, fewer only at its end.

    Raises:
        UserError: they cannot be read.
    """
    try:
        return opened.read_at(length, start)
    except OSError as error:
        if start > opened.size():
            return b""
        raise UserError(f"{file.name}: reading at byte {start} failed: {explain(file.name, error)}") from None


def expand(paths: str) -> list[DataFile]:
    """Returns the data files behind a comma list of globs, folders and files.

    The parts keep their order; what a glob or a folder stands for is sorted by name. Hidden files and
    `*_SUCCESS` are skipped, in folders also names that start with `_`. A comma or blank behind a backslash belongs to
    a name; so do those of a text that as a whole is the path of a file.

    Raises:
        UserError: nothing is there, or it may not be read, or a remote file system cannot be reached.
    """
    parts = split_paths(paths)
    if not parts:
        raise UserError("The input path is empty. Set train_input_path and eval_input_path to your data files.")
    try:
        return [file for part in parts for file in _files_of_part(part)]
    except UserError as error:
        raise UserError(f"{error}{_OF_COMMAS if len(parts) > 1 else ''}") from None


def split_paths(paths: str) -> list[str]:
    """Returns the parts of a comma list, without the blanks around them."""
    if paths.strip() and ("," in paths or paths != paths.strip()) and os.path.exists(paths):
        return [paths]
    return split_commas(paths)


def split_commas(text: str) -> list[str]:
    """Returns the parts of a comma list, without blanks around them; a comma or blank behind a backslash stays."""
    parts = (_PART_ENDS.sub("", part) for part in _COMMAS.split(text))
    return [_ESCAPED.sub(r"\1", part) for part in parts if part]


def _files_of_part(part: str) -> list[DataFile]:
    if is_in_memory(part):
        held = held_table(part)
        return [DataFile(f'table "{held.name}"', part, fs.LocalFileSystem(), held=held)]
    return _remote_files(part) if is_remote(part) else _local_files(part)


def _remote_files(part: str) -> list[DataFile]:
    place = locate(part)
    paths = list_files(place)
    found_in = "" if paths == [place.path] else place.name
    return [DataFile(place.name_of(path), path, place.filesystem, found_in) for path in paths]


def _local_files(part: str) -> list[DataFile]:
    local = fs.LocalFileSystem()
    path = local_path(part)
    files = _expand_part(part, path)
    return [DataFile(file, os.path.abspath(file), local, "" if file == path else path) for file in files]


def _expand_part(part: str, path: str) -> list[str]:
    if os.path.exists(path):
        found = list(_files_of(path))
    elif glob.has_magic(path) and not os.path.lexists(path):
        found = [file for match in sorted(glob.glob(path, recursive=True)) for file in _files_of(match)]
    else:
        raise UserError(_missing(path))
    if not found:
        raise UserError(f'Input path "{part}": no data file is there.{_nearest_folder(path)}')
    for file in found:
        if not os.path.exists(file):
            raise UserError(_missing(file))
        if not os.access(file, os.R_OK):
            raise UserError(f'Input path "{file}": no permission to read it. Check owner and mode of the file.')
        if not os.path.isfile(file):
            # Whoever opens a pipe waits for the one who writes, and some devices never end.
            raise UserError(f'Input path "{file}": this is a pipe or a device, and no file. Write its rows to a file.')
    return list(dict.fromkeys(found))


def local_path(part: str) -> str:
    """Returns a local path without `file://`."""
    return _LOCAL_SCHEME.sub("", part)


def _files_of(path: str) -> Iterator[str]:
    """Yields the file itself, or all data files below a folder."""
    if not os.path.isdir(path):
        if not path.endswith("_SUCCESS"):
            yield path
        return
    seen = {os.path.realpath(path)}
    for folder, folders, names in os.walk(path, onerror=_refuse, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        # A link may lead back to a folder above it.
        folders[:] = [name for name in folders if os.path.realpath(os.path.join(folder, name)) not in seen]
        seen.update(os.path.realpath(os.path.join(folder, name)) for name in folders)
        for name in sorted(names):
            if not name.startswith((".", "_")) and not name.endswith("_SUCCESS"):
                yield os.path.join(folder, name)


def _refuse(error: OSError) -> None:
    raise UserError(f'Input path "{error.filename}": the folder cannot be read: {error.strerror}.')


def _missing(path: str) -> str:
    link = _broken_link(path)
    if link:
        return (
            f'Input path "{path}": "{link}" is a broken link: it leads to "{os.readlink(link)}", which is not there. '
            "Restore what it leads to, or remove the link."
        )
    parent, missing = os.path.split(path.rstrip("/"))
    while parent and not os.path.isdir(parent):
        parent, missing = os.path.split(parent)
    try:
        names = os.listdir(parent or ".")
    except OSError as error:
        return f'Input path "{path}": folder "{parent}" cannot be read: {error.strerror}.'
    where = f'folder "{parent}"' if parent else f"the current folder ({os.getcwd()})"
    return f'Input path "{path}": "{missing}" is not in {where}.{did_you_mean(missing, names)}'


def _broken_link(path: str) -> str:
    """Returns the part of a path that is a link to nothing, or an empty text."""
    while path and not os.path.lexists(path):
        path = os.path.dirname(path)
    return path if os.path.islink(path) and not os.path.exists(path) else ""


def _nearest_folder(pattern: str) -> str:
    """Returns a sentence on the first part of a glob that is missing, if it is one without wildcards."""
    fixed = pattern
    while glob.has_magic(fixed):
        fixed = os.path.dirname(fixed)
    return f" {_missing(fixed)}" if fixed and not os.path.exists(fixed) else " Check the pattern."
