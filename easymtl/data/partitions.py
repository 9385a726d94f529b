"""Columns that stand in the names of folders: `dt=2026-01-01/hour=07/part-0.parquet`, as Hive and Spark write them.

Such a value is a column of all rows below its folder where the config declares a field of that name: text, decoded as
in URLs, which becomes the declared type as CSV text does; an empty one, and `__HIVE_DEFAULT_PARTITION__`, is missing.
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from easymtl.data.convert import ALLOWED, parse_text
from easymtl.data.fields import DICTIONARY, Field
from easymtl.data.paths import DataFile
from easymtl.errors import UserError

_FOLDER = re.compile(r"^([^=]+)=(.*)$", re.DOTALL)
_MISSING = ("", "__HIVE_DEFAULT_PARTITION__")


def partition_texts(file: DataFile) -> dict[str, str | None]:
    """Returns the columns in the names of a file's folders, the inner ones first where two have one name."""
    found: dict[str, str | None] = {}
    for folder in file.path.split("/")[:-1]:
        match = _FOLDER.match(folder)
        if match:
            text = unquote(match[2])
            found[unquote(match[1])] = None if text in _MISSING else text
    return found


def partition_values(file: DataFile, fields: Iterable[Field]) -> dict[str, pa.Scalar]:
    """Returns the values of those fields that stand in the names of a file's folders, as declared.

    Raises:
        UserError: one is not of the declared type.
    """
    texts = partition_texts(file)
    return {field.name: _value(file, field, texts[field.name]) for field in fields if field.name in texts}


def _value(file: DataFile, field: Field, text: str | None) -> pa.Scalar:
    if field.type == pa.string():
        return pa.scalar(text, pa.string())
    values, bad = parse_text(pa.array([text], pa.string()), field.type)
    if len(bad):
        raise UserError(
            f'{file.name}: the folder "{field.name}={text}" is a column, and "{text}" is no {field.type_name} '
            f"({ALLOWED[field.type]}). Set its input_type in data_config.input_fields to STRING, or rename the folder."
        )
    return values[0]


def repeat(value: pa.Scalar, num_rows: int, field: Field) -> pa.Array:
    """Returns a column `[num_rows]` of one value, as a source yields it."""
    if field.type != pa.string():
        return pa.repeat(value, num_rows)
    indices = pa.repeat(pa.scalar(0 if value.is_valid else None, pa.int32()), num_rows)
    return pa.DictionaryArray.from_arrays(indices, pa.array([value.as_py() or ""])).cast(DICTIONARY)


def other_value(column: pa.Array, value: pa.Scalar) -> str | int | float | None:
    """Returns a value of a file's own column that is another one than that of its folder, or None.

    `7` is no other one than `07`, as folders are often padded, and a missing one is none.
    """
    values = column.dictionary if pa.types.is_dictionary(column.type) else column
    if not value.is_valid:
        return next((one for one in pc.unique(values.drop_null()).to_pylist()), None)
    wanted = value.as_py()
    return next((one for one in pc.unique(values.drop_null()).to_pylist() if not _is_same(one, wanted)), None)


def contradiction(place: str, field: Field, value: object) -> str:
    """Returns what to say of a row whose column is another one than its folder says."""
    return (
        f'{place}: column "{field.name}" holds "{value}", and the folder that the file is in says otherwise. '
        f"Move the file to its own folder, or rename the folder so that it begins with no {field.name}=."
    )


def _is_same(one: object, other: object) -> bool:
    if one == other:
        return True
    try:
        return float(str(one)) == float(str(other))
    except ValueError:
        return False
