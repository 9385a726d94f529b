"""Faults of permissions: what is written or read is closed while a training runs."""

import random
from collections.abc import Sequence
from pathlib import Path

from tests.faults import injection
from tests.faults.project import SHORT, Project, Result, traceback_of
from tests.faults.small_kinds import place_of

_READ_ONLY, _CLOSED, _OPEN = 0o555, 0, 0o755
_MODES: list[tuple[str, int]] = [
    ("", _READ_ONLY),
    ("checkpoints", _READ_ONLY),
    ("history.jsonl", 0o444),
    ("", _CLOSED),
    ("checkpoints", _CLOSED),
]


def closed_folder(project: Project, chance: random.Random, number: int) -> Result:
    """Makes model_dir, or something in it, read-only or closed at a change of its files, and opens it again."""
    name, mode = _MODES[number % len(_MODES)]
    place, model_dir = place_of(project, number, are_writes=True), project.model_dir()
    path = model_dir / name
    model_dir.mkdir()
    path.touch() if path.suffix else path.mkdir(exist_ok=True)
    run = project.run(
        "train",
        *SHORT,
        f"model_dir={model_dir}",
        prepare=injection.closing_at(place, model_dir, path, mode),
    )
    run.wait()
    problems = traceback_of(run) + _unnamed(run.code, run.text, model_dir)
    _open_again([model_dir, *([path] if path.suffix else [model_dir / "checkpoints"])])
    detail = f"{name or 'model_dir'} {mode:o} at change {place}, exit code {run.code}"
    return Result(1, problems + project.lost_of_rerun(model_dir, *SHORT), detail)


def _unnamed(code: int | None, text: str, model_dir: Path) -> list[str]:
    """Returns what is missing of an error: a path, the reason, what to do."""
    said = text[text.rfind("easymtl train: ") :]
    is_said = str(model_dir) in said and "Permission denied" in said
    return [f"not said what and why: {said[-300:]}"] if code and not is_said else []


def _open_again(paths: Sequence[Path]) -> None:
    for path in paths:
        if path.exists():
            path.chmod(_OPEN)
