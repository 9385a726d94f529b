"""Whether a file that is to be written is one of the files behind an input path, or would become one."""

import fnmatch
import glob
import os
import posixpath
from collections.abc import Iterator, Sequence

from easymtl.data.paths import expand, local_path, split_paths
from easymtl.data.remote import is_remote
from easymtl.errors import UserError


def is_same_file(one: str, other: str) -> bool:
    """Returns whether two paths mean one file, by links and other spellings of its path, too; False if none is there.

    Places on servers are compared by their names: two spellings of an object are one, whatever the options behind `?`.
    """
    if is_remote(one) or is_remote(other):
        return is_remote(one) and is_remote(other) and _remote_name(one) == _remote_name(other)
    try:
        return os.path.samefile(local_path(one), local_path(other))
    except (OSError, ValueError):
        return False


def lies_in(target: str, folder: str) -> bool:
    """Returns whether a local path lies below a folder, through links, too."""
    if is_remote(target) or is_remote(folder):
        return False
    return os.path.realpath(local_path(target)).startswith(os.path.realpath(local_path(folder)).rstrip("/") + "/")


def same_input(paths: str, target: str) -> str | None:
    """Returns the input file that a target is, as the user knows it, or None.

    Args:
        paths: a comma list of globs, folders and files. Nothing is asked of a server.
        target: a file, which need not be there.
    """
    if is_remote(target):
        return next((part for part in split_paths(paths) if is_same_file(part, target)), None)
    if not os.path.exists(local_path(target)):
        return None
    return next((name for name in local_files(paths) if is_same_file(name, target)), None)


def local_files(paths: str) -> Iterator[str]:
    """Yields the paths of the local files behind an input path, as far as they are there."""
    for part in split_paths(paths):
        if is_remote(part):
            continue
        try:
            yield from (file.path for file in expand(part))
        except UserError:
            # A training's data may be gone when its model scores: then there is nothing to write over.
            continue


def would_read(paths: str, target: str) -> str | None:
    """Returns the folder or glob of an input path by which a target would be read once it is there, or None.

    Args:
        paths: a comma list of globs, folders and files. Nothing is asked of a server.
        target: a file or folder, which need not be there.
    """
    parts = [part for part in split_paths(paths) if is_remote(part) == is_remote(target)]
    reads = _remote_part_reads if is_remote(target) else _local_part_reads
    return next((part for part in parts if reads(part, target)), None)


def _local_part_reads(part: str, target: str) -> bool:
    real = os.path.realpath(local_path(target))
    path = local_path(part)
    if os.path.isdir(path):
        return any(_is_below(folder, real) for folder in _real_folders(path))
    if not glob.has_magic(path):
        return False
    names = os.path.abspath(path).split(os.sep)
    first = next(place for place, name in enumerate(names) if glob.has_magic(name))
    fixed = os.path.realpath(os.sep.join(names[:first]) or os.sep)
    return _glob_reads([*_segments(fixed), *names[first:]], _segments(real))


def _remote_part_reads(part: str, target: str) -> bool:
    source, name = _remote_name(part), _remote_name(target)
    if source == name:
        return False
    if glob.has_magic(source):
        return _glob_reads(_segments(source), _segments(name))
    return _is_below(source, name)


def _real_folders(path: str) -> set[str]:
    """Returns the folder and the folders that links below it lead to."""
    found = {os.path.realpath(path)}
    for folder, folders, _ in os.walk(path):
        links = [os.path.join(folder, name) for name in folders if _is_data([name])]
        found.update(os.path.realpath(link) for link in links if os.path.islink(link))
    return found


def _is_below(folder: str, path: str) -> bool:
    """Returns whether a path lies in a folder, and below no name that is left out when the folder is read."""
    begin = folder.rstrip("/") + "/"
    return path.startswith(begin) and _is_data(_segments(path[len(begin) :]))


def _is_data(names: Sequence[str]) -> bool:
    return not any(name.startswith((".", "_")) for name in names) and not names[-1].endswith("_SUCCESS")


def _glob_reads(pattern: Sequence[str], names: Sequence[str]) -> bool:
    """Returns whether a glob matches a path, or a folder above it, of which all data files are read then."""
    if not pattern:
        return not names or _is_data(names)
    if pattern[0] == "**":
        inner = any(_glob_reads(pattern[1:], names[skip:]) for skip in range(len(names)))
        return inner or (len(pattern) == 1 and bool(names))
    if not names or (names[0].startswith(".") and not pattern[0].startswith(".")):
        return False
    return fnmatch.fnmatchcase(names[0], pattern[0]) and _glob_reads(pattern[1:], names[1:])


def _segments(path: str) -> list[str]:
    return [name for name in path.split("/") if name]


def _remote_name(uri: str) -> str:
    """Returns a URI without options, its scheme in lower case and its path without detours."""
    scheme, _, rest = uri.partition("://")
    return f"{scheme.lower()}/{posixpath.normpath(rest.partition('?')[0])}"
