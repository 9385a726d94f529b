"""Faults of what works day after day, and of workers that train together."""

import random
import time
from pathlib import Path

from tests.faults.follow_kills import killed_follow
from tests.faults.project import Project, Result
from tests.faults.runs import differences, state_of_training
from tests.launch.launched import Launch

_DAYS_KILLS = 5
_WORKERS_KILLS = 2
_TOGETHER = (
    "train_config.num_steps=240",
    "train_config.save_checkpoints_steps=60",
    "export_config.exporter_type=none",
)


def killed_days(project: Project, chance: random.Random, number: int) -> Result:
    """Kills `follow` five times over seven days."""
    _, verdict, detail = killed_follow(project.folder / f"days-{number}", _DAYS_KILLS, chance)
    return Result(_DAYS_KILLS, [] if verdict == "ok" else [detail], detail)


def killed_workers(project: Project, chance: random.Random, number: int) -> Result:
    """Kills one of two workers twice; the others end by themselves, and the launcher starts all of them again."""
    expected = state_of_training(_launched(project, "two-workers", 0, chance))
    name = f"killed-workers-{number}"
    problems = [
        f"{file} differs" for file in differences(expected, state_of_training(_launched(project, name, 2, chance)))
    ]
    return Result(_WORKERS_KILLS, problems, "named, started again, ended as undisturbed workers do")


def _launched(project: Project, name: str, kills: int, chance: random.Random) -> Path:
    """Returns the model_dir of a training by two workers of which one is killed so often."""
    model_dir = project.folder / name
    if model_dir.exists():
        return model_dir
    words = [word for text in (*_TOGETHER, f"model_dir={model_dir}") for word in ("--set", text)]
    launch = Launch(project.folder, "train", str(project.config), *words, flags=("--restarts", str(kills)))
    for _ in range(kills):
        launch.wait_for(chance.choice((r"^\[worker 0\] tracing", r"^\[worker 0\] Saved", r"^\[worker 0\] Evaluation")))
        time.sleep(chance.uniform(0.0, 0.5))
        launch.kill_worker(chance.randrange(2))
        launch.wait_for(r"^Worker \d has ended with exit code")
    launch.end()
    return model_dir
