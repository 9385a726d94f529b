"""Faults at one place of a short training, of many places one after the other."""

import random
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.faults import injection
from tests.faults.project import SHORT, Project, Result, traceback_of
from tests.faults.runs import state_of_training

_DELTAS = (
    "train_config.num_steps=20",
    "train_config.save_checkpoints_steps=4",
    "train_config.keep_checkpoint_max=4",
    "train_config.checkpoint_deltas={ full_every: 3 min_table_bytes: 0 }",
)
"""Of five checkpoints the first and the fourth are full; the last one is a delta of that."""
_COUNTED: dict[tuple[int, bool], int] = {}


def killed_at_operation(project: Project, chance: random.Random, number: int) -> Result:
    """Kills a training at the n-th operation on files of its model_dir, and trains on."""
    place = place_of(project, number, are_writes=False)
    model_dir = project.model_dir()
    run = project.run("train", *SHORT, f"model_dir={model_dir}", prepare=injection.killed_at(place, model_dir))
    run.wait()
    problems = [] if run.code == -9 else [f"it was not killed: exit code {run.code}"]
    return Result(1, problems + project.lost_of_rerun(model_dir, *SHORT), f"operation {place}")


def failing_operation(project: Project, chance: random.Random, number: int) -> Result:
    """Lets the n-th change of a file of model_dir fail as a full, broken or closed disk does, and trains on."""
    place, code = place_of(project, number, are_writes=True), injection.ERRORS[number % len(injection.ERRORS)]
    model_dir = project.model_dir()
    prepare = injection.failing_at(place, model_dir, code)
    run = project.run("train", *SHORT, f"model_dir={model_dir}", prepare=prepare)
    run.wait()
    problems = traceback_of(run)
    return Result(1, problems + project.lost_of_rerun(model_dir, *SHORT), f"change {place}, error {code}")


def place_of(project: Project, number: int, are_writes: bool) -> int:
    """Returns the n-th of the places of an undisturbed training, in an order that has the far ones early."""
    key = (id(project), are_writes)
    if key not in _COUNTED:
        model_dir, counts = project.model_dir(), project.folder / "counts"
        prepare = injection.counting(model_dir, counts, are_writes)
        project.run("train", *SHORT, f"model_dir={model_dir}", prepare=prepare).wait()
        _COUNTED[key] = counts.stat().st_size
    order = list(range(_COUNTED[key]))
    random.Random(0).shuffle(order)
    return order[number % len(order)]


def clock_jump(project: Project, chance: random.Random, number: int) -> Result:
    """Moves the clock by a day or years, forth or back, while a training runs."""
    seconds = (86400.0, -86400.0, 4e8, -4e8)[number % 4]
    model_dir = project.model_dir()
    prepare = injection.clock_jumps(chance.randrange(60), seconds)
    run = project.run("train", *SHORT, f"model_dir={model_dir}", prepare=prepare)
    problems = [] if run.wait() == 0 else [f"exit code {run.code}: {run.text[-300:]}"]
    return Result(1, problems + project.lost_of_rerun(model_dir, *SHORT), f"{seconds:+.0f} s")


def damaged_checkpoint(project: Project, chance: random.Random, number: int) -> Result:
    """Damages one file of the newest checkpoint, and trains on from the one before."""
    return _damaged(project, chance, number, SHORT)


def damaged_delta(project: Project, chance: random.Random, number: int) -> Result:
    """Damages one file of the newest checkpoint, a delta, which may be one that several have by links."""
    return _damaged(project, chance, number, _DELTAS)


def _damaged(project: Project, chance: random.Random, number: int, settings: Sequence[str]) -> Result:
    model_dir = project.model_dir()
    # Links stay links, so that what is damaged is so in all folders that have it.
    subprocess.run(["cp", "-a", str(project.finished(*settings)), str(model_dir)], check=True)
    newest = max((model_dir / "checkpoints").glob("step-*"))
    paths = sorted(path for path in newest.rglob("*") if path.is_file())
    path = paths[number % len(paths)]
    name, damage = _DAMAGES[number // len(paths) % len(_DAMAGES)]
    damage(path, chance)
    detail = f"{path.relative_to(newest)} {name}"
    run = project.run("train", *settings, f"model_dir={model_dir}")
    problems = [] if run.wait() == 0 else [f"{detail}: exit code {run.code}: {run.text[-300:]}"]
    problems += [] if "Damaged checkpoint:" in run.text else [f"{detail}: no note of it"]
    problems += [] if list(newest.parent.glob("damaged-*")) else [f"{detail}: the damaged one is gone"]
    return Result(1, problems + project.lost_of_rerun(model_dir, *settings), detail)


def _halved(path: Path, chance: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flipped(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def _longer(path: Path, chance: random.Random) -> None:
    path.write_bytes(path.read_bytes() + chance.randbytes(9))


_DAMAGES: list[tuple[str, Callable[[Path, random.Random], object]]] = [
    ("with a bit flipped", _flipped),
    ("cut in half", _halved),
    ("missing", lambda path, chance: path.unlink()),
    ("empty", lambda path, chance: path.write_bytes(b"")),
    ("longer", _longer),
]


def cut_beside(project: Project, chance: random.Random, number: int) -> Result:
    """Leaves files beside the checkpoints half written, as a power cut may, and trains on."""
    model_dir = project.model_dir()
    shutil.copytree(project.finished(*SHORT), model_dir)
    paths = sorted(path for path in model_dir.glob("*") if path.is_file() and path.stat().st_size)
    path = paths[number % len(paths)]
    path.write_bytes(path.read_bytes()[: chance.randrange(path.stat().st_size)])
    run = project.run("train", *SHORT, "train_config.num_steps=16", f"model_dir={model_dir}")
    run.wait()
    problems = traceback_of(run) + ([] if run.code == 0 else [f"{path.name}: exit code {run.code}: {run.text[-300:]}"])
    expected = state_of_training(project.finished(*SHORT, "train_config.num_steps=16"))
    found = state_of_training(model_dir)
    names = [name for name in expected if name.startswith("checkpoints/") and found.get(name) != expected[name]]
    return Result(1, problems + [f"{name} differs" for name in names], f"half of {path.name}")
