"""What became of each part of data, as `model_dir/follow.jsonl` tells it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from easymtl.reporting.history import parsed

FILE = "follow.jsonl"
TRAINED = "part_trained"
TOLD = "part_told"
_NEEDED = {
    TRAINED: {"number", "part", "rows", "metrics", "counts", "labels", "scores"},
    TOLD: {"part", "what", "mark"},
}


def read_parts(model_dir: str | Path) -> list[Mapping[str, Any]]:
    """Returns what became of each part, in the order in which they were trained on, as `event_record` makes it.

    A model_dir that followed no data has none; a line that a killed process has cut is left out.
    """
    return [record for record in read_lines(Path(model_dir) / FILE) if record["event"] == TRAINED]


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yields all lines of the file that can be read: of parts that were trained on, and of what was told of others."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for record in parsed(file):
            if record and _NEEDED.get(record["event"], {""}) <= record.keys():
                yield record
