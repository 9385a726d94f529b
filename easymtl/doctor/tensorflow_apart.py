"""TensorFlow and a training, tried in a process of their own: a crash there is a finding here."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from easymtl.doctor.finding import BROKEN, Finding
from easymtl.doctor.gpu import facts, gpu

_PACKAGES = Path(__file__).resolve().parents[2]
_MOST_SECONDS = 300
_LAST_LINES = 5
_WORDS = {"import": "importing TensorFlow", "devices": "asking for devices", "training": "training"}
_ADVICE = {
    "SIGILL": "The processor lacks an instruction that TensorFlow is built for: use another machine, or another wheel.",
    "SIGKILL": "The system has probably ended it because memory ran out: free some, or raise the limit.",
    "SIGSEGV": "Libraries do not fit each other: install easymtl in a new virtual environment.",
}


def try_tensorflow(seconds: float) -> Iterator[Finding]:
    """Yields how TensorFlow is imported, which GPUs it sees or why not, and how a training of some seconds goes.

    Args:
        seconds: how long is trained; 0 leaves the training out.
    """
    command = [sys.executable, "-m", "easymtl.doctor.trial", str(seconds)]
    begin = time.monotonic()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment()
    ) as process:
        try:
            while (output := _output(process)) is None:
                elapsed = time.monotonic() - begin
                if elapsed > _MOST_SECONDS + seconds:
                    process.kill()
                    told = stages(process.communicate()[0])
                    yield from findings(told, seconds, f"it was not over after {elapsed:.0f} s", "")
                    return
        except BaseException:
            process.kill()
            raise
    yield from findings(stages(output[0]), seconds, *why(process.returncode, output[1]))


def _output(process: subprocess.Popen) -> tuple[str, str] | None:
    """Returns what a process has written, or None where it is not over within a second."""
    try:
        return process.communicate(timeout=1)
    except subprocess.TimeoutExpired:
        return None


def _environment() -> dict[str, str]:
    """Returns an environment that finds this easymtl, and takes no module of the current folder for another."""
    paths = [str(_PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}


def stages(output: str) -> dict[str, Mapping]:
    """Returns what each stage that is over has told; other lines, such as those of libraries, are passed over."""
    told = {}
    for line in output.splitlines():
        if line.startswith('{"stage": '):
            stage = json.loads(line)
            told[stage["stage"]] = stage
    return told


def why(code: int, errors: str) -> tuple[str, str]:
    """Returns why a process has ended early, and what to do: empty where it has not."""
    if code == 0:
        return "", ""
    if code < 0:
        name = signal.Signals(-code).name
        return f"the process was ended by {name}", _ADVICE.get(name, "")
    lines = [line for line in errors.strip().splitlines() if line.strip()]
    return " | ".join(lines[-1:] if _is_traceback(lines) else lines[-_LAST_LINES:]), ""


def _is_traceback(lines: Sequence[str]) -> bool:
    return any(line.startswith("Traceback ") for line in lines)


def findings(told: Mapping[str, Mapping], seconds: float, reason: str, advice: str) -> Iterator[Finding]:
    """Yields a finding for each stage that is over, and one for that which failed.

    Args:
        told: what each stage has told.
        seconds: how long was to be trained.
        reason: why the process has ended early, or empty.
        advice: what to do about that.
    """
    if "import" in told:
        first = told["import"]
        yield Finding("TensorFlow", f"{first['version']} is imported in {first['seconds']:.1f} s")
    if "devices" in told:
        yield gpu(facts(told["devices"]["is_built_with_cuda"], told["devices"]["gpus"]))
    if "training" in told:
        yield _training(told["training"])
    wanted = ["import", "devices", *(["training"] if seconds > 0 else [])]
    missing = next((stage for stage in wanted if stage not in told), None)
    if missing or reason:
        name = _WORDS[missing] if missing else "ending"
        yield Finding(name, f"failed: {reason or 'nothing was told'}", BROKEN, advice)


def _training(told: Mapping) -> Finding:
    text = (
        f"{told['steps']} steps on made-up rows, {told['examples_per_second']:,.0f} examples/s, loss {told['loss']:.2f}"
    )
    if math.isfinite(told["loss"]):
        return Finding("training", text)
    return Finding("training", text, BROKEN, "The loss is no number: run it once more; memory or processor may be bad.")
