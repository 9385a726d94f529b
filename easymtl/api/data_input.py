"""Data as programs give it: paths of files, or tables in memory."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from easymtl.data.fields import input_fields
from easymtl.data.memory import HeldTable, tables_as_paths
from easymtl.data.tables import hold_table, is_table
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline

Data: TypeAlias = Any
"""A path or several, each a file, folder or glob; or a table of pandas, polars, pyarrow or another user of Arrow."""

_COMMA, _ESCAPED = ",", r"\,"


def held_tables(data: Mapping[str, Data], pipeline: Pipeline, further: Sequence[str] = ()) -> dict[str, HeldTable]:
    """Returns those of the data that are tables, with the columns that a config declares.

    Args:
        data: by its name; what is None or a path is left out.
        pipeline: declares columns.
        further: columns that are read, too.

    Raises:
        UserError: it is neither a path nor a table, or a column has values of several types.
    """
    wanted = {*input_fields(pipeline.data_config), *further}
    return {name: hold_table(one, name, wanted) for name, one in data.items() if one is not None and not is_path(one)}


def is_path(data: Data) -> bool:
    """Returns whether data is a path, or several."""
    if isinstance(data, (str, os.PathLike)):
        return True
    is_several = isinstance(data, (list, tuple)) and not is_table(data)
    return is_several and all(isinstance(one, (str, os.PathLike)) for one in data)


def as_path(data: Data) -> str:
    """Returns paths as the comma list that a config holds; a text is one already."""
    if isinstance(data, str):
        return data
    if isinstance(data, os.PathLike):
        return _one_path(data)
    if not data:
        raise UserError("The list of paths is empty. Name a file, a folder or a glob.")
    return _COMMA.join(map(_one_path, data))


def _one_path(path: str | os.PathLike) -> str:
    return os.fspath(path).replace(_COMMA, _ESCAPED) if isinstance(path, os.PathLike) else path


@contextmanager
def data_as_paths(
    data: Mapping[str, Data],
    pipeline: Pipeline,
    further: Sequence[str] = (),
    held: Mapping[str, HeldTable] | None = None,
) -> Iterator[dict[str, str]]:
    """Yields a path for each of the data that is there, until the block ends.

    Args:
        data: by its name; None is left out.
        pipeline: declares the columns of tables.
        further: columns that are read, too.
        held: tables that are taken where `data` has nothing of their name.
    """
    tables = {**(held or {}), **held_tables(data, pipeline, further)}
    paths = {name: as_path(one) for name, one in data.items() if one is not None and is_path(one)}
    with tables_as_paths({name: table for name, table in tables.items() if name not in paths}) as addresses:
        yield {**addresses, **paths}
