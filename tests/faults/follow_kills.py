"""Kills `easymtl follow` again and again over seven days, and holds what it leaves against an undisturbed run.

    python tests/faults/follow_kills.py --kills 10

Every run is killed by SIGKILL at a moment drawn at random behind something that it has printed: while it reads,
scores, trains, saves, exports or records. In the end weights, slots and what checkpoints say have to be equal byte by
byte, each day trained on once, and each told and exported once. It takes some minutes and ends with exit code 1 if
anything was lost.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[2]))

from easymtl.reporting.part_records import read_parts
from easymtl.serving import parity
from easymtl.serving.proof_process import ProofProcess
from tests.faults.runs import Run, differences, newest_step, state_of_training
from tests.following.days import DAYS, FOLLOWED, days_config, write_day
from tests.serving.scoring_here import score_here

_MOMENTS = (
    "Parts are",
    "read: there is no model",
    "rows scored",
    ": parameters ",
    "Saved ",
    "Exported",
    "trained on to",
)
_FINISHED = "trained on to step"
_ROWS = 2000
Outcome = tuple[str, str, str]


def killed_follow(folder: Path, kills: int, chance: random.Random) -> Outcome:
    """Kills a training over seven days so often, and returns whether anything was lost."""
    with scored_here():
        return _killed_follow(folder, kills, chance)


@contextmanager
def scored_here() -> Iterator[None]:
    """Has forked processes prove exports by themselves: another process for each would take most of the time."""
    here = mock.patch.object(parity, "score_apart", score_here)
    with here, mock.patch.object(ProofProcess, "ahead", lambda: None):
        yield


def _killed_follow(folder: Path, kills: int, chance: random.Random) -> Outcome:
    for day in range(len(DAYS)):
        write_day(folder, day, _ROWS)
    days_config(folder)
    whole, done, ends, points, problems = folder / "model", 0, 0, set(), []
    run = _run(folder, whole)
    if run.wait(1800) != 0:
        raise SystemExit(f"without any fault a command ended with exit code {run.code}: {run.text[-2000:]}")
    while done < kills or not ends:
        parts = folder / f"killed-{ends}"
        run = _run(folder, parts)
        if done < kills:
            _wait_for(run, chance.choice(_MOMENTS), finished=chance.choice((0, 0, 0, 1)))
            time.sleep(chance.uniform(0.0, 1.5))
            done += run.kill()
            points.add((ends, len(records_of(parts)), newest_step(parts), "Exported" in run.text))
        if (code := run.wait(1800)) == 0:
            ends += 1
            problems += _compared(whole, parts)
        elif code != -signal.SIGKILL:
            problems.append(f"a continued run failed: {run.text[-300:]}")
            break
    detail = (
        f"{done} kills over {len(DAYS)} days, {len(points)} different points of return, {ends} ends like the twin's"
    )
    return "SIGKILL of follow", "LOST" if problems else "ok", "; ".join(problems) or detail


def _compared(whole: Path, parts: Path) -> list[str]:
    """Returns what differs between an undisturbed training and one that was killed."""
    problems = [f"{name} differs" for name in differences(state_of_training(whole), state_of_training(parts))]
    problems += [] if records_of(parts) == records_of(whole) else ["follow.jsonl differs"]
    return problems + [f"{path.name} was left" for path in (parts / "export" / "follow").glob(".*")]


def _wait_for(run: Run, moment: str, finished: int) -> None:
    """Waits until something is printed once more when so many days are finished."""
    while run.is_running() and run.text.count(_FINISHED) < finished:
        time.sleep(0.01)
    before = run.text.count(moment) if finished else 0
    while run.is_running() and run.text.count(moment) <= before:
        time.sleep(0.01)


def _run(folder: Path, model_dir: Path) -> Run:
    flags = ("--once", "--export", "delta", "--keep", "3")
    settings = ("train_config.save_checkpoints_steps=20", "train_config.keep_checkpoint_max=4")
    return Run(
        folder / "follow.log",
        "follow",
        folder / "model.config",
        *FOLLOWED,
        *settings,
        f"model_dir={model_dir}",
        flags=flags,
    )


def records_of(model_dir: Path) -> list[dict]:
    """Returns what is told of each day, but when, and the number of its export, which is the time."""
    unequal = ("time", "export")
    return [
        {
            **{name: value for name, value in record.items() if name not in unequal},
            "is_exported": bool(record["export"]),
        }
        for record in read_parts(model_dir)
    ]


def main() -> int:
    """Runs it, prints a line, and returns 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    import tensorflow  # noqa: F401  Forked processes find it imported.

    with tempfile.TemporaryDirectory() as name:
        outcome = killed_follow(Path(name), options.kills, random.Random(options.seed))
    print("  ".join((outcome[1].ljust(4), outcome[0].ljust(44), outcome[2])))
    return 0 if outcome[1] == "ok" else 1


if __name__ == "__main__":
    sys.exit(main())
