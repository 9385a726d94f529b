"""What is measured in processes of their own: memory, the time to the first step, the time of a command.

    python -m benchmarks.processes CONFIG OVERRIDE...

trains and prints when its first step had ended, its precision and its peak of memory, as a line of JSON.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.workloads import saving_once

_STATUS = Path("/proc/self/status")
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)
_STEPS = 15


def first_step(config: Path, overrides: Sequence[str]) -> dict:
    """Trains some steps as `easymtl train` does, in a process of its own.

    Returns:
        `first_step_seconds` from the start of the process to the end of its first step, `peak_bytes` of its memory or
        None where the system does not tell, and the name of its `precision`.
    """
    with tempfile.TemporaryDirectory() as model_dir:
        settings = [*overrides, *saving_once(model_dir, 1), f"train_config.num_steps={_STEPS}", "eval_input_path="]
        command = [sys.executable, "-m", "benchmarks.processes", str(config), *settings]
        begin = time.time()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return {"first_step_seconds": found.pop("first_step") - begin, **found}


def command_seconds(arguments: Sequence[str], num_runs: int) -> list[float]:
    """Returns the seconds that `easymtl <arguments>` takes, run by run; the first, which fills caches, is left out."""
    script = Path(sys.executable).with_name("easymtl")
    command = [str(script)] if script.exists() else [sys.executable, "-m", "easymtl"]
    times = []
    for _ in range(num_runs + 1):
        begin = time.perf_counter()
        subprocess.run([*command, *arguments], check=True, capture_output=True)
        times.append(time.perf_counter() - begin)
    return times[1:]


def peak_bytes(status: str) -> int | None:
    """Returns the most memory that a process has had, by the text of its `/proc/<id>/status`.

    `ru_maxrss` will not do: a new process begins with that of the process that started it.
    """
    match = _PEAK.search(status)
    return int(match[1]) * 1024 if match else None


def own_peak() -> int | None:
    """Returns the most memory that this process has had, or None where the system does not tell."""
    return peak_bytes(_STATUS.read_text(encoding="utf-8")) if _STATUS.exists() else None


def _train_and_tell(config: str, overrides: Sequence[str]) -> None:
    from easymtl.api.tensorflow_start import start_tensorflow

    start_tensorflow()

    from easymtl.config import load_config
    from easymtl.training import events
    from easymtl.training.trainer import Trainer

    found: dict = {}

    def listen(event: events.Event) -> None:
        if isinstance(event, events.Started):
            found["precision"] = event.precision
        if isinstance(event, events.Progress):
            found.setdefault("first_step", time.time())

    Trainer(load_config(config, overrides), listen).run()
    print(json.dumps({**found, "peak_bytes": own_peak()}))


if __name__ == "__main__":
    _train_and_tell(sys.argv[1], sys.argv[2:])
