"""What happened in a training, line by line, in `model_dir/history.jsonl`: for reports, notebooks and programs."""

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, TextIO

from easymtl.checkpoints.publishing import reason, write_text
from easymtl.errors import UserError
from easymtl.reporting.event_records import event_record
from easymtl.training import events

HISTORY_NAME = "history.jsonl"
MOST_LINES = 100_000
_FEW = 1000

Record = dict[str, Any]


class History:
    """A listener of training that writes each event as a line of `model_dir/history.jsonl`, see `event_record`.

    A continued training first drops what comes behind the step from which it goes on: those steps are made anew. What
    is told before it is known which step that is, waits. A new training in the folder begins a new history.

    A file that has grown beyond `most_lines` is thinned: of the kinds of which there are more than 1,000 lines, half
    stay, evenly spread over the steps.
    """

    def __init__(self, model_dir: str | Path, most_lines: int = MOST_LINES):
        """Writes nothing yet.

        Args:
            model_dir: where the file is.
            most_lines: beyond which it is thinned.
        """
        self.path = Path(model_dir) / HISTORY_NAME
        self._most_lines = most_lines
        self._waiting: list[Record] = []
        self._file: TextIO | None = None
        self._num_lines = 0

    def __enter__(self) -> "History":
        """Returns itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Closes the file."""
        self.close()

    def close(self) -> None:
        """Closes the file."""
        if self._file:
            self._file.close()
            self._file = None

    def __call__(self, event: events.Event) -> None:
        """Writes the line of an event; it is in the file when this returns.

        Raises:
            UserError: the file cannot be written.
        """
        record = event_record(event)
        if isinstance(event, events.Started):
            self._begin(event.first_step)
        if self._file is None:
            self._waiting.append(record)
            return
        records = [*self._waiting, record]
        self._waiting.clear()
        self._guarded(lambda: self._append(records))

    def _begin(self, first_step: int) -> None:
        kept = list(until_step(_records(self.path), first_step)) if first_step else []
        self._guarded(lambda: self._rewrite(kept))

    def _append(self, records: Sequence[Record]) -> None:
        assert self._file
        self._file.write("".join(map(_line, records)))
        self._file.flush()
        self._num_lines += len(records)
        if self._num_lines > self._most_lines:
            self._rewrite(thinned(_records(self.path)))

    def _rewrite(self, records: Sequence[Record]) -> None:
        self.close()
        write_text(self.path, "".join(map(_line, records)))
        self._file = self.path.open("a", encoding="utf-8")
        self._num_lines = len(records)

    def _guarded(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            with contextlib.suppress(OSError):
                self.close()
            self._file = None
            raise UserError(f"{self.path}: cannot be written: {reason(error)}. Check model_dir.") from None


def read_history(model_dir: str | Path) -> list[Record]:
    """Returns what `History` has written of a training, the oldest first, as `event_record` makes it.

    A line that is no JSON object, as a training leaves one that was killed while it wrote, is left out.

    Args:
        model_dir: of the training; it may go on meanwhile.

    Raises:
        UserError: there is no history.
    """
    path = Path(model_dir) / HISTORY_NAME
    if not path.is_file():
        raise UserError(
            f"{path}: there is no such file: {model_dir} holds no training, or one of an earlier version that kept no "
            "history. Name the model_dir of a training: easymtl train --pipeline_config ... --model_dir ..."
        )
    return list(_records(path))


def parsed(lines: Iterable[str]) -> Iterator[Record | None]:
    """Yields the record of each line that is not empty; None of one that is no event."""
    for line in filter(str.strip, lines):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        is_event = isinstance(record, dict) and isinstance(record.get("event"), str)
        yield record if is_event else None


def _line(record: Record) -> str:
    return json.dumps(record, allow_nan=False, separators=(",", ":")) + "\n"


def _records(path: Path) -> Iterator[Record]:
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        yield from filter(None, parsed(file))


def until_step(records: Iterable[Record], step: int) -> Iterator[Record]:
    """Yields the records up to a step: what was told behind the first one of a later step is of what is made anew.

    But for checkpoints: they are told when they are written, which may be some steps later.
    """
    is_behind = False
    for record in records:
        is_behind = is_behind or _step(record) > step
        if not is_behind or (record["event"] == "saved" and _step(record) <= step):
            yield record


def _step(record: Record) -> int:
    step = record.get("step")
    return step if isinstance(step, int) else -1


def thinned(records: Iterable[Record]) -> list[Record]:
    """Returns the records without every second one of the kinds of which there are many.

    The first and the last of a kind stay, and the others where there are fewest: evenly over the steps, whatever was
    thinned before.
    """
    records = list(records)
    # What has no step of its own, such as a note, is told at that of the record before it.
    steps = list(accumulate((max(_step(record), 0) for record in records), max))
    places: dict[str, list[int]] = {}
    for place, record in enumerate(records):
        places.setdefault(record["event"], []).append(place)
    kept: set[int] = set()
    for of_kind in places.values():
        kept.update(_half(of_kind, steps) if len(of_kind) > _FEW else of_kind)
    return [record for place, record in enumerate(records) if place in kept]


def _half(places: Sequence[int], steps: Sequence[int]) -> Iterator[int]:
    """Yields at most half of the places, evenly over the steps, and the last one."""
    apart = max((steps[places[-1]] - steps[places[0]]) / (len(places) / 2), 1)
    due = 0.0
    for place in places:
        if steps[place] >= due or place == places[-1]:
            yield place
            due = steps[place] + apart
