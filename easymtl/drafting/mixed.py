"""Files with other types than those of the first one: nulls alone, 32 bits beside 64, whole beside decimal."""

from collections.abc import Iterable

import pyarrow as pa

from easymtl.data.column_types import plain_type
from easymtl.data.parquet import open_parquet
from easymtl.data.paths import DataFile
from easymtl.errors import UserError


def common_types(first: DataFile, schema: pa.Schema, files: Iterable[DataFile]) -> dict[str, pa.DataType]:
    """Returns a type for each column of the first file that holds its values in all files.

    Args:
        first: the file that says which columns there are.
        schema: of that file.
        files: all of them; empty ones say nothing.

    Raises:
        UserError: a column is of two kinds, such as numbers and texts.
    """
    types = {one.name: one.type for one in schema}
    holders = dict.fromkeys(types, first)
    for file in files:
        if file == first or not file.size:
            continue
        with open_parquet(file) as opened:
            others = opened.schema_arrow
        for name in set(types) & set(others.names):
            found = others.types[others.names.index(name)]
            if found == types[name]:
                continue
            common = _common(types[name], found)
            if common is None:
                raise UserError(
                    f'{file.name}: "{name}" holds {found}, and {types[name]} in {holders[name].name}. Write both files '
                    "with one type."
                )
            if pa.types.is_null(types[name]):
                holders[name] = file
            types[name] = common
    return types


def _common(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Returns a type for the values of two, None where there is none."""
    one, other = plain_type(one), plain_type(other)
    if one == other:
        return one
    try:
        return pa.unify_schemas(
            [pa.schema([("x", one)]), pa.schema([("x", other)])], promote_options="permissive"
        ).types[0]
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None
