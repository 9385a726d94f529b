"""Fuzzes what reads untrusted bytes, guided by the lines of the package that an input reaches: `make fuzz`.

Each target has a process of its own, which mutates the inputs of its corpus (`tests/fuzz/corpus`, and what earlier runs
have left below `build/fuzz`). A finding is an error that is no refusal, an answer that takes long, or a process that
grows much; it is told once, and its input is kept. The exit code is 1 if there is one.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

_MISSING = "make fuzz needs atheris, which has wheels for Linux and Python 3.11 to 3.13: pip install 'easymtl[fuzz]'"
_MOST_BYTES = 4 << 30
"""Of address space beside what a target holds when it starts."""
_HANG_SECONDS = 60


def main() -> int:
    """Fuzzes the targets one after the other, and returns 1 if anything was found."""
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="may be repeated; by default all")
    parser.add_argument("--minutes", type=float, default=1.0, help="for each target")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "fuzz", help="of what is found")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = options.target or list(TARGETS)
    if options.here:
        _fuzz(names[0], options.folder.resolve(), options.minutes * 60)
    for name in names:
        _run(name, options)
    found = [path for name in names for path in sorted((options.folder / name / "findings").glob("*"))]
    findings = [path for path in found if path.suffix != ".txt"]
    print(f"{len(names)} targets, {len(findings)} inputs with a finding", *findings, sep="\n  ")
    return 1 if findings else 0


def _run(name: str, options: argparse.Namespace) -> None:
    """Fuzzes a target in processes of their own until its time is over: what hangs or grows ends a process."""
    end = time.monotonic() + options.minutes * 60
    begin = resource.getrusage(resource.RUSAGE_CHILDREN)
    while (left := end - time.monotonic()) > 1:
        words = [sys.executable, "-m", "tests.fuzz", "--here", "--target", name, "--minutes", str(left / 60)]
        code = subprocess.run([*words, "--folder", options.folder], cwd=ROOT, check=False).returncode
        if code in (1, 2):
            raise SystemExit(f"{name}: the fuzzer did not start")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - begin.ru_utime - begin.ru_stime
    print(f"{name}: {seconds:.0f} s of processor time", flush=True)


def _fuzz(name: str, folder: Path, seconds: float) -> None:
    """Fuzzes a target in this process, and never returns."""
    try:
        import atheris
    except ImportError:
        print(_MISSING, file=sys.stderr)
        sys.exit(2)
    from tests.fuzz.targets import TARGETS

    if TARGETS[name].needs_tensorflow:
        import tensorflow  # noqa: F401  Nothing of it is instrumented.
    with atheris.instrument_imports(include=["easymtl"]):
        from tests.fuzz.judging import Judge

        own, findings, work = folder / name / "corpus", folder / name / "findings", folder / name / "work"
        for one in (own, findings, work):
            one.mkdir(parents=True, exist_ok=True)
        target = TARGETS[name]
        judge = Judge(name, target.start(work), findings)
        for number, seed in enumerate(target.seeds()):
            (own / f"seed-{number}").write_bytes(seed)
    _limit_memory()
    words = folder / name / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in (*target.words, "\0")), encoding="utf-8")
    flags = [f"-max_total_time={max(int(seconds), 1)}", f"-max_len={target.most_bytes}", f"-timeout={_HANG_SECONDS}"]
    flags += [f"-artifact_prefix={findings}/hang-", f"-dict={words}", "-rss_limit_mb=0", "-use_value_profile=1"]
    kept = [str(target.corpus()[0].parent)] if target.corpus() else []
    atheris.Setup([sys.argv[0], *flags, str(own), *kept], judge)
    atheris.Fuzz()


def _limit_memory() -> None:
    """Makes what would take all memory of the machine an error of the input that asks for it."""
    held = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + _MOST_BYTES, resource.RLIM_INFINITY))


def _escaped(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


if __name__ == "__main__":
    sys.exit(main())
