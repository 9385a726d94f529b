"""`easymtl convert`: a config of TorchEasyRec becomes one of easymtl."""

import sys
from argparse import Namespace
from pathlib import Path

from easymtl.config.config import read_text
from easymtl.config.problems import ConfigError
from easymtl.convert import convert
from easymtl.errors import UserError


def run(options: Namespace) -> None:
    """Writes the converted config to a file or to standard output, and the report to standard error.

    Raises:
        UserError: the config cannot be read or converted, and nothing is written; or it is written, and this version
            does not take it.
    """
    target = Path(options.out) if options.out else None
    if target is not None and target.exists():
        raise UserError(f"--out {target} exists. Name another file, or remove it.")
    conversion = convert(read_text(options.config), options.config)
    if target is None:
        sys.stdout.write(conversion.text)
    else:
        target.write_text(conversion.text, encoding="utf-8")
    report = conversion.report.text()
    if report:
        print(report, file=sys.stderr)
    name = str(target) if target else "the converted config"
    try:
        notes = conversion.check(name)
    except ConfigError as error:
        raise UserError(f"it is written, and this version does not take it: {error}") from error
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"{name}: ok.", file=sys.stderr)
