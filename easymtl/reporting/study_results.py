"""The file in which a study tells what is known of it: `study.json`."""

import json
from pathlib import Path
from typing import Any

from easymtl.checkpoints.publishing import write_text
from easymtl.errors import UserError

RESULT_NAME = "study.json"
DIFF_NAME = "diff.txt"
WINNER_NAME = "best.config"


def read_result(folder: Path) -> dict[str, Any] | None:
    """Returns what a study has written of itself, see `easymtl.tuning.results`; None where there is none.

    Raises:
        UserError: the file is none of a study.
    """
    path = folder / RESULT_NAME
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(document["made_of"], dict) and isinstance(document["trials"], list):
            return document
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    raise UserError(f"{path}: this is no result of a study. Name another folder, --study ...")


def write_result(folder: Path, result: dict[str, Any]) -> None:
    """Writes what is known of a study.

    Raises:
        UserError: it cannot be written.
    """
    try:
        write_text(folder / RESULT_NAME, json.dumps(result, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise UserError(f"{folder / RESULT_NAME}: cannot be written: {error.strerror}. Check --study.") from None
