"""Checks of a whole config: see the files beside this one, one per topic."""

from dataclasses import dataclass, field

from easymtl.config.parser import Findings
from easymtl.config.problems import Problem
from easymtl.protos.pipeline_pb2 import Pipeline


@dataclass
class Checked:
    """All problems of a config, those of reading it included, and its notes."""

    problems: list[Problem]
    notes: list[Problem] = field(default_factory=list)


def validate(pipeline: Pipeline, findings: Findings) -> Checked:
    """Applies every rule to a message that was read."""
    return Checked(list(findings.problems))
