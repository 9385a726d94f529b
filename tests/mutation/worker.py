"""A copy of the checkout in which mutants are tried, and the process that runs tests in it."""

import compileall
import contextlib
import json
import os
import py_compile
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_COPIED = ("easymtl", "tests", "samples", "benchmarks", "protos", "docs", ".ci")
_COPIED_FILES = ("pyproject.toml", "setup.py", "Makefile", "README.md", "CHANGELOG.md")
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "large", "livestream")


class Worker:
    """Tries one mutant after the other.

    Attributes:
        folder: the copy of the checkout.
    """

    def __init__(self, root: Path, folder: Path):
        self.folder = folder
        folder.mkdir()
        for name in _COPIED:
            if (root / name).is_dir():
                shutil.copytree(root / name, folder / name, ignore=_LEFT_OUT)
        for name in _COPIED_FILES:
            if (root / name).is_file():
                shutil.copy2(root / name, folder / name)
        # By its hash a compiled file is of its source. By time and size, as usual, `<` and `>` would be the same.
        compileall.compile_dir(
            str(folder / "easymtl"), quiet=1, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH
        )
        settings = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        self.log = folder / "tests.log"
        self.errors = (folder / "server.log").open("w")
        self.server = subprocess.Popen(
            [sys.executable, str(folder / "tests" / "mutation" / "server.py")],
            cwd=folder,
            env={**os.environ, **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            start_new_session=True,  # A Ctrl-C is for the one who reads the answers.
        )

    def run(self, tests: list[str], cpu_seconds: float, seconds: float) -> dict:
        """Runs test files until one test fails; returns the server's answer (see server.py).

        Raises:
            RuntimeError: If the server has ended.
        """
        job = {"tests": tests, "cpu_seconds": cpu_seconds, "seconds": seconds, "log": str(self.log)}
        with contextlib.suppress(BrokenPipeError):
            self.server.stdin.write(json.dumps(job) + "\n")
            self.server.stdin.flush()
        line = self.server.stdout.readline()
        if not line:
            raise RuntimeError(f"the process that runs tests has ended: {(self.folder / 'server.log').read_text()}")
        return json.loads(line)

    def log_tail(self) -> str:
        """Returns the end of what pytest printed in the last run."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-3000:]

    @contextlib.contextmanager
    def mutated(self, module: str, source: str) -> Iterator[None]:
        """Has `source` in the place of a module, in the copy, for a while."""
        path = self.folder / module
        before = path.read_text(encoding="utf-8")
        path.write_text(source, encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(before, encoding="utf-8")

    def close(self) -> None:
        """Ends the server; what it is running ends with it."""
        self.server.stdin.close()
        self.server.wait()
        self.server.stdout.close()
        self.errors.close()
