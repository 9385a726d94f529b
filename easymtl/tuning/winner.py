"""The config that won: the author's text with other values, and what that changed."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from easymtl.checkpoints.publishing import write_text
from easymtl.config.edited_text import edited_text
from easymtl.reporting.study_results import DIFF_NAME, WINNER_NAME
from easymtl.tuning.optuna_study import TRIAL
from easymtl.tuning.plan import Plan
from easymtl.tuning.sampling import overrides_of_drawn

FRONT_FOLDER = "front"


@dataclass(frozen=True)
class Winner:
    """A config that was written.

    Attributes:
        path: of the config.
        diff: from the original, as `diff -u` writes it; empty where nothing is changed.
    """

    path: Path
    diff: str


def write_winner(plan: Plan, folder: Path, result: Mapping[str, Any]) -> Winner | None:
    """Writes `best.config` and `diff.txt`, and the config of each trial of a front; None before a trial is complete.

    Args:
        plan: what the study is made of.
        folder: of the study.
        result: what `result_of` returned.

    Raises:
        OSError: a file cannot be written.
    """
    if result["compromise"] is None:
        return None
    rows = {row["number"]: row for row in result["trials"]}
    if len(plan.objectives) > 1:
        for number in result["best"]:
            write_text(folder / FRONT_FOLDER / f"{TRIAL}{number:03}.config", text_of(plan, rows[number]["drawn"]))
    text = text_of(plan, rows[result["compromise"]]["drawn"])
    path = folder / WINNER_NAME
    diff = difference(plan, text, str(path))
    write_text(path, text)
    write_text(folder / DIFF_NAME, diff)
    return Winner(path, diff)


def text_of(plan: Plan, drawn: Mapping[str, Any]) -> str:
    """Returns the config of a trial as text, overrides of the command in it."""
    overrides = [*plan.overrides, *overrides_of_drawn(plan.space, plan.config.pipeline, drawn)]
    return edited_text(plan.text, overrides)


def difference(plan: Plan, text: str, path: str) -> str:
    """Returns what a text changes of the original, as `diff -u` writes it."""
    before, after = plan.text.splitlines(keepends=True), text.splitlines(keepends=True)
    lines = difflib.unified_diff(before, after, plan.config.path, path)
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
