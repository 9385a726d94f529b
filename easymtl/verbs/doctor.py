"""`easymtl doctor`: whether this installation works, and what to do where it does not."""

import json
import sys
from argparse import Namespace
from pathlib import Path

from easymtl.doctor.examination import as_lines, as_record, examine, verdict
from easymtl.errors import UserError

_MOST_SECONDS = 600
_CLEAR_LINE = "\r\x1b[K"


def run(options: Namespace) -> int:
    """Prints what was found, as text or as one JSON object; returns 1 where something is broken.

    Raises:
        UserError: the seconds of the training are out of range.
    """
    if not 0 <= options.seconds <= _MOST_SECONDS:
        raise UserError(f"--seconds is {options.seconds}: it must be from 0 to {_MOST_SECONDS}.")
    is_live = sys.stdout.isatty() and not options.json

    def waiting(elapsed: float) -> None:
        if is_live:
            print(f"{_CLEAR_LINE}  {elapsed:.0f} s", end="", flush=True)

    sections = []
    for section in examine(Path(options.model_dir).expanduser(), options.seconds, waiting):
        sections.append(section)
        if not options.json:
            print((_CLEAR_LINE if is_live else "") + "\n".join(as_lines(section)), flush=True)
            if section.title == "extras":
                print(f"Importing TensorFlow, and training for {options.seconds} s ...", flush=True)
    record = as_record(sections)
    print(json.dumps(record, indent=2) if options.json else verdict(sections))
    return 1 if record["broken"] else 0
