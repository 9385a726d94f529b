"""`easymtl report`: a page about one training or several."""

import os
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

from easymtl.api.data_files import require_files
from easymtl.api.model_dirs import model_dir_of, trainings_in
from easymtl.api.overwriting import require_apart, require_local, require_writable
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.checkpoints.written_config import CONFIG_NAME
from easymtl.config import view
from easymtl.config.config import load_config
from easymtl.data.paths import expand
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.outcomes import Reported
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.reporting.streams import say
from easymtl.reporting.study_page import is_study, write_study_report
from easymtl.scoring.file_columns import declare_columns


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
    options.model_dirs = [model_dir_of(place) for place in options.model_dirs]
    if len(options.model_dirs) == 1 and is_study(options.model_dirs[0]):
        _report_study(options.model_dirs[0], options.out)
        return
    begin("reading", ", ".join(options.model_dirs))
    for model_dir in options.model_dirs:
        _require_training(model_dir)
        config = load_config(str(Path(model_dir) / CONFIG_NAME))
        require_apart(
            config, [("--out", options.out)], {"--input": options.input}, [str(Path(model_dir) / "checkpoints")]
        )
        _require_columns(config.pipeline, options)
    require_files(options.input)
    start_tensorflow()
    from easymtl.reporting.report import write_report
    from easymtl.reporting.runs import Wishes
    from easymtl.reporting.terminal import open_terminal, print_line

    wishes = Wishes(options.input, options.checkpoint, options.rows, options.importance_rows, options.by or ())
    terminal = open_terminal()
    runs = write_report(options.model_dirs, options.out, wishes)
    for one in runs:
        for problem in one.problems:
            print_line(terminal, f"Warning: {one.name}: {problem}", "yellow")
    problems = {one.model_dir: one.problems for one in runs if one.problems}
    _tell(options.out, [one.model_dir for one in runs], problems)


def _report_study(study: str, out: str) -> None:
    """Writes the page of a study of `easymtl tune`, for which no model is opened."""
    begin("reading", study)
    write_study_report(study, out)
    _tell(out, [study], {})


def _tell(out: str, runs: Sequence[str], problems: Mapping[str, Sequence[str]]) -> None:
    size = os.path.getsize(out)
    text = f"Wrote {out} ({size / 1024:,.0f} KiB): open it in any browser."
    current().result(Reported(Path(out), size, runs, problems), lambda: say(text, sys.stdout))


def _require_training(model_dir: str) -> None:
    if not (Path(model_dir) / CONFIG_NAME).is_file():
        hint = trainings_in(Path(model_dir)) or " Name the model_dir of a training."
        raise UserError(f"{model_dir}: there is no {CONFIG_NAME} in it, which a training writes.{hint}")


def _require_columns(pipeline: Pipeline, options: Namespace) -> None:
    """Refuses columns that the rows to be scored do not have; where there are no rows, nothing is scored by them."""
    paths = options.input or view.eval_input(pipeline)
    try:
        expand(paths)
    except UserError:
        return
    declare_columns(pipeline, paths, options.by or (), "--by")


def _require_place(out: str) -> None:
    require_local("--out", out, "file")
    if Path(out).is_dir():
        raise UserError(f"--out: {out} is a folder. Name a file, such as {Path(out) / 'report.html'}.")
    if Path(out).suffix not in (".html", ".htm"):
        raise UserError(f'--out: {out} has to end in ".html".')
    require_writable("--out", out)
