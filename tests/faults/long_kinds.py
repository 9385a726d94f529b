"""Faults of whole commands: kills at random moments, signals, two at once, disks that get full."""

import random
import resource
import signal
import time
from pathlib import Path

from tests.faults.project import Project, Result
from tests.faults.runs import differences, newest_step, small_disk, state_of_training

_LONG = ("train_config.num_steps=1500", "train_config.save_checkpoints_steps=100")
_SHORT = "train_config.num_steps=450"
_ENDLESS = "train_config.num_steps=100000000"
_KILLS, _EXPORT_KILLS = 5, 3


def killed_training(project: Project, chance: random.Random, number: int) -> Result:
    """Kills one training five times, most often while it trains, evaluates or saves, and lets it come to its end."""
    precision = "BFLOAT16" if number % 8 == 7 else "FLOAT32"
    shared = (*_LONG, f"train_config.mixed_precision={precision}")
    expected = state_of_training(project.finished(*shared, by_op=False))
    model_dir, kills, moments = project.model_dir(), 0, set()
    while True:
        run = project.run("train", *shared, f"model_dir={model_dir}", by_op=False)
        if kills < _KILLS:
            if chance.random() < 0.8:
                # Behind its first checkpoint a run has come further than the one before.
                run.wait_for(chance.choice((": parameters ", "Saved ", "Saved ")))
            time.sleep(chance.uniform(0.0, 3.0))
            kills += run.kill()
            moments.add(newest_step(model_dir))
        if run.wait(900) == 0:
            break
        if run.code != -signal.SIGKILL:
            return Result(kills, [f"a continued run failed: {run.text[-300:]}"])
    problems = [f"{name} differs" for name in differences(expected, state_of_training(model_dir))]
    return Result(kills, problems, f"{precision}, {len(moments)} points of return")


def killed_export(project: Project, chance: random.Random, number: int) -> Result:
    """Kills exports at random moments; what can be seen of them is whole, and the next one sweeps what they left."""
    model_dir, problems, kills = project.finished(_SHORT, by_op=False), [], 0
    exports = model_dir / "export" / "final"
    for _ in range(_EXPORT_KILLS):
        run = project.run("export", f"model_dir={model_dir}", by_op=False)
        time.sleep(chance.uniform(0.5, 12.0))
        kills += run.kill()
        problems += half_exports(exports)
    run = project.run("export", f"model_dir={model_dir}", by_op=False)
    if run.wait(900) != 0:
        problems.append(f"an export after them failed: {run.text[-300:]}")
    problems += half_exports(exports)
    problems += [f"{path.name} was left" for path in exports.glob(".*")]
    return Result(kills, problems, "nothing half published, drafts swept")


def half_exports(folder: Path) -> list[str]:
    """Returns which exports of a folder can be seen and are not whole."""
    needed = ("saved_model.pb", "variables/variables.index", "assets.extra/easymtl.json")
    return [
        f"{path.name} has no {name}" for path in folder.glob("[0-9]*") for name in needed if not (path / name).exists()
    ]


def stopped_training(project: Project, chance: random.Random, number: int) -> Result:
    """Sends SIGTERM or SIGINT in the middle of a training, and runs the same command again."""
    sent = (signal.SIGTERM, signal.SIGINT)[number % 2]
    expected = 0 if sent == signal.SIGTERM else 130
    shared, model_dir = ("train_config.num_steps=3000", "train_config.save_checkpoints_steps=2900"), project.model_dir()
    run = project.run("train", *shared, f"model_dir={model_dir}", by_op=False)
    run.wait_for("step ")
    run.send(sent)
    problems = [] if run.wait() == expected else [f"exit code {run.code} instead of {expected}"]
    problems += [] if "Run the same command again" in run.text else ["it does not say how to go on"]
    step = newest_step(model_dir)
    project.must_end("train", *shared, f"model_dir={model_dir}", by_op=False)
    whole = state_of_training(project.finished(*shared, by_op=False))
    problems += [f"{name} differs" for name in differences(whole, state_of_training(model_dir))]
    return Result(1, problems, f"{sent.name}, saved at step {step}")


def second_signal(project: Project, chance: random.Random, number: int) -> Result:
    """Sends SIGTERM again and again: the second one ends a training at once."""
    shared = (_ENDLESS, "train_config.save_checkpoints_steps=1000000", f"model_dir={project.model_dir()}")
    run = project.run("train", *shared, by_op=False)
    run.wait_for("step ")
    run.send(signal.SIGSTOP)
    run.send(signal.SIGTERM)
    run.send(signal.SIGCONT)
    begin = time.monotonic()
    while run.is_running() and time.monotonic() < begin + 10:
        run.send(signal.SIGTERM)
    problems = [] if run.wait(1) == -signal.SIGTERM else [f"{run.code}: {run.text[-300:]}"]
    return Result(1, problems, f"exit code {run.code}")


def two_trainings(project: Project, chance: random.Random, number: int) -> Result:
    """Starts a second training in one model_dir, kills the first, and starts a third."""
    model_dir = f"model_dir={project.model_dir()}"
    first = project.run("train", _ENDLESS, model_dir)
    first.wait_for(": parameters ")
    second = project.run("train", _ENDLESS, model_dir)
    is_refused = second.wait() == 2 and f"process {first.process} on " in second.text
    first.kill()
    third = project.run("train", "train_config.num_steps=20", model_dir)
    problems = [] if is_refused else [second.text[-300:]]
    problems += [] if third.wait() == 0 else [f"after a kill of the first: {third.text[-300:]}"]
    return Result(1, problems, "the second refused; free after a kill of the first")


def full_disk(project: Project, chance: random.Random, number: int) -> Result:
    """Trains on a disk that gets full."""
    with small_disk(project.folder / f"disk-{number}", f"{160 + 16 * number}k") as disk:
        if disk is None:
            return Result(0, [], "not tried: this user cannot mount one")
        shared = ("train_config.num_steps=20000", "train_config.keep_checkpoint_max=0", f"model_dir={disk}")
        run = project.run("train", *shared, by_op=False)
        problems = [] if run.wait(900) == 2 and "No space left" in run.text else [run.text[-300:]]
        problems += ["a traceback"] if "Traceback" in run.text else []
        step = newest_step(disk)
        problems += [] if step else ["no checkpoint is left"]
        return Result(1, problems, f"step {step} is whole")


def file_limit(project: Project, chance: random.Random, number: int) -> Result:
    """Forbids files of more than some bytes, so that the weights cannot be written, and allows them again."""
    model_dir = project.model_dir()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000 + 500 * number, hard))
    try:
        run = project.run("train", _SHORT, f"model_dir={model_dir}")
        problems = [] if run.wait() == 2 and "Traceback" not in run.text else [f"{run.code}: {run.text[-300:]}"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    return Result(1, problems + project.lost_of_rerun(model_dir, _SHORT), "one line, exit code 2")
