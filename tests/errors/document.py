"""Writes `docs/errors.md`: every mistake of `cases.py` and the message that it ends in.

    python -m tests.errors.document --out docs/errors.md
    python -m tests.errors.document --out docs/errors.md --check

Each command is run, in this process; a message in the document is what the command said.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from easymtl.config.documents import publish, table_row
from tests.errors.cases import SECTIONS, TRAIN, Case
from tests.errors.project import CONFIG, FOLDER, Outcome, Project

_INTRODUCTION = f"""\
# What a mistake is answered with

<!-- Written by `python -m tests.errors.document --out docs/errors.md` from tests/errors/cases.py: change that. -->

A mistake in a command, a config or data ends with exit code 2 and a message to standard error, never with a
traceback. The message says where, what was found, what is allowed, and what to do; all problems of a config are
reported together. Below are {{count}} mistakes. Each is a test: the message here is the message of the command.

All start from the config at the end of this page, `x.config` in the folder `{FOLDER}`; where no command is shown, it is
`easymtl check --pipeline_config x.config`.
"""
_CONFIG = f"""
## The config they start from

```
{CONFIG}```
"""


class Runner:
    """Runs cases, each in a folder of its own; the model that some of them meet is trained once."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._count = 0
        self._model: Path | None = None

    def run(self, case: Case) -> Outcome:
        """Makes the mistake of a case and returns how the command ends."""
        project = self._project()
        if case.needs_model:
            shutil.copytree(self._trained(), project.folder / "model")
        case.prepare(project)
        return project.run(case.command)

    def _project(self) -> Project:
        self._count += 1
        return Project(self._folder / str(self._count))

    def _trained(self) -> Path:
        if self._model is None:
            project = self._project()
            outcome = project.run(TRAIN)
            assert outcome.code == 0, outcome.message
            self._model = project.folder / "model"
        return self._model


def document(row_of: Callable[[Case], str]) -> str:
    """Returns the text of `docs/errors.md`, of which each case is a line."""
    parts = [_INTRODUCTION.format(count=sum(map(len, SECTIONS.values())))]
    for title, cases in SECTIONS.items():
        parts.append(f"\n## {title}\n\n| Mistake | Written | Message |\n|---|---|---|\n")
        parts += [f"{row_of(case)}\n" for case in cases]
    return "".join([*parts, _CONFIG])


def row(case: Case, outcome: Outcome) -> str:
    """Returns the line of the table for a case.

    Raises:
        AssertionError: the command did not end as a user's mistake does.
    """
    assert outcome.code == 2, f"{case.name}: ended with {outcome.code}: {outcome.message}"
    cells = [case.name, _code(case.written.splitlines()), _code(outcome.message.rstrip("\n").splitlines())]
    return table_row(cells)


def _code(lines: Iterable[str]) -> str:
    """Returns lines as code in a cell of a table."""
    marked = []
    for line in lines:
        fence = "``" if "`" in line else "`"
        marked.append(f"{fence}{line}{fence}")
    return "<br>".join(marked)


def main(arguments: list[str] | None = None) -> int:
    """Writes the document, or with `--check` tells whether it is current; returns the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(Path(folder))
        return publish("tests.errors.document", lambda: document(lambda case: row(case, runner.run(case))), arguments)


if __name__ == "__main__":
    sys.exit(main())
