"""`easymtl doctor`: whether this installation works, and what to do where it does not."""

import json
import sys
from argparse import Namespace
from pathlib import Path

from easymtl.doctor.examination import (
    LAST_BEFORE_TENSORFLOW,
    Section,
    as_lines,
    as_record,
    examine,
    verdict,
)
from easymtl.doctor.finding import OK
from easymtl.errors import UserError
from easymtl.reporting.outcomes_around import Examined
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.reporting.streams import say

_MOST_SECONDS = 600


def run(options: Namespace) -> int:
    """Prints what was found, as text or as one JSON object; returns 1 where something is broken.

    Raises:
        UserError: the seconds of the training are out of range.
    """
    if not 0 <= options.seconds <= _MOST_SECONDS:
        raise UserError(f"--seconds is {options.seconds}: it must be from 0 to {_MOST_SECONDS}.")
    output = current()
    is_told = not options.json and not output.is_json
    sections = []
    for section in examine(Path(options.model_dir).expanduser(), options.seconds):
        sections.append(section)
        told = [one for one in section.findings if one.standing != OK] if output.is_quiet else section.findings
        if is_told and (told or not output.is_quiet):
            say("\n".join(as_lines(Section(section.title, told))), sys.stdout)
            sys.stdout.flush()
        if section.title == LAST_BEFORE_TENSORFLOW:
            begin("importing TensorFlow", f"and training for {options.seconds} s" if options.seconds else "")
    output.phases.end()
    record = as_record(sections)
    text = json.dumps(record, indent=2) if options.json else verdict(sections)
    output.result(Examined(**record), lambda: say(text, sys.stdout))
    return 1 if record["broken"] else 0
