"""The ids of growing tables in a checkpoint: `growing.npz` beside the weights.

The arrays of the ids "user" are `user/keys`, the key of each row, and what else `saved_ids` says: bytes without
objects, so that reading them runs nothing. Where ids were dealt out, each worker has written a file of its own, and
`growing-00000-of-00002.npz` is that of the first of two.
"""

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from easymtl.checkpoints.publishing import flush
from easymtl.errors import UserError
from easymtl.features.growing.growing_ids import GrowingIds
from easymtl.features.growing.growing_tables import GrowingTables
from easymtl.features.growing.saved_ids import num_rows_in

FILE = "growing.npz"
_OF_WORKERS = re.compile(r"growing-(\d{5})-of-(\d{5})\.npz")


def file_name(index: int, num_owners: int) -> str:
    """Returns the name of the file of one of several workers, or of the one that has all ids."""
    return FILE if num_owners == 1 else f"growing-{index:05d}-of-{num_owners:05d}.npz"


def write_growing(folder: Path, arrays: Mapping[str, Mapping[str, np.ndarray]], name: str = FILE) -> None:
    """Writes the arrays of the ids of growing tables, by their name, onto the disk; nothing where there are none.

    Raises:
        OSError: they cannot be written.
    """
    if arrays:
        flat = {f"{ids}/{key}": array for ids, parts in arrays.items() for key, array in parts.items()}
        with (folder / name).open("wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for entry_name, array in flat.items():
                with archive.open(zipfile.ZipInfo(f"{entry_name}.npy"), "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, array, allow_pickle=False)
        flush(folder / name)


def read_growing(folder: Path, growing: GrowingTables) -> None:
    """Brings all growing tables of a model back; where ids are dealt out, what belongs to this worker.

    Raises:
        UserError: the checkpoint does not have them, or they do not fit.
    """
    for name, ids in growing.ids.items():
        restore_ids(folder, name, ids)


def num_rows_of(folder: Path, name: str) -> int | None:
    """Returns how many rows were ever taken of a growing table, given the name of its ids; None if they are not there.

    Raises:
        UserError: a file cannot be read.
    """
    for arrays in _parts(folder, name):
        return num_rows_in(arrays)
    return None


def restore_ids(folder: Path, name: str, ids: GrowingIds) -> None:
    """Brings the ids of one growing table back.

    Raises:
        UserError: they are not there, cannot be read or do not fit.
    """
    try:
        ids.restore(_parts(folder, name))
    except (KeyError, IndexError) as error:
        raise UserError(
            f'{folder}: it has no ids of the growing table "{name}" ({error}): its training had a table whose rows '
            "belong to a hash or a number. Train in another model_dir (--set model_dir=...)."
        ) from None
    except ValueError as error:
        raise UserError(
            f'{folder}: the ids of the growing table "{name}" do not fit: {error}. Raise growing.max_rows.'
        ) from None


def _parts(folder: Path, name: str) -> Iterator[dict[str, np.ndarray]]:
    """Yields the arrays of some ids in each file that has them.

    Raises:
        UserError: a file cannot be read.
    """
    for path in _files(folder):
        try:
            with np.load(path, allow_pickle=False) as archive:
                entries = [entry.rpartition("/") for entry in archive.files]
                found = {key: archive[f"{name}/{key}"] for ids, _, key in entries if ids == name}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise _unreadable(folder, error, path.name) from None
        if found:
            yield found


def _files(folder: Path) -> list[Path]:
    """Returns the files in which ids are, in the order of the workers; nothing where there are none.

    Raises:
        UserError: that of a worker is not there.
    """
    if (folder / FILE).is_file():
        return [folder / FILE]
    found = {path: match for path in sorted(folder.glob("growing-*")) if (match := _OF_WORKERS.fullmatch(path.name))}
    for match in found.values():
        wanted = [folder / file_name(index, int(match[2])) for index in range(int(match[2]))]
        if list(found) != wanted:
            raise _unreadable(folder, f"there are {len(found)} of {match[2]} files", match[0])
        return wanted
    return []


def _unreadable(folder: Path, error: Exception | str, name: str = FILE) -> UserError:
    return UserError(f"{folder}: {name} cannot be read: {error}. Restore the file, or use another checkpoint.")
