"""`easymtl convert`: a config of TorchEasyRec becomes one of easymtl."""

import sys
from argparse import Namespace
from pathlib import Path

from easymtl.config.config import read_text
from easymtl.config.problems import ConfigError
from easymtl.convert import convert
from easymtl.errors import UserError
from easymtl.reporting.outcomes_around import Converted
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.reporting.streams import say


def run(options: Namespace) -> None:
    """Writes the converted config to a file or to standard output, and the report to standard error.

    Raises:
        UserError: the config cannot be read or converted, and nothing is written; or it is written, and this version
            does not take it.
    """
    target = Path(options.out) if options.out else None
    if target is not None and target.exists():
        raise UserError(f"--out {target} exists. Name another file, or remove it.")
    begin("reading", options.config)
    conversion = convert(read_text(options.config), options.config)
    is_json = current().is_json
    if target is not None:
        target.write_text(conversion.text, encoding="utf-8")
    elif not is_json:
        sys.stdout.write(conversion.text)
    report = conversion.report.text()
    if report and not is_json:
        say(report, sys.stderr)
    name = str(target) if target else "the converted config"
    try:
        notes = conversion.check(name)
    except ConfigError as error:
        raise UserError(f"it is written, and this version does not take it: {error}") from error
    text = "" if target else conversion.text
    current().result(Converted(str(target or ""), text, report, notes), lambda: _print(name, notes))


def _print(name: str, notes: list[str]) -> None:
    for note in [] if current().is_quiet else notes:
        say(f"note: {note}", sys.stderr)
    say(f"{name}: ok.", sys.stderr)
