"""How a CSV file is written: what separates its columns, and what quotes them."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow.csv

from easymtl.config.rules.data import dialect_problems
from easymtl.errors import UserError
from easymtl.protos.data_pb2 import DatasetConfig

# Python's reader refuses fields of more than 128 KiB unless told otherwise; Arrow's has no such limit.
_MAX_FIELD_BYTES = 1 << 30


@dataclass(frozen=True)
class Dialect:
    """The two characters that a CSV file gives a meaning, beside line ends.

    Attributes:
        separator: one ASCII character.
        quote: one ASCII character, or empty where quotes are text like any other.
    """

    separator: str = ","
    quote: str = '"'

    @classmethod
    def of(cls, data_config: DatasetConfig) -> "Dialect":
        """Returns the dialect that a config declares.

        Raises:
            UserError: no file can be read so.
        """
        for field, text in dialect_problems(data_config):
            raise UserError(f"data_config.{field} {text}")
        return cls(data_config.separator, data_config.quote)

    def is_quoted(self, data: bytes) -> bool:
        """Returns whether a quote is in the text at all."""
        return bool(self.quote) and self.quote.encode() in data

    def reader(self, text: Iterable[str]) -> Any:
        """Returns Python's reader of the records in the lines of a text, a `_csv.reader`."""
        csv.field_size_limit(max(csv.field_size_limit(), _MAX_FIELD_BYTES))
        if not self.quote:
            return csv.reader(text, delimiter=self.separator, quotechar=None, quoting=csv.QUOTE_NONE)
        return csv.reader(text, delimiter=self.separator, quotechar=self.quote)

    def parse_options(self, data: bytes) -> pyarrow.csv.ParseOptions:
        """Returns what Arrow has to know to read `data`."""
        return pyarrow.csv.ParseOptions(
            delimiter=self.separator,
            quote_char=self.quote or False,
            double_quote=bool(self.quote),
            newlines_in_values=self.is_quoted(data),
        )
