"""The ids of growing tables in a checkpoint: `growing.npz` beside the weights.

The arrays of the ids "user" are `user/keys`, the key of each row, and what else `GrowingIds.arrays` says: bytes
without objects, so that reading them runs nothing.
"""

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from easymtl.errors import UserError
from easymtl.features.growing.growing_ids import GrowingIds
from easymtl.features.growing.growing_tables import GrowingTables

FILE = "growing.npz"


def write_growing(folder: Path, arrays: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Writes the arrays of the ids of growing tables, by their name; nothing where there are none.

    Raises:
        OSError: they cannot be written.
    """
    if arrays:
        flat = {f"{name}/{key}": array for name, parts in arrays.items() for key, array in parts.items()}
        with (folder / FILE).open("wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, array in flat.items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, array, allow_pickle=False)


def read_growing(folder: Path, growing: GrowingTables) -> None:
    """Brings all growing tables of a model back.

    Raises:
        UserError: the checkpoint does not have them, or they do not fit.
    """
    if growing:
        arrays = read_ids(folder, growing.ids)
        for name, ids in growing.ids.items():
            restore_ids(folder, name, ids, arrays)


def has_ids(folder: Path) -> set[str]:
    """Returns the names of the ids of growing tables that a checkpoint has.

    Raises:
        UserError: the file cannot be read.
    """
    if not (folder / FILE).is_file():
        return set()
    try:
        with zipfile.ZipFile(folder / FILE) as archive:
            return {name.rpartition("/")[0] for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile) as error:
        raise _unreadable(folder, error) from None


def read_ids(folder: Path, names: Iterable[str]) -> dict[str, dict[str, np.ndarray]]:
    """Returns the arrays of some ids by their name; nothing of those that are not there.

    Raises:
        UserError: the file cannot be read.
    """
    there = has_ids(folder)
    wanted = [name for name in names if name in there]
    found: dict[str, dict[str, np.ndarray]] = {name: {} for name in wanted}
    if not wanted:
        return found
    try:
        with np.load(folder / FILE, allow_pickle=False) as archive:
            for entry in archive.files:
                name, _, key = entry.rpartition("/")
                if name in found:
                    found[name][key] = archive[entry]
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise _unreadable(folder, error) from None
    return found


def restore_ids(folder: Path, name: str, ids: GrowingIds, arrays: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Brings the ids of one growing table back.

    Raises:
        UserError: they are not there or do not fit.
    """
    try:
        ids.restore(arrays[name])
    except (KeyError, IndexError) as error:
        raise UserError(
            f'{folder}: it has no ids of the growing table "{name}" ({error}): its training had a table whose rows '
            "belong to a hash or a number. Train in another model_dir (--set model_dir=...)."
        ) from None
    except ValueError as error:
        raise UserError(
            f'{folder}: the ids of the growing table "{name}" do not fit: {error}. Raise growing.max_rows.'
        ) from None


def _unreadable(folder: Path, error: Exception) -> UserError:
    return UserError(f"{folder}: {FILE} cannot be read: {error}. Restore the file, or use another checkpoint.")
