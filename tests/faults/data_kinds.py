"""Faults of data files that are read: they vanish, change, cannot be read or may not be."""

import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet

from tests.faults import injection
from tests.faults.project import SHORT, Project, Result

_NAMES = ("click", "buy", "item", "tags", "price")
_ROWS_OF_GROUP = 300
_PLACES = 3
_IN_SENTENCES = ("Bring the file back", "again", "Correct the row", "Restore", "removed?", "Check ")
"""One of these is in what says what to do."""

Change = tuple[str, Callable[[Path], object]]


def changed_data(project: Project, chance: random.Random, number: int) -> Result:
    """Takes away or changes a data file right before a block of it is read; brought back, the end is the same."""
    return _broken_data(project, number // len(_CHANGES) % _PLACES, _CHANGES[number % len(_CHANGES)], is_parquet=False)


def unreadable_data(project: Project, chance: random.Random, number: int) -> Result:
    """Makes a CSV or Parquet file one that cannot be read right before a block of it is; then brings it back."""
    change, turn = _UNREADABLE[number % len(_UNREADABLE)], number // len(_UNREADABLE)
    return _broken_data(project, turn // 2 % _PLACES, change, is_parquet=turn % 2 == 1)


def _broken_data(project: Project, place: int, change: Change, is_parquet: bool) -> Result:
    name, fault = change
    settings = (*SHORT, *_parquet_of(project)) if is_parquet else SHORT
    files = sorted(project.folder.glob(f"part-*.{'parquet' if is_parquet else 'csv'}"))
    project.finished(*settings)
    model_dir = project.model_dir()
    before = injection.before_block(place, fault)

    def prepare() -> None:
        injection.obey_permissions()
        before()

    with _kept(project, files):
        run = project.run("train", *settings, f"model_dir={model_dir}", prepare=prepare)
        run.wait(120)
        problems = [] if run.kill() or run.code == 2 else [f"exit code {run.code}: {run.text[-600:]}"]
        problems += ["it has waited for two minutes"] if run.code == -9 else []
        problems += ["a traceback"] if "Traceback" in run.text else []
        said = run.text[run.text.rfind("easymtl train: ") :]
        if "part-" not in said or not any(text in said for text in _IN_SENTENCES):
            problems.append(f"a file that {name}: which, or what to do, is not said: {said[-300:]}")
    kind = "Parquet" if is_parquet else "CSV"
    return Result(1, [*problems, *project.lost_of_rerun(model_dir, *settings)], f"{kind}, block {place} {name}")


def _parquet_of(project: Project) -> Sequence[str]:
    """Returns overrides that have the data of a project read as Parquet files, which are made of them."""
    options = pyarrow.csv.ReadOptions(column_names=_NAMES)
    for path in project.folder.glob("*.csv"):
        target = path.with_suffix(".parquet")
        if not target.exists():
            table = pyarrow.csv.read_csv(path, options)
            pyarrow.parquet.write_table(table, target, row_group_size=_ROWS_OF_GROUP)
    inputs = (f"train_input_path={project.folder}/part-*.parquet", f"eval_input_path={project.folder}/eval.parquet")
    return ("data_config.input_type=ParquetInput", *inputs)


@contextmanager
def _kept(project: Project, files: Sequence[Path]) -> Iterator[None]:
    """Brings files back as they were, times and modes included."""
    folder = project.folder / "kept"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in files:
        shutil.copy2(path, folder)
    try:
        yield
    finally:
        for path in files:
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            path.unlink(missing_ok=True)
            shutil.copy2(folder / path.name, path)


def _shrunk(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def _folder_for_a_moment(path: Path) -> None:
    path.unlink()
    path.mkdir()
    path.rmdir()


def _in_place(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        path.unlink()
        make(path)

    return replace


def _of_holes(path: Path) -> None:
    size = path.stat().st_size
    with path.open("wb") as file:
        file.truncate(size)


_CHANGES: list[Change] = [
    ("vanished", Path.unlink),
    ("shrank", _shrunk),
    ("was emptied", lambda path: path.write_bytes(b"")),
    ("became something else", lambda path: path.write_bytes(bytes(range(256)) * (path.stat().st_size // 256 + 1))),
    ("was a folder for a moment", _folder_for_a_moment),
]
_UNREADABLE: list[Change] = [
    # The one file that is there everywhere and fails as a broken disk does.
    ("fails with EIO", _in_place(lambda path: path.symlink_to("/proc/self/mem"))),
    ("is a folder", _in_place(Path.mkdir)),
    ("is a pipe", _in_place(os.mkfifo)),
    ("is all holes", _of_holes),
    ("may not be read", lambda path: path.chmod(0)),
    ("is a link to itself", _in_place(lambda path: path.symlink_to(path.name))),
]
