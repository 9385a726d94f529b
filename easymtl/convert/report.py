"""What a conversion has to say beside its result: what changed its meaning, was left out, guessed, or is not needed."""

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """What became of a field of TorchEasyRec's config; the value is the heading of the report."""

    CHANGED = "converted, with another meaning"
    LEFT_OUT = "no counterpart: left out"
    GUESSED = "not in the config: guessed"
    NOT_NEEDED = "not needed here"


class Remark(NamedTuple):
    """One line of the report.

    Attributes:
        kind: what became of the field.
        line: the line of the source, 0 where it is about none.
        field: the field, such as `id_feature.zch`.
        text: why, and what to do.
    """

    kind: Kind
    line: int
    field: str
    text: str


@dataclass
class Report:
    """All remarks on one conversion.

    Attributes:
        path: the file that was converted, as messages name it.
        remarks: in the order in which they were found.
    """

    path: str
    remarks: list[Remark] = field(default_factory=list)

    def add(self, kind: Kind, line: int, field_name: str, text: str) -> None:
        """Adds a remark, once."""
        remark = Remark(kind, line, field_name, text)
        if remark not in self.remarks:
            self.remarks.append(remark)

    def of(self, kind: Kind) -> list[Remark]:
        """Returns the remarks of one kind, by line."""
        return sorted((remark for remark in self.remarks if remark.kind is kind), key=lambda remark: remark.line)

    def text(self) -> str:
        """Returns the report as lines for a terminal, grouped by kind; empty when there is nothing to say."""
        lines: list[str] = []
        for kind in Kind:
            found = self.of(kind)
            if found:
                lines.append(f"{kind.value} ({len(found)}):")
                lines += [f"  {self._where(remark)} {remark.field}: {remark.text}" for remark in found]
        return "\n".join(lines)

    def _where(self, remark: Remark) -> str:
        return f"{self.path}:{remark.line}" if remark.line else self.path
