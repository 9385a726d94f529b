"""Made-up rows: the data of `input_type: DummyInput`, for measuring a training without its files."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
from pyarrow import fs

from easymtl.data.blocks import Block, Source, Value
from easymtl.data.fields import DICTIONARY, Field
from easymtl.data.paths import DataFile

_NUM_VALUES = 1000
_SEED = 20171
_PLACE = DataFile("made-up rows", "", fs.LocalFileSystem())


class MadeUpSource(Source):
    """One block of random rows, the same each time.

    A label is 0 or 1, or one of its texts. Any other column has up to 1,000 distinct values: whole numbers, their text,
    or decimal numbers below 1. They carry no meaning: a vocabulary knows hardly any, and no metric says anything.
    """

    def __init__(
        self, declared: Mapping[str, Field], columns: Sequence[str], labels: Mapping[str, Sequence[str]], num_rows: int
    ):
        """Draws the rows.

        Args:
            declared: the columns of the config by name.
            columns: those to make.
            labels: the texts of each label field, none where it holds numbers.
            num_rows: how many rows there are.
        """
        fields = {name: declared[name] for name in columns}
        random = np.random.default_rng(_SEED)
        arrays = [_column(field, labels.get(field.name), num_rows, random) for field in fields.values()]
        self._rows = pa.RecordBatch.from_arrays(arrays, names=list(fields))
        super().__init__(fields, [Block(_PLACE, 0, self._rows.nbytes, num_rows)])

    def read(self, block: Block) -> Iterator[pa.RecordBatch]:
        """Yields all rows."""
        yield self._rows

    def find(self, block: Block, name: str, value: Value) -> str | None:
        """Returns nothing: the rows are in no file."""
        return None


def _column(field: Field, texts: Sequence[str] | None, num_rows: int, random: np.random.Generator) -> pa.Array:
    is_label = texts is not None
    numbers = random.integers(0, len(texts or "01") if is_label else _NUM_VALUES, num_rows)
    if field.type == pa.string():
        values = pa.array(list(texts or ()) or [str(number) for number in range(_NUM_VALUES)])
        return pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), values).cast(DICTIONARY)
    if pa.types.is_boolean(field.type):
        return pa.array(numbers % 2 == 1)
    if pa.types.is_floating(field.type) and not is_label:
        return pa.array(numbers / _NUM_VALUES).cast(field.type)
    return pa.array(numbers).cast(field.type)
