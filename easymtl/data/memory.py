"""Tables in memory under addresses that stand where paths of files do: `memory://train`."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa

from easymtl.data.table_digest import table_digest
from easymtl.errors import UserError, quoted

SCHEME = "memory://"

_held: dict[str, "HeldTable"] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class HeldTable:
    """A table in memory.

    Attributes:
        name: by which messages and checkpoints know it.
        table: its columns as far as they may be read.
        other_names: columns of what was given that nothing reads.
    """

    name: str
    table: pa.Table = field(compare=False)
    other_names: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> str:
        """Returns what tells its values from others, see `table_digest`."""
        return table_digest(self.table)


@contextmanager
def tables_as_paths(tables: Mapping[str, HeldTable]) -> Iterator[dict[str, str]]:
    """Yields an address for each table, which is a path of data until the block ends.

    Args:
        tables: by what the caller calls them.

    Example:
        with tables_as_paths({"train": HeldTable("train", table)}) as paths:
            open_source(paths["train"], data_config, ["user"])
    """
    with _lock:
        addresses = {}
        for key, held in tables.items():
            address = _free_address(held.name)
            _held[address] = held
            addresses[key] = address
    try:
        yield addresses
    finally:
        with _lock:
            for address in addresses.values():
                del _held[address]


def is_in_memory(part: str) -> bool:
    """Returns whether a path is the address of a table."""
    return part.startswith(SCHEME)


def held_table(address: str) -> HeldTable:
    """Returns the table of an address.

    Raises:
        UserError: there is none any more.
    """
    held = _held.get(address)
    if held is None:
        known = f" There are {quoted(_held)}." if _held else ""
        raise UserError(
            f'Input path "{address}": this was a table in the memory of the program that trained, and is not '
            f"here.{known} Name files in its place: with --input, or by train_input_path and eval_input_path "
            "(--set eval_input_path=...); in Python, give the data."
        )
    return held


def _free_address(name: str) -> str:
    """Returns an address that is not taken: two trainings of one program may each have a table of a name."""
    address, number = f"{SCHEME}{name}", 1
    while address in _held:
        number += 1
        address = f"{SCHEME}{name}-{number}"
    return address
