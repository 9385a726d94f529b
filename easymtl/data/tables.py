"""Tables of pandas, polars, Arrow and whatever else speaks Arrow's C interface, as Arrow tables."""

import sys
from collections.abc import Collection, Sequence
from typing import Any

import pyarrow as pa

from easymtl.data.memory import HeldTable
from easymtl.errors import UserError, quoted

_INTERFACES = ("__arrow_c_stream__", "__arrow_c_array__")
_REFUSALS = (pa.ArrowException, TypeError, ValueError)


def is_table(data: object) -> bool:
    """Returns whether something is a table in memory, rather than a path."""
    return isinstance(data, pa.Table) or any(hasattr(data, name) for name in _INTERFACES)


def hold_table(data: Any, name: str, wanted: Collection[str] | None = None) -> HeldTable:
    """Returns a table with those columns that may be read; numbers and texts are not copied where Arrow can avoid it.

    The index of a pandas DataFrame is no column. NaN of pandas is a missing value, as it is when pandas writes Parquet.

    Args:
        data: a DataFrame of pandas or polars, a table or record batch of Arrow, or what else has `__arrow_c_stream__`.
        name: by which messages know it.
        wanted: the columns that may be read, None for all; what the others hold does not matter.

    Raises:
        UserError: it is no table, or a wanted column has values of several types.
    """
    if is_pandas(data):
        names = [str(column) for column in data.columns]
        places = _places(names, wanted, name)
        own = [names[place] for place in places]
        columns = [_of_series(data.iloc[:, place], names[place], name) for place in places]
        return HeldTable(name, pa.table(columns, names=own), _others(names, own))
    if not is_table(data):
        raise UserError(
            f'"{name}": {type(data).__module__}.{type(data).__qualname__} is no table. Give a DataFrame of pandas or '
            "polars, a table of pyarrow, or what else has __arrow_c_stream__ (a LazyFrame has after collect()); or "
            "paths of files."
        )
    try:
        table = data if isinstance(data, pa.Table) else pa.table(data)
    except _REFUSALS as error:
        raise UserError(f'table "{name}": Arrow cannot read it: {error}') from None
    places = _places(table.column_names, wanted, name)
    own = [table.column_names[place] for place in places]
    columns = [_readable(table.column(place)) for place in places]
    return HeldTable(name, pa.table(columns, names=own), _others(table.column_names, own))


def is_pandas(data: object) -> bool:
    """Returns whether something is a DataFrame of pandas; asking does not import pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(data, pandas.DataFrame)


def _places(names: Sequence[str], wanted: Collection[str] | None, name: str) -> list[int]:
    """Returns the places of the wanted columns."""
    wanted = names if wanted is None else wanted
    twice = [column for column in dict.fromkeys(names) if column in wanted and names.count(column) > 1]
    if twice:
        raise UserError(f'table "{name}": has several columns of the name {quoted(twice)}. Rename all but one.')
    return [place for place, column in enumerate(names) if column in wanted]


def _others(names: Sequence[str], own: Sequence[str]) -> tuple[str, ...]:
    return tuple(column for column in names if column not in set(own))


def _of_series(series: Any, column: str, name: str) -> pa.ChunkedArray:
    try:
        array = pa.Array.from_pandas(series)
    except _REFUSALS as error:
        raise UserError(
            f'table "{name}": column "{column}" has values of several types, or of one that Arrow does not know: '
            f"{_sentence(error)} Convert it first, for example by astype(str)."
        ) from None
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def _readable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Returns a column without views, of which Arrow makes no dictionaries."""
    kind = _without_views(column.type)
    return column if kind == column.type else column.cast(kind)


def _without_views(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, _without_views(kind.value_type), kind.ordered)
    if pa.types.is_list(kind) or pa.types.is_list_view(kind):
        return pa.list_(_without_views(kind.value_type))
    if pa.types.is_large_list(kind) or pa.types.is_large_list_view(kind):
        return pa.large_list(_without_views(kind.value_type))
    if kind == pa.string_view():
        return pa.large_string()
    return pa.large_binary() if kind == pa.binary_view() else kind


def _sentence(error: Exception) -> str:
    return f"{str(error).strip().rstrip('.')}."
