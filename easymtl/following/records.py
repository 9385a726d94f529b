"""What became of each part, line by line, in `model_dir/follow.jsonl`: for people, programs and what is usual.

What was trained on is what the checkpoint says; this file follows it, and may be lost.
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from easymtl.checkpoints.parts import Parts
from easymtl.checkpoints.publishing import reason, write_text
from easymtl.errors import UserError
from easymtl.following.listing import Part
from easymtl.reporting.event_records import event_record
from easymtl.reporting.part_records import FILE, TOLD, TRAINED, read_lines
from easymtl.training.events import PartTrained


class Records:
    """The file of a model_dir, which one process at a time writes."""

    def __init__(self, model_dir: str | Path, trained: Parts | None):
        """Reads what is there; what a killed process left that the checkpoint does not know is taken out.

        Args:
            model_dir: where the file is.
            trained: what the checkpoint says.

        Raises:
            UserError: the file cannot be written.
        """
        self.path = Path(model_dir) / FILE
        found = list(read_lines(self.path))
        number = trained.num_trained if trained else 0
        known = [record for record in found if record["event"] != TRAINED or _number(record) <= number]
        if trained and not trained.is_finished:
            known = [record for record in known if record["event"] != TRAINED or _number(record) < number]
        self.trained = [record for record in known if record["event"] == TRAINED]
        self._told = {(record["part"], record["what"], record["mark"]) for record in known if record["event"] == TOLD}
        if self.path.is_file():
            self._guarded(lambda: write_text(self.path, "".join(map(_line, known))))

    def has(self, number: int) -> bool:
        """Returns whether the part of a number is told."""
        return any(_number(record) == number for record in self.trained)

    def add(self, event: PartTrained) -> None:
        """Writes what became of a part; it is on the disk when this returns.

        Raises:
            UserError: the file cannot be written.
        """
        record = event_record(event)
        self._append(record)
        self.trained.append(record)

    def is_told(self, part: Part, what: str) -> bool:
        """Returns whether something of a part was told before, by this or an earlier process; from now on it was.

        Args:
            part: as it is; when its files are others, it is to be told again.
            what: `late`, `empty`, `no rows`, `changed`.

        Raises:
            UserError: the file cannot be written.
        """
        key = (part.text, what, part.mark)
        if key in self._told:
            return True
        self._told.add(key)
        self._append({"event": TOLD, "part": part.text, "what": what, "mark": part.mark})
        return False

    def passed(self) -> set[tuple[str, str]]:
        """Returns name and mark of the parts without a row that can be used."""
        return {(part, mark) for part, what, mark in self._told if what == "no rows"}

    def _append(self, record: Mapping[str, Any]) -> None:
        self._guarded(lambda: self._write(_line(record)))

    def _write(self, line: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def _guarded(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written: {reason(error)}. Check model_dir.") from None


def _number(record: Mapping[str, Any]) -> int:
    return int(record["number"])


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, allow_nan=False, separators=(",", ":")) + "\n"
