"""Breaks trainings and exports in every way that we know of, and tells what was lost: `make faults`.

One training is killed again and again, at random moments, until it has come to its end, and must then have left what
an uninterrupted one leaves, byte for byte: weights, slots, states, evaluation. Exports are killed at random moments;
what can be seen of them must be whole. Then each other fault once. It takes some minutes, and ends with exit code 1
if anything was lost.
"""

import argparse
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.faults.follow_kills import killed_follow
from tests.faults.runs import Run, differences, make_project, newest_step, small_disk, state_of_training

Outcome = tuple[str, str, str]
_NUM_STEPS = "train_config.num_steps=450"


def main() -> int:
    """Runs all faults, prints a table, and returns 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=45, help="of trainings")
    parser.add_argument("--export_kills", type=int, default=10)
    parser.add_argument("--follow_kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    import tensorflow  # noqa: F401  Forked processes find it imported.

    chance = random.Random(options.seed)
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = make_project(folder)
        for outcome in _all(folder, config, options, chance):
            outcomes.append(outcome)
            print("  ".join((outcome[1].ljust(4), outcome[0].ljust(44), outcome[2])), flush=True)
    lost = [outcome for outcome in outcomes if outcome[1] != "ok"]
    print(f"{len(outcomes)} kinds of faults, {len(lost)} with a loss")
    return 1 if lost else 0


def _all(folder: Path, config: Path, options: argparse.Namespace, chance: random.Random) -> Iterator[Outcome]:
    yield _killed_trainings(folder, config, options.kills, chance, "FLOAT32")
    yield _killed_trainings(folder, config, max(options.kills // 8, 1), chance, "BFLOAT16")
    yield _killed_exports(folder, config, options.export_kills, chance)
    for number in (signal.SIGTERM, signal.SIGINT):
        yield _stopped(folder, config, number)
    yield _second_signal(folder, config)
    yield _two_trainings(folder, config)
    yield from _damaged(folder, config)
    yield _full_disk(folder, config)
    yield _file_limit(folder, config)
    yield killed_follow(folder / "follow", options.follow_kills, chance)


def _result(fault: str, problems: list[str], detail: str) -> Outcome:
    return (fault, "LOST", "; ".join(problems)) if problems else (fault, "ok", detail)


def _killed_trainings(folder: Path, config: Path, kills: int, chance: random.Random, precision: str) -> Outcome:
    """Kills one training again and again, most often while it trains, evaluates or saves."""
    steps = ("train_config.num_steps=1500", "train_config.save_checkpoints_steps=100")
    shared = (*steps, f"train_config.mixed_precision={precision}")
    whole, fault = folder / f"whole-{precision}", f"SIGKILL of a training, {precision}"
    _must_end(Run(folder / "twin.log", "train", config, *shared, f"model_dir={whole}"))
    expected = state_of_training(whole)
    done, ends, moments, problems = 0, 0, set(), []
    while done < kills or not ends:
        parts = folder / f"parts-{precision}-{ends}"
        run = Run(folder / "killed.log", "train", config, *shared, f"model_dir={parts}")
        if done < kills:
            if chance.random() < 0.8:
                # Behind its first checkpoint a run has come further than the one before.
                run.wait_for(chance.choice((": parameters ", "Saved ", "Saved ")))
            time.sleep(chance.uniform(0.0, 3.0))
            done += run.kill()
            moments.add((ends, newest_step(parts)))
        if (code := run.wait(600)) == 0:
            ends += 1
            problems += [f"{name} differs" for name in differences(expected, state_of_training(parts))]
        elif code != -signal.SIGKILL:
            return _result(fault, [f"a continued run failed: {run.text[-300:]}"], "")
    return _result(
        fault, problems, f"{done} kills, {len(moments)} different points of return, {ends} ends like the twin's"
    )


def _must_end(run: Run) -> None:
    """Waits for a command without a fault."""
    if run.wait(900) != 0:
        raise SystemExit(f"without any fault a command ended with exit code {run.code}: {run.text[-2000:]}")


def _finished(folder: Path, config: Path) -> Path:
    """Returns the model_dir of a finished training, made once."""
    model_dir = folder / "finished"
    if not model_dir.exists():
        _must_end(Run(folder / "finished.log", "train", config, _NUM_STEPS, f"model_dir={model_dir}"))
    return model_dir


def _killed_exports(folder: Path, config: Path, kills: int, chance: random.Random) -> Outcome:
    model_dir, problems, done = _finished(folder, config), [], 0
    exports = model_dir / "export" / "final"
    for _ in range(kills):
        run = Run(folder / "export.log", "export", config, f"model_dir={model_dir}")
        time.sleep(chance.uniform(0.5, 12.0))
        done += run.kill()
        problems += _half_exports(exports)
    run = Run(folder / "export.log", "export", config, f"model_dir={model_dir}")
    if run.wait() != 0:
        problems.append(f"an export after them failed: {run.text[-300:]}")
    problems += _half_exports(exports)
    drafts = [path.name for path in exports.glob(".*")]
    problems += [f"{name} was left" for name in drafts]
    return _result("SIGKILL of an export", problems, f"{done} kills; nothing half published, drafts swept")


def _half_exports(folder: Path) -> list[str]:
    needed = ("saved_model.pb", "variables/variables.index", "assets.extra/easymtl.json")
    return [
        f"{path.name} has no {name}" for path in folder.glob("[0-9]*") for name in needed if not (path / name).exists()
    ]


def _stopped(folder: Path, config: Path, number: signal.Signals) -> Outcome:
    """Sends a signal in the middle of a training, and runs the same command again."""
    model_dir, expected = folder / f"stopped-{number.name}", 0 if number == signal.SIGTERM else 130
    shared = ("train_config.num_steps=3000", "train_config.save_checkpoints_steps=2900", f"model_dir={model_dir}")
    run = Run(folder / "stopped.log", "train", config, *shared)
    run.wait_for("step ")
    run.send(number)
    code, text = run.wait(), run.text
    problems = [] if code == expected else [f"exit code {code} instead of {expected}"]
    problems += [] if "Run the same command again" in text else ["it does not say how to go on"]
    step = newest_step(model_dir)
    _must_end(Run(folder / "stopped.log", "train", config, *shared))
    whole = folder / "unstopped"
    if not whole.exists():
        _must_end(Run(folder / "whole.log", "train", config, *shared[:2], f"model_dir={whole}"))
    problems += [f"{name} differs" for name in differences(state_of_training(whole), state_of_training(model_dir))]
    return _result(number.name, problems, f"saved at step {step}, exit code {code}, continued to the same end")


def _second_signal(folder: Path, config: Path) -> Outcome:
    shared = ("train_config.num_steps=100000000", "train_config.save_checkpoints_steps=1000000")
    run = Run(folder / "second.log", "train", config, *shared, f"model_dir={folder / 'second'}")
    run.wait_for("step ")
    run.send(signal.SIGSTOP)
    run.send(signal.SIGTERM)
    run.send(signal.SIGCONT)
    begin = time.monotonic()
    while run.is_running() and time.monotonic() < begin + 10:
        run.send(signal.SIGTERM)
    return _result(
        "a second signal",
        [] if run.wait(1) == -signal.SIGTERM else [f"{run.code}: {run.text[-300:]}"],
        f"exit code {run.code}",
    )


def _two_trainings(folder: Path, config: Path) -> Outcome:
    shared = ("train_config.num_steps=100000000", f"model_dir={folder / 'two'}")
    first = Run(folder / "first.log", "train", config, *shared)
    first.wait_for(": parameters ")
    second = Run(folder / "two.log", "train", config, *shared)
    problems = [] if second.wait() == 2 and f"process {first.process} on " in second.text else [second.text[-300:]]
    first.kill()
    third = Run(folder / "third.log", "train", config, _NUM_STEPS, shared[1])
    problems += [] if third.wait() == 0 else [f"after a kill of the first: {third.text[-300:]}"]
    return _result("two trainings in one model_dir", problems, "the second refused; free after a kill of the first")


def _damaged(folder: Path, config: Path) -> Iterator[Outcome]:
    """Damages the newest checkpoint in each way, and trains on from the one before."""
    model_dir = _finished(folder, config)
    expected = state_of_training(model_dir)
    for name in ("weights.data-00000-of-00001", "weights.index", "state.json"):
        newest = max((model_dir / "checkpoints").glob("step-*"))
        path = newest / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        run = Run(folder / "damaged.log", "train", config, _NUM_STEPS, f"model_dir={model_dir}")
        problems = [] if run.wait() == 0 else [run.text[-300:]]
        problems += [] if "Damaged checkpoint: " in run.text else ["no note"]
        kept = list(newest.parent.glob("damaged-*"))
        problems += [] if kept else ["the damaged one is gone"]
        for each in kept:
            each.rename(folder / f"{each.name}-{name}")
        problems += [f"{file} differs" for file in differences(expected, state_of_training(model_dir))]
        yield _result(f"half of {name}", problems, "told, kept aside; the one before was used")


def _full_disk(folder: Path, config: Path) -> Outcome:
    """Trains on a disk that gets full, then on the same one with more space."""
    fault = "disk full (a small file system)"
    with small_disk(folder / "disk", "160k") as disk:
        if disk is None:
            return fault, "ok", "not tried: this user cannot mount one"
        shared = ("train_config.num_steps=20000", "train_config.keep_checkpoint_max=0", f"model_dir={disk}")
        run = Run(folder / "disk.log", "train", config, *shared)
        problems = [] if run.wait() == 2 and "No space left" in run.text else [run.text[-300:]]
        problems += ["a traceback"] if "Traceback" in run.text else []
        step = newest_step(disk)
        problems += [] if step else ["no checkpoint is left"]
        return _result(fault, problems, f"one line, exit code 2, step {step} is whole")


def _file_limit(folder: Path, config: Path) -> Outcome:
    """Forbids files of more than some bytes, so that the weights cannot be written, and allows them again."""
    model_dir = folder / "limited"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, hard))
    try:
        run = Run(folder / "limited.log", "train", config, _NUM_STEPS, f"model_dir={model_dir}")
        problems = [] if run.wait() == 2 and "Traceback" not in run.text else [f"{run.code}: {run.text[-300:]}"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    again = Run(folder / "limited.log", "train", config, _NUM_STEPS, f"model_dir={model_dir}")
    problems += [] if again.wait() == 0 else [again.text[-300:]]
    problems += [
        f"{name} differs"
        for name in differences(state_of_training(_finished(folder, config)), state_of_training(model_dir))
    ]
    return _result("files cannot grow (RLIMIT_FSIZE)", problems, "one line, exit code 2; continued to the same end")


if __name__ == "__main__":
    sys.exit(main())
