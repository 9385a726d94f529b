"""Which data files a path on a remote file system means: one, those below a folder, or those that a glob matches."""

import fnmatch
import glob
from collections.abc import Iterable, Iterator

import pyarrow as pa
from pyarrow import fs

from easymtl.data.remote import Location, explain, no_bucket
from easymtl.errors import UserError, did_you_mean


def list_files(place: Location) -> list[str]:
    """Returns the paths of the data files: the one at the place, those below a folder, or those a glob means, sorted.

    Raises:
        UserError: nothing is there, or it may not be read, or the server cannot be reached.
    """
    try:
        info = place.filesystem.get_file_info(place.path)
        if info.type == fs.FileType.NotFound and glob.has_magic(place.path):
            matches = _matches(place.filesystem, *_fixed_part(place.path))
            infos = sorted(matches, key=lambda match: match.path)
        else:
            infos = [info]
        paths = [path for found in infos for path in _files_of(place.filesystem, found)]
        if not paths:
            raise UserError(_nothing(place))
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f'Input path "{place.name}": {explain(place.name, error)}') from None
    return list(dict.fromkeys(paths))


def _fixed_part(pattern: str) -> tuple[str, list[str]]:
    """Returns the folder above the first wildcard, and the names below it."""
    names = pattern.split("/")
    first = next(place for place, name in enumerate(names) if glob.has_magic(name))
    return "/".join(names[:first]), names[first:]


def _matches(filesystem: fs.FileSystem, folder: str, names: list[str]) -> Iterator[fs.FileInfo]:
    """Yields what lies below a folder and matches the names, of which `**` stands for any number of folders."""
    name, rest = names[0], names[1:]
    if name == "**":
        entries = _below(filesystem, folder, is_recursive=True)
        folders = [entry.path for entry in entries if entry.type == fs.FileType.Directory]
        for below in [folder, *folders]:
            yield from _matches(filesystem, below, rest or ["*"])
        return
    for entry in _below(filesystem, folder):
        is_hidden = entry.base_name.startswith(".") and not name.startswith(".")
        if is_hidden or not fnmatch.fnmatchcase(entry.base_name, name):
            continue
        if not rest:
            yield entry
        elif entry.type == fs.FileType.Directory:
            yield from _matches(filesystem, entry.path, rest)


def _below(filesystem: fs.FileSystem, folder: str, is_recursive: bool = False) -> list[fs.FileInfo]:
    return filesystem.get_file_info(fs.FileSelector(folder, allow_not_found=True, recursive=is_recursive))


def _files_of(filesystem: fs.FileSystem, info: fs.FileInfo) -> Iterable[str]:
    """Returns the file itself, or all data files below a folder, sorted."""
    if info.type == fs.FileType.File:
        return [] if info.path.endswith("_SUCCESS") else [info.path]
    if info.type != fs.FileType.Directory:
        return []
    start = len(info.path.rstrip("/")) + 1
    entries = _below(filesystem, info.path, is_recursive=True)
    files = [entry.path for entry in entries if entry.type == fs.FileType.File]
    return sorted(path for path in files if _is_data(path[start:]))


def _is_data(path: str) -> bool:
    return not path.endswith("_SUCCESS") and not any(name.startswith((".", "_")) for name in path.split("/"))


def _nothing(place: Location) -> str:
    """Returns what is missing of a path at which there is no data file."""
    problem = f'Input path "{place.name}": '
    root = place.folder_of_root
    if root and place.filesystem.get_file_info(root).type == fs.FileType.NotFound:
        return f"{problem}{no_bucket(root, place.scheme)}. Check its name."
    info = place.filesystem.get_file_info(place.path)
    if info.type != fs.FileType.NotFound or glob.has_magic(place.path):
        return f"{problem}no data file is there. Check the path."
    folder, _, name = place.path.rpartition("/")
    names = [entry.base_name for entry in _below(place.filesystem, folder)] if folder else []
    return f'{problem}"{name}" is not in "{place.name_of(folder)}".{did_you_mean(name, names)}'
