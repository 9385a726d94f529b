"""Faults that users of such systems have reported in public, each reproduced: a config, its data, commands."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.errors.project import Project

REPORTS = Path(__file__).parents[1] / "data" / "reports"


class Report(Project):
    """A folder with a copy of `tests/data/reports/<name>`, in which commands are run."""

    def __init__(self, folder: Path, name: str):
        self.folder = folder / name
        shutil.copytree(REPORTS / name, self.folder)


@pytest.fixture
def report(tmp_path) -> Callable[[str], Report]:
    """Returns the function that makes the folder of a report."""
    return lambda name: Report(tmp_path, name)
