"""Runs tests again and again in forks of one process that has imported TensorFlow: a fork costs nothing of that.

Started in a copy of the checkout, as a script. Reads one job a line from standard input and answers with one line, both
JSON. A job has `tests`, files below the copy; `cpu_seconds` and `seconds`, after which it is killed; `log`, a file for
what pytest prints. The answer has `outcome` ("passed", "failed" or "timeout"), `by`, the test that failed first,
`cpu_seconds` and `seconds`.
"""

import contextlib
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

_MOST_BYTES = 12 << 30
_PAUSE_SECONDS = 0.02


def main() -> None:
    """Answers jobs until standard input ends."""
    sys.path[0] = os.getcwd()
    answers = os.fdopen(os.dup(1), "w")
    # What the tests, or those whom they start, print goes to the log and not among the answers.
    os.dup2(2, 1)
    # Imported, and nothing of it run yet: threads that TensorFlow starts would not come along into a fork.
    import hypothesis  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import pytest  # noqa: F401
    import sklearn.metrics  # noqa: F401
    import tensorboard.plugins.histogram.summary_v2
    import tensorboard.plugins.scalar.summary_v2  # noqa: F401
    import tensorflow  # noqa: F401

    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), file=answers, flush=True)


def _answer(job: dict) -> dict:
    folder = Path(tempfile.mkdtemp(prefix="easymtl-mutant-"))
    told = folder / "first_failure.json"
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        _run(job, folder, told)
    code, usage = _wait(child, job["seconds"])
    outcome = {None: "timeout", -signal.SIGXCPU: "timeout", 0: "passed"}.get(code, "failed")
    answer = {
        "outcome": outcome,
        "by": json.loads(told.read_text()) if told.exists() else f"exit code {code}",
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "seconds": round(time.monotonic() - started, 2),
    }
    shutil.rmtree(folder, ignore_errors=True)
    return answer


def _wait(child: int, seconds: float) -> tuple[int | None, resource.struct_rusage]:
    """Returns the exit code, None for one that had to be killed, and what it used."""
    end, code = time.monotonic() + seconds, None
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            break
        # While a job runs there is nothing to read but the end: whoever gave the job has gone.
        is_left = bool(select.select([sys.stdin], [], [], _PAUSE_SECONDS)[0])
        if is_left or time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
            _, _, usage = os.wait4(child, 0)
            break
    # Processes that the tests started, and that a mutant made outlive them.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    return code, usage


def _run(job: dict, folder: Path, told: Path) -> None:
    """Runs the tests in this process, which is a fork, and ends it."""
    code = 70
    try:
        os.setsid()
        log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(log, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        seconds = int(job["cpu_seconds"])
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        resource.setrlimit(resource.RLIMIT_DATA, (_MOST_BYTES, _MOST_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
        import hypothesis
        import pytest

        # It is enough that an example fails: to look for the smallest, or to print it, takes minutes and gigabytes.
        phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
        quiet = hypothesis.Verbosity.quiet
        hypothesis.settings.register_profile(
            "any_failure", derandomize=True, phases=phases, verbosity=quiet, report_multiple_bugs=False
        )
        own = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "--import-mode=importlib", "--override-ini=addopts="]
        own.append("--hypothesis-profile=any_failure")
        code = pytest.main([*own, f"--basetemp={folder / 'pytest'}", *job["tests"]], plugins=[_Plugin(told)])
    finally:
        sys.stdout.flush()
        os._exit(int(code))


class _Plugin:
    """Puts slow tests last, and notes the first failure."""

    def __init__(self, told: Path):
        self.told = told

    def pytest_collection_modifyitems(self, items: list) -> None:
        items.sort(key=lambda item: item.get_closest_marker("slow") is not None)

    def pytest_runtest_logreport(self, report) -> None:
        if report.failed and not self.told.exists():
            self.told.write_text(json.dumps(report.nodeid))


if __name__ == "__main__":
    main()
