"""All that `easymtl doctor` looks at, in order."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from easymtl.doctor.finding import BROKEN, NOTE, Finding, looked_at
from easymtl.doctor.machine import find_machine
from easymtl.doctor.packages import find_extensions, find_extras, find_versions
from easymtl.doctor.protobuf import find_protobuf
from easymtl.doctor.tensorflow_apart import try_tensorflow

LAST_BEFORE_TENSORFLOW = "extensions"
"""The part behind which TensorFlow is imported, which takes a while."""


@dataclass(frozen=True)
class Section:
    """A part of the examination.

    Attributes:
        title: of it.
        findings: of it, in order.
    """

    title: str
    findings: list[Finding]


def examine(model_dir: Path, seconds: float) -> Iterator[Section]:
    """Yields each part as soon as it has been looked at.

    Args:
        model_dir: the folder whose disk is looked at.
        seconds: how long is trained; 0 leaves the training out.
    """
    looks: tuple[tuple[str, Callable[[], Iterable[Finding]]], ...] = (
        ("versions", find_versions),
        ("machine", lambda: find_machine(model_dir)),
        ("protobuf", find_protobuf),
        ("extras", find_extras),
        (LAST_BEFORE_TENSORFLOW, find_extensions),
        ("TensorFlow", lambda: try_tensorflow(seconds)),
    )
    for title, look in looks:
        yield Section(title, looked_at(title, look))


def as_lines(section: Section) -> list[str]:
    """Returns the lines that show a part: each finding with its standing, and what to do below it."""
    lines = [f"{section.title}:"]
    for one in section.findings:
        lines.append(f"  {one.standing:<6}  {one.name}: {one.text}")
        if one.advice:
            lines.append(f"          -> {one.advice}")
    return lines


def verdict(sections: Iterable[Section]) -> str:
    """Returns the last line: how many things are broken, and how many could be better."""
    standings = [one.standing for section in sections for one in section.findings]
    broken, notes = standings.count(BROKEN), standings.count(NOTE)
    return f"{broken or 'Nothing'} {'are' if broken > 1 else 'is'} broken; {notes} note{'s' if notes != 1 else ''}."


def as_record(sections: Iterable[Section]) -> dict:
    """Returns the whole as an object for JSON: `broken`, how many things are, and `findings`, a list of objects."""
    findings = [
        {"section": section.title, "name": one.name, "standing": one.standing, "text": one.text, "advice": one.advice}
        for section in sections
        for one in section.findings
    ]
    return {"broken": sum(one["standing"] == BROKEN for one in findings), "findings": findings}
