"""Whether the files of an input are there, with the columns that have to be."""

from easymtl.data.fields import input_fields
from easymtl.data.paths import expand
from easymtl.data.sources import describe, partition_names
from easymtl.errors import UserError, quoted
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.synth import DATA_SETS

_SAMPLE_DATA = "samples/data/"


def require_files(*inputs: str | None) -> None:
    """Checks that there are files behind each input; before anything slow is done.

    Raises:
        UserError: there are none; for data of a sample config it says how they are made.
    """
    for paths in filter(None, inputs):
        try:
            expand(paths)
        except UserError as error:
            raise UserError(f"{error}{_how_to_make(paths)}") from None


def _how_to_make(paths: str) -> str:
    if not paths.startswith(_SAMPLE_DATA):
        return ""
    name = paths.removeprefix(_SAMPLE_DATA).split("/")[0]
    return f" Make it: easymtl synth {name}" if name in DATA_SETS else " samples/README.md tells how to get it."


def require_all_columns(paths: str, pipeline: Pipeline) -> None:
    """Checks that rows to be scored, which have no header to name their columns, have all of them, labels included.

    Raises:
        UserError: some are not there.
    """
    data = pipeline.data_config
    columns = describe(paths, data)
    file = expand(paths)[0]
    declared = set(input_fields(data)) - set(partition_names(file, data))
    if data.with_header or any(kind for _, kind in columns) or not 1 < len(columns) < len(declared):
        return
    raise UserError(
        f"{file.name}:1: {len(columns)} columns were found where data_config.input_fields declares "
        f"{len(declared)}. Without a header columns are known by their place, so all of them must be there, also those "
        f"that scoring does not read, such as the labels ({quoted(data.label_fields)}): leave those empty. Or begin "
        "the file with a header and set data_config.with_header: true."
    )
