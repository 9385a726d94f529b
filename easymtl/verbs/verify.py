"""`easymtl verify`: the same rows through every way in which clients call an export."""

import signal
import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf import text_format

from easymtl.api.data_files import require_all_columns, require_files
from easymtl.api.model_dirs import model_dir_of
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.config import load_config, view
from easymtl.config.config import read_text
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.outcomes_around import Verified
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.serving.export_folders import served_folder

if TYPE_CHECKING:
    from rich.console import Console as Terminal

    from easymtl.ways.verifying import Finding, Question
    from easymtl.ways.way import Way

_CONFIG = Path("assets.extra") / "pipeline.config"


def run(options: Namespace) -> int:
    """Prints how far the scores of each way are from those of the checkpoint; returns 1 where one is too far.

    Raises:
        UserError: an option, the export, the rows or the checkpoint are wrong, or a way that is asked for is not there.
    """
    if options.rows < 0:
        raise UserError(f"--rows is {options.rows}: it must be at least 0.")
    folder = served_folder(Path(model_dir_of(options.export, "an export or a model_dir")))
    begin("reading", options.input or options.export)
    require_files(options.input)
    given = load_config(options.pipeline_config).pipeline if options.pipeline_config else None
    start_tensorflow()
    from easymtl.reporting.terminal import open_terminal
    from easymtl.ways.address import check_target, rest_address
    from easymtl.ways.desk_server import DeskServer
    from easymtl.ways.registry import all_ways
    from easymtl.ways.verifying import question_of, verify

    desk = DeskServer()
    used, absent = choose_ways(all_ways(desk, options.rest, options.grpc, options.model_name), options)
    if options.grpc:
        check_target(options.grpc)
    before = signal.signal(signal.SIGTERM, _end)
    try:
        with tempfile.TemporaryDirectory(prefix="easymtl-verify-") as work:
            folder = _whole(folder, options.write, Path(work))
            pipeline = given or _config_of(folder)
            options.input = options.input or _rows_of(pipeline, options.pipeline_config or str(folder / _CONFIG))
            require_all_columns(options.input, pipeline)
            if options.rest:
                rest_address(options.rest, folder, options.model_name)
            terminal = open_terminal()
            begin("scoring", f"rows of {options.input} with the checkpoint")
            question = question_of(folder, pipeline, options.input, options.rows, options.checkpoint, given is not None)
            if not current().is_json and not current().is_quiet:
                _print_question(question, options, terminal)
            findings = verify(question, used, lambda name: begin("asking", name))
            begin("ending", "servers")
    finally:
        desk.close()
        signal.signal(signal.SIGTERM, before)
    _refuse_unsayable(findings, options)
    is_same = not any(finding.problem for finding in findings)
    shown = [_finding(finding) for finding in findings]
    outcome = Verified(str(folder), is_same, shown, absent)
    current().result(outcome, lambda: _print_findings(findings, absent, terminal))
    return 0 if is_same else 1


def _finding(finding: "Finding") -> dict[str, object]:
    """Returns what came of a signature on a way, for programs."""
    difference = finding.difference
    return {
        "way": finding.way,
        "signature": finding.signature,
        "output": difference.output,
        "num_rows": difference.num_rows,
        "largest": difference.largest,
        "allowed": difference.allowed,
        "problem": finding.problem,
        "unsayable": finding.unsayable,
    }


def _whole(folder: Path, target: str | None, work: Path) -> Path:
    """Returns an export: the newest of a folder of them, or what a delta leads to.

    Args:
        folder: of an export, of numbered ones, or of a delta.
        target: a folder of numbered exports that gets what is joined, to be kept; None if nothing is to be kept.
        work: where what is joined is put then.

    Raises:
        UserError: there is no export, a delta cannot be joined, or there is nothing to be joined and kept.
    """
    from easymtl.serving.delta_folders import is_delta
    from easymtl.serving.delta_joining import joined
    from easymtl.serving.saved_model_scorer import newest_export

    if is_delta(folder):
        return joined(folder, Path(target) if target else work)
    if target:
        raise UserError(f"--write {target}: {folder} is no delta, and there is nothing to be joined. Copy it.")
    return newest_export(folder)


def _end(number: int, _: object) -> None:
    """Ends this process in a way in which it ends its server, too."""
    sys.exit(128 + number)


def _config_of(folder: Path) -> Pipeline:
    """Returns the config that an export holds.

    Raises:
        UserError: it holds none.
    """
    path = folder / _CONFIG
    if not path.is_file():
        raise UserError(f"{path} is not there, as in older exports: say how rows are read with --pipeline_config.")
    try:
        return text_format.Parse(read_text(str(path)), Pipeline())
    except text_format.ParseError as error:
        raise UserError(f"{path}: is no config ({error}). Name another one with --pipeline_config.") from None


def _rows_of(pipeline: Pipeline, place: str) -> str:
    """Returns the evaluation data that a config names, for want of others.

    Args:
        pipeline: the config.
        place: its file.

    Raises:
        UserError: it names none, or they are not there.
    """
    paths = view.eval_input(pipeline)
    if not paths:
        raise UserError(f"{place}: no evaluation data are named there. Name rows with --input PATHS.")
    try:
        require_files(paths)
    except UserError as error:
        raise UserError(f"{place}: its evaluation data are not there: {error} Or name rows with --input.") from None
    return paths


def choose_ways(ways: "tuple[Way, ...]", options: Namespace) -> tuple[list["Way"], dict[str, str]]:
    """Returns the ways that are used, and why others are not, by name.

    Raises:
        UserError: one that is asked for does not exist or is not installed.
    """
    known = {way.name: way for way in ways}
    asked = options.ways if options.ways is not None else list(known)
    for name in asked:
        if name not in known:
            raise UserError(f'--with: there is no way "{name}" ({quoted(known)}).{did_you_mean(name, known)}')
    if not asked:
        raise UserError(f"--with names no way ({quoted(known)}).")
    for flag in ("rest", "grpc"):
        if getattr(options, flag) and flag not in asked:
            raise UserError(f'--{flag} names a server, and --with leaves the way "{flag}" out.')
    chosen = [way for way in ways if way.name in asked]
    reasons = {way.name: why for way in chosen if (why := way.absent())}
    if options.ways is not None and reasons:
        name, why = next(iter(reasons.items()))
        raise UserError(f'--with: the way "{name}" cannot be used: {why}.')
    return [way for way in chosen if way.name not in reasons], reasons


def _refuse_unsayable(findings: "list[Finding]", options: Namespace) -> None:
    for finding in findings:
        if finding.unsayable and options.ways is not None:
            raise UserError(f'--with: the way "{finding.way}" cannot be used here: {finding.unsayable}.')


def _print_question(question: "Question", options: Namespace, terminal: "Terminal") -> None:
    from easymtl.reporting.tables import key_values

    values = {
        "rows": f"{question.rows.num_rows:,} of {options.input}",
        "config": options.pipeline_config or question.export / _CONFIG,
        "baseline": question.baseline.told,
        "tolerance": f"{question.tolerance:.0e} for probabilities, and times the largest magnitude for other outputs",
    }
    key_values(values, terminal, f"Verifying {question.export}")


def _print_findings(findings: "list[Finding]", absent: dict[str, str], terminal: "Terminal") -> None:
    """Prints the table and what is wrong."""
    from easymtl.reporting.tables import print_table
    from easymtl.reporting.terminal import print_line

    headers = ["way", "signature", "verdict", "output", "rows", "difference", "allowed"]
    print_table(terminal, headers, map(_cells, findings), num_left=4)
    left_out = {finding.way: finding.unsayable for finding in findings if finding.unsayable}
    for name, why in {**absent, **left_out}.items():
        print_line(terminal, f"Not used: {name}, as {why}.", "yellow")
    wrong = [finding for finding in findings if finding.problem]
    for finding in wrong:
        print_line(terminal, f"{', '.join(filter(None, (finding.way, finding.signature)))}: {finding.problem}", "red")
    if wrong:
        return
    ways = {finding.way for finding in findings if not finding.unsayable}
    print_line(terminal, f"The scores are the same on {'this way' if len(ways) == 1 else f'all {len(ways)} ways'}.")


def _cells(finding: "Finding") -> list[str]:
    difference = finding.difference
    verdict = "not used" if finding.unsayable else "DIFFERS" if finding.problem else "same"
    verdict = "FAILED" if finding.problem and not difference.output else verdict
    numbers = [f"{difference.largest:.1e}", f"{difference.allowed:.1e}"] if difference.allowed else ["", ""]
    if not difference.largest and not finding.problem:
        # Of no output more than of another.
        numbers = ["0", ""]
    output = difference.output if difference.largest or finding.problem else ""
    rows = "" if finding.unsayable else f"{difference.num_rows:,}"
    return [finding.way, finding.signature, verdict, output, rows, *(numbers if finding.signature else ["", ""])]
