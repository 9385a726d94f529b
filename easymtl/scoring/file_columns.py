"""Columns of the data that are handed on beside scores: those that the config declares, and others that files have."""

from collections.abc import Sequence

from easymtl.data.fields import input_fields
from easymtl.data.sources import describe
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.pipeline_pb2 import Pipeline

_TYPES = (
    (("int", "uint"), DatasetConfig.INT64),
    (("float", "double", "halffloat", "decimal"), DatasetConfig.DOUBLE),
    (("bool",), DatasetConfig.BOOL),
)


def declare_columns(pipeline: Pipeline, paths: str, columns: Sequence[str], option: str) -> Pipeline:
    """Returns a config that declares the columns, too, with the types that the files have them in.

    Args:
        pipeline: the config; it stays as it is.
        paths: the data.
        columns: names; those that are declared stay as they are.
        option: what has named them, for a message.

    Raises:
        UserError: a column is neither declared nor in the files, or the files cannot be read.
    """
    declared = input_fields(pipeline.data_config)
    further = [name for name in dict.fromkeys(columns) if name not in declared]
    if not further:
        return pipeline
    found = dict(describe(paths, pipeline.data_config))
    has_names = pipeline.data_config.with_header or any(found.values())
    known = [*declared, *(name for name in found if has_names and name not in declared)]
    for name in further:
        if name not in known:
            others = "" if has_names else " Files that do not name their columns have no others."
            raise UserError(
                f'{option}: "{name}" is neither in data_config.input_fields nor a column of the files: there are '
                f"{quoted(known)}.{others}{did_you_mean(name, known)}"
            )
    wider = Pipeline()
    wider.CopyFrom(pipeline)
    for name in further:
        wider.data_config.input_fields.add(input_name=name, input_type=_field_type(found[name]))
    return wider


def columns_of_files(pipeline: Pipeline, paths: str) -> list[str]:
    """Returns the declared columns that the files have; of files that do not name theirs, all that are declared.

    Raises:
        UserError: the files cannot be read.
    """
    declared = list(input_fields(pipeline.data_config))
    found = describe(paths, pipeline.data_config)
    if not (pipeline.data_config.with_header or any(kind for _, kind in found)):
        return declared
    names = {name for name, _ in found}
    return [name for name in declared if name in names]


def _field_type(kind: str | None) -> int:
    """Returns the type that a column of a file is read as; CSV does not tell types, and is read as text."""
    for beginnings, field_type in _TYPES:
        if kind and kind.startswith(beginnings):
            return field_type
    return DatasetConfig.STRING
