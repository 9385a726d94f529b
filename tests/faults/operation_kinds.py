"""Faults at one operation on files of an export, and of a training that follows its days."""

import random
from collections.abc import Callable
from pathlib import Path

from easymtl.reporting.part_records import read_parts
from easymtl.serving.delta_folders import version_of, versions_in
from tests.faults import injection
from tests.faults.follow_kills import records_of, scored_here
from tests.faults.injection import Prepare
from tests.faults.long_kinds import half_exports
from tests.faults.project import SHORT, Project, Result
from tests.faults.runs import Run, differences, state_of_training
from tests.following.days import FOLLOWED, days_config, write_day

_NUM_DAYS = 3
_COUNTED: dict[tuple[int, str], int] = {}


def killed_export_at(project: Project, chance: random.Random, number: int) -> Result:
    """Kills an export at the n-th operation on its files: nothing half-written is seen, and the next one is whole."""
    model_dir = project.finished(*SHORT)
    exports = project.folder / f"exports-{number}"

    def export(folder: Path, prepare: Prepare | None = None) -> Run:
        run = project.run(
            "export", f"model_dir={model_dir}", prepare=prepare, by_op=False, flags=("--export_dir", str(folder))
        )
        run.wait()
        return run

    with scored_here():
        place = _place(project, "export", number, lambda prepare, folder: export(folder, prepare))
        run = export(exports, injection.killed_at(place, exports))
        problems = [] if run.code == -9 else [f"it was not killed: exit code {run.code}: {run.text[-300:]}"]
        problems += half_exports(exports)
        again = export(exports)
    problems += [] if again.code == 0 else [f"an export after it failed: {again.text[-300:]}"]
    problems += half_exports(exports) + [f"{path.name} was left" for path in exports.glob(".*")]
    problems += [] if versions_in(exports) else ["nothing was exported"]
    return Result(1, problems, f"operation {place}")


def killed_follow_at(project: Project, chance: random.Random, number: int) -> Result:
    """Kills `follow` at the n-th operation on files of its model_dir, in any of its days; the rerun goes on."""
    folder, whole = _days_of(project), project.folder / "few-days" / "model-whole"
    place = _place(project, "follow", number, lambda prepare, model_dir: _follow(folder, model_dir, prepare))
    if not whole.exists():
        assert _follow(folder, whole).code == 0
    model_dir = folder / f"model-{number}"
    run = _follow(folder, model_dir, injection.killed_at(place, model_dir))
    problems = [] if run.code == -9 else [f"it was not killed: exit code {run.code}: {run.text[-300:]}"]
    run = _follow(folder, model_dir)
    problems += [] if run.code == 0 else [f"the rerun: exit code {run.code}: {run.text[-300:]}"]
    return Result(1, problems + _lost_of_days(whole, model_dir), f"operation {place}")


def followed_with_clock(project: Project, chance: random.Random, number: int) -> Result:
    """Moves the clock by a day or years while `follow` runs: each part once, and its version is the newest."""
    seconds = (-86400.0, 4e8, -4e8, 86400.0)[number % 4]
    folder, whole = _days_of(project), project.folder / "few-days" / "model-whole"
    if not whole.exists():
        assert _follow(folder, whole).code == 0
    model_dir = folder / f"model-clock-{number}"
    run = _follow(folder, model_dir, injection.clock_jumps(chance.randrange(60), seconds))
    problems = [] if run.code == 0 else [f"exit code {run.code}: {run.text[-300:]}"]
    return Result(1, problems + _lost_of_days(whole, model_dir), f"{seconds:+.0f} s")


def _days_of(project: Project) -> Path:
    folder = project.folder / "few-days"
    if not folder.exists():
        for day in range(_NUM_DAYS):
            write_day(folder, day)
        days_config(folder)
    return folder


def _follow(folder: Path, model_dir: Path, prepare: Prepare | None = None) -> Run:
    """Returns what has become of following all days, step by step without graphs but for exports."""

    def prepare_all() -> None:
        import tensorflow as tf

        tf.config.run_functions_eagerly(True)
        if prepare:
            prepare()

    settings = (*FOLLOWED, f"model_dir={model_dir}")
    flags, log = ("--once", "--export", "delta"), folder / f"{model_dir.name}.log"
    with scored_here():
        run = Run(log, "follow", folder / "model.config", *settings, flags=flags, prepare=prepare_all)
        run.wait()
    return run


def _lost_of_days(whole: Path, model_dir: Path) -> list[str]:
    """Returns what differs from days that nothing has happened to, and versions of exports that are out of order."""
    problems = [f"{name} differs" for name in differences(state_of_training(whole), state_of_training(model_dir))]
    problems += [] if records_of(model_dir) == records_of(whole) else ["follow.jsonl differs"]
    exports = model_dir / "export" / "follow"
    versions = list(versions_in(exports))
    numbers = [version_of(Path(record["export"])) for record in read_parts(model_dir)]
    problems += [] if versions == numbers else [f"exports are {versions}, those of the days {numbers}"]
    return problems + [f"{path.name} was left" for path in exports.glob(".*")]


def _place(project: Project, what: str, number: int, run: Callable[[Prepare, Path], Run]) -> int:
    """Returns the n-th of the places of an undisturbed command, in an order that has the far ones early."""
    key = (id(project), what)
    if key not in _COUNTED:
        folder, counts = project.folder / f"counted-{what}", project.folder / f"counts-{what}"
        done = run(injection.counting(folder, counts), folder)
        assert done.code == 0, done.text[-2000:]
        _COUNTED[key] = counts.stat().st_size
    order = list(range(_COUNTED[key]))
    random.Random(0).shuffle(order)
    return order[number % len(order)]
