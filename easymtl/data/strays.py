"""Files that lie among data and are none: notes, checksums, half-written files, spreadsheets.

A folder or a pattern stands for all files that it finds, and a CSV reader would take any text for rows. So a file
with an ending that no data has, among others that have one, is an error that names it. A file that the user names by
itself is what the user says.
"""

import re
from collections.abc import Sequence

from easymtl.data.paths import DataFile
from easymtl.errors import UserError, quoted

_LOG = "log"
_PACKED = {"gz", "gzip"}
_PARQUET = {"parquet", "pq", "parq"}
_TEXT = {"csv", "tsv", "txt", "psv", "dat", "data", _LOG, *_PACKED}
_RECORDS = {"tfrecord", "tfrecords", "tfrec", "record", "records", *_PACKED}
_ENDINGS = {"CSV": _TEXT, "Parquet": _PARQUET, "TFRecord": _RECORDS}
_NOTES = {"README", "LICENSE", "NOTICE", "CHANGELOG", "MANIFEST", "MAKEFILE", "DOCKERFILE"}
_ENDING = re.compile(r"\.([^./]*)$")


def require_no_stray(files: Sequence[DataFile], kind: str) -> None:
    """Checks the names of files that were found by a folder or pattern.

    Args:
        files: all of the input.
        kind: what they are read as: CSV, Parquet or TFRecord.

    Raises:
        UserError: one of them is no data, by its name, and others are.
    """
    wanted = _ENDINGS[kind]
    others = (_PARQUET | _TEXT) - wanted
    endings = [_ending(file) for file in files]
    has_wanted = any(ending in wanted for ending in endings)
    # A folder of logs is data, packed ones among them; one beside other files is what a command has printed.
    has_no_logs = kind == "CSV" and any(ending in _TEXT - {_LOG, *_PACKED} for ending in endings)
    has_plain = any(ending == "" for ending in endings)
    for file, ending in zip(files, endings):
        is_other = has_wanted and ending in others
        is_none = (has_wanted or has_plain) and ending is not None and ending not in {"", *wanted, *others}
        is_log = has_no_logs and ending == _LOG
        if file.found_in and (is_other or is_log or is_none or (ending is None and (has_wanted or has_plain))):
            raise UserError(stray_problem(file, kind, _pattern(endings, wanted)))


def has_data_name(file: DataFile) -> bool:
    """Returns whether a file is named as data is."""
    return _ending(file) in {"", *_PARQUET, *_TEXT}


def stray_problem(file: DataFile, kind: str, pattern: str) -> str:
    """Returns what to say of a file that lies among others of a kind, and what to do."""
    return (
        f'{file.name}: this file lies among {kind} files in "{file.found_in}" and is none of them, by its name or by '
        "what it holds. Move it away, or let its name begin with _ or ., as such files are left out of folders; "
        f"or read what is data by a pattern, such as {quoted([pattern])}."
    )


def _pattern(endings: Sequence[str | None], wanted: set[str]) -> str:
    found = next((ending for ending in endings if ending in wanted and ending != _LOG), None)
    return f"folder/*.{found}" if found else "folder/part-*"


def _ending(file: DataFile) -> str | None:
    """Returns the ending of a name, empty where there is none or it is a number; None for the name of a note."""
    name = file.path.rsplit("/", 1)[-1]
    if name.split(".")[0].upper() in _NOTES:
        return None
    match = _ENDING.search(name)
    ending = match[1].lower() if match else ""
    return "" if ending.isdigit() else ending
