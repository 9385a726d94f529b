"""What a data source is: a list of blocks that can be read in any order."""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from easymtl.data.fields import Field
from easymtl.data.paths import DataFile

# A text of a field that is declared STRING, or a number of any other.
Value = str | int | float


@dataclass(frozen=True)
class Block:
    """A piece of a file that can be read on its own.

    Attributes:
        file: the file it is in.
        start: where it starts: a byte of a CSV or TFRecord file, the number of a Parquet row group.
        size: its bytes in the file.
        num_rows: its rows, when that is known without reading it.
        is_stream: whether it must be read from its start on, as gzip files must, and holds many record batches.
    """

    file: DataFile
    start: int
    size: int
    num_rows: int | None = None
    is_stream: bool = False


@dataclass
class SkippedRows:
    """The rows that `data_config.ignore_error` left out.

    Attributes:
        count: how many; a row that is read again in another epoch counts again.
        examples: what was wrong with the first few.
    """

    count: int = 0
    examples: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    _here: threading.local = field(default_factory=threading.local, repr=False, compare=False)

    def add(self, problem: str | Callable[[], str], count: int = 1) -> None:
        """Counts rows that were skipped for the same problem, which is only asked for when it is shown."""
        with self._lock:
            self.count += count
            if len(self.examples) < 5:
                self.examples.append(problem if isinstance(problem, str) else problem())
        self._here.count = getattr(self._here, "count", 0) + count

    def place(self, rows_before: Iterable[int]) -> None:
        """Says of rows that this thread has added how many rows of their record batch come before each."""
        self._here.places = [*self.places, *map(int, rows_before)]

    @property
    def places(self) -> list[int]:
        """Returns what this thread has said by `place` since it last called `take`."""
        return getattr(self._here, "places", [])

    def shift(self, first: int, num_rows: int) -> None:
        """Puts `num_rows` rows before the places from number `first` on: their part is the second of a batch."""
        self._here.places = [*self.places[:first], *(place + num_rows for place in self.places[first:])]

    def take(self, num_rows: int) -> np.ndarray:
        """Returns the places, ascending, of all rows that this thread has added since the last call.

        Args:
            num_rows: rows of the record batch. Rows of an unknown place are spread evenly over them.
        """
        places, count = self.places, getattr(self._here, "count", 0)
        self._here.places, self._here.count = [], 0
        unknown = max(count - len(places), 0)
        spread = (2 * np.arange(unknown) + 1) * num_rows // max(2 * unknown, 1)
        return np.sort(np.concatenate([np.array(places, np.int64), spread]))


class Source:
    """Files of rows, cut into blocks, of which several may be read at a time, each by one thread.

    Attributes:
        fields: the columns that are read, by name, in order.
        blocks: the blocks in the order of the files.
        ignore_error: whether rows that cannot be used are left out and counted.
        skipped: those rows.
        paths: the input path as the user wrote it, for messages.
        uses_threads: whether Arrow reads the columns of a block in threads of its own, which costs a tenth more.
    """

    def __init__(self, fields: dict[str, Field], blocks: list[Block], ignore_error: bool = False):
        self.fields = fields
        self.blocks = blocks
        self.ignore_error = ignore_error
        self.skipped = SkippedRows()
        self.paths = ""
        self.uses_threads = True

    @property
    def schema(self) -> pa.Schema:
        """Returns the columns and types of every record batch."""
        return pa.schema([(one.name, one.column_type) for one in self.fields.values()])

    @property
    def num_rows(self) -> int | None:
        """Returns the number of rows if the files tell it, else None."""
        counts = [block.num_rows for block in self.blocks]
        return None if None in counts else sum(count or 0 for count in counts)

    @property
    def skipped_rows(self) -> int:
        """Returns how many rows that do not parse were left out (`data_config.ignore_error`)."""
        return self.skipped.count

    def warnings(self) -> list[str]:
        """Returns what is to be told of the rows read so far, beside those that were left out: a sentence each."""
        return []

    def has_warned(self, block: Block) -> bool:
        """Returns whether `warnings` tells of a block, which has been read."""
        return False

    def read(self, block: Block) -> Iterator[pa.RecordBatch]:
        """Yields the rows of a block in order, cut the same way each time.

        Raises:
            UserError: a row does not parse, or the file is gone or cut short.
        """
        raise NotImplementedError

    def find(self, block: Block, name: str, value: Value) -> str | None:
        """Returns where in a block a column first holds a value, such as `a.csv:17`, or None; for messages."""
        raise NotImplementedError
