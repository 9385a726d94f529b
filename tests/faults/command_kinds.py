"""Faults of what works day after day, and of workers that train together, and of what has started them."""

import random
import time
from collections.abc import Sequence
from pathlib import Path

from tests.faults.follow_kills import killed_follow
from tests.faults.project import Project, Result
from tests.faults.runs import differences, newest_step, state_of_training
from tests.launch.launched import Launch

DAYS_KILLS = 5
WORKERS_KILLS = 2
LAUNCHER_KILLS = 2
_MOMENTS = (r"^\[worker 0\] tracing", r"^\[worker 0\] Saved", r"^\[worker 0\] Evaluation")
_SECONDS_TO_END = 10.0
_TOGETHER = (
    "train_config.num_steps=240",
    "train_config.save_checkpoints_steps=60",
    "export_config.exporter_type=none",
)


def killed_days(project: Project, chance: random.Random, number: int) -> Result:
    """Kills `follow` five times over seven days."""
    _, verdict, detail = killed_follow(project.folder / f"days-{number}", DAYS_KILLS, chance)
    return Result(DAYS_KILLS, [] if verdict == "ok" else [detail], detail)


def killed_workers(project: Project, chance: random.Random, number: int) -> Result:
    """Kills one of two workers twice; the others end by themselves, and the launcher starts all of them again."""
    expected = state_of_training(_launched(project, "two-workers", 0, chance))
    name = f"killed-workers-{number}"
    problems = [
        f"{file} differs" for file in differences(expected, state_of_training(_launched(project, name, 2, chance)))
    ]
    return Result(WORKERS_KILLS, problems, "named, started again, ended as undisturbed workers do")


def killed_launcher(project: Project, chance: random.Random, number: int) -> Result:
    """Kills `easymtl launch` itself twice: its workers end with it, and the same command goes on."""
    expected = state_of_training(_launched(project, "two-workers", 0, chance))
    model_dir, problems, steps, kills = project.model_dir(), [], [], 0
    while kills < LAUNCHER_KILLS:
        launch = _launch(project, model_dir)
        if moment := chance.choice((None, *_MOMENTS, *_MOMENTS)):
            launch.wait_for(moment)
        time.sleep(chance.uniform(0.0, 0.5 if moment else 4.0))
        problems += _orphans(launch)
        kills += 1
        steps.append(newest_step(model_dir))
    _launch(project, model_dir).end()
    problems += [f"{name} differs" for name in differences(expected, state_of_training(model_dir))]
    return Result(kills, problems, f"no worker went on, continued from steps {steps}")


def two_launches(project: Project, chance: random.Random, number: int) -> Result:
    """Starts a second launch in one model_dir, kills the first, and starts a third."""
    model_dir = project.model_dir()
    first = _launch(project, model_dir, "train_config.num_steps=100000000")
    first.wait_for(_MOMENTS[number % len(_MOMENTS)])
    second = _launch(project, model_dir)
    said = "".join(second.process.stdout)
    is_refused = second.process.wait() == 2 and "trains since" in said and "Traceback" not in said
    problems = [] if is_refused else [f"the second: exit code {second.process.returncode}: {said[-400:]}"]
    problems += ["the first has not gone on"] if first.process.poll() is not None else []
    problems += _orphans(first)
    _launch(project, model_dir, "train_config.num_steps=20").end()
    return Result(1, problems, "the second refused, no orphans; free after a kill of the first")


def _orphans(launch: Launch) -> list[str]:
    """Kills a launcher, and returns which of its workers go on."""
    workers = launch.workers()
    launch.process.kill()
    launch.process.wait()
    end = time.monotonic() + _SECONDS_TO_END
    while time.monotonic() < end and any(map(_runs, workers)):
        time.sleep(0.05)
    return [f"process {worker} goes on without the launcher" for worker in workers if _runs(worker)]


def _runs(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def _launched(project: Project, name: str, kills: int, chance: random.Random) -> Path:
    """Returns the model_dir of a training by two workers of which one is killed so often."""
    model_dir = project.folder / name
    if model_dir.exists():
        return model_dir
    launch = _launch(project, model_dir, flags=("--restarts", str(kills)))
    for _ in range(kills):
        launch.wait_for(chance.choice(_MOMENTS))
        time.sleep(chance.uniform(0.0, 0.5))
        launch.kill_worker(chance.randrange(2))
        launch.wait_for(r"^Worker \d has ended with exit code")
    launch.end()
    return model_dir


def _launch(project: Project, model_dir: Path, *overrides: str, flags: Sequence[str] = ()) -> Launch:
    settings = (*_TOGETHER, f"model_dir={model_dir}", *overrides)
    words = [word for text in settings for word in ("--set", text)]
    return Launch(project.folder, "train", str(project.config), *words, flags=tuple(flags))
