"""`easymtl report`: a page about one training or several."""

import os
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from easymtl.api.data_files import require_files
from easymtl.api.overwriting import CONFIG_NAME, require_apart
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.config.config import load_config
from easymtl.data.remote import is_remote
from easymtl.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console


def run(options: Namespace) -> None:
    """Writes the page.

    Raises:
        UserError: a folder is none of a training, an option, the data or the output are wrong.
    """
    for name, least in (("rows", 0), ("importance_rows", 0)):
        if getattr(options, name) < least:
            raise UserError(
                f"--{name}: {getattr(options, name)} is too small; 0 is {'all' if name == 'rows' else 'none'}."
            )
    _require_place(options.out)
    for model_dir in options.model_dirs:
        _require_training(model_dir)
        config = load_config(str(Path(model_dir) / CONFIG_NAME))
        require_apart(
            config, [("--out", options.out)], {"--input": options.input}, [str(Path(model_dir) / "checkpoints")]
        )
    require_files(options.input)
    start_tensorflow()
    from easymtl.reporting.report import write_report
    from easymtl.reporting.runs import Wishes
    from easymtl.reporting.terminal import open_terminal, print_line

    wishes = Wishes(options.input, options.checkpoint, options.rows, options.importance_rows, options.by or ())
    terminal = open_terminal()
    with _progress(terminal) as tell:
        runs = write_report(options.model_dirs, options.out, wishes, tell)
    for one in runs:
        for problem in one.problems:
            print_line(terminal, f"Warning: {one.name}: {problem}", "yellow")
    size = os.path.getsize(options.out)
    print_line(terminal, f"Wrote {options.out} ({size / 1024:,.0f} KiB): open it in any browser.")


def _require_training(model_dir: str) -> None:
    if not (Path(model_dir) / CONFIG_NAME).is_file():
        near = sorted(path.parent.name for path in Path(model_dir).glob(f"*/{CONFIG_NAME}"))[:5]
        hint = f" Its folders {', '.join(near)} are such: name them." if near else " Name the model_dir of a training."
        raise UserError(f"{model_dir}: there is no {CONFIG_NAME} in it, which a training writes.{hint}")


def _require_place(out: str) -> None:
    if is_remote(out):
        raise UserError(f"--out: {out} is no local file. Name a local one, and copy it.")
    if Path(out).is_dir():
        raise UserError(f"--out: {out} is a folder. Name a file, such as {Path(out) / 'report.html'}.")
    if Path(out).suffix not in (".html", ".htm"):
        raise UserError(f'--out: {out} has to end in ".html".')


@contextmanager
def _progress(terminal: "Console") -> Iterator[Callable[[str], None]]:
    """Yields what tells what is being done: in one line of a terminal; in a pipe a line for each folder's step."""
    from easymtl.reporting.terminal import is_live, print_line

    if is_live(terminal):
        with terminal.status("reading") as status:
            yield status.update
        return
    yield lambda text: None if ": importance of " in text else print_line(terminal, text)
