"""Fields that are constants where rows are scored, `serving_value`; no TensorFlow."""

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import pyarrow as pa

from easymtl.config import view
from easymtl.config.parallel_histories import parallel_histories
from easymtl.data.convert import serving_scalar
from easymtl.data.fields import DICTIONARY, input_fields
from easymtl.errors import UserError, quoted
from easymtl.features.side_by_side import num_steps
from easymtl.protos.pipeline_pb2 import Pipeline


def constant_column(value: pa.Scalar, num_rows: int) -> pa.Array:
    """Returns a column `[num_rows]` that holds one value, as a source would yield it."""
    if pa.types.is_string(value.type):
        texts = pa.DictionaryArray.from_arrays(np.zeros(num_rows, np.int32), pa.array([value.as_py()]))
        return texts.cast(DICTIONARY)
    return pa.repeat(value, num_rows)


def require_servable(pipeline: Pipeline, fields: Collection[str], constants: Collection[str]) -> None:
    """Checks that rows can be scored with the constants in place of their fields.

    Args:
        pipeline: declares the fields.
        fields: those that features read.
        constants: those of them that have a `serving_value`.

    Raises:
        UserError: a request would have no input, or histories that are read side by side would not be equally long.
    """
    if fields and len(constants) == len(fields):
        raise UserError(
            f"data_config.input_fields: all fields that features read ({quoted(fields)}) have a serving_value, so that "
            "all rows would have the same scores. Remove it from those that a request can hold."
        )
    for problem in uneven_constants(pipeline) if constants else ():
        raise UserError(problem)


def uneven_constants(pipeline: Pipeline) -> Iterator[str]:
    """Yields a sentence for histories that are read side by side and would have unequal lengths in a request."""
    texts = _texts(pipeline)
    declared = {view.feature_name(feature): feature for feature in view.features_in_groups(pipeline)}
    for names in parallel_histories(pipeline):
        steps = {
            name: num_steps(declared[name], texts[field]) if field in texts else None
            for name in names
            for field in declared[name].input_names[:1]
        }
        if len(set(steps.values())) > 1:
            shown = ", ".join(
                f'"{name}" {"as many as a request holds" if number is None else number}'
                for name, number in steps.items()
            )
            yield (
                "data_config.input_fields: with their serving_value, histories that are read side by side have "
                f"unequal numbers of steps ({shown}). Give each of them a serving_value of equally many steps, or none."
            )


def _texts(pipeline: Pipeline) -> Mapping[str, str]:
    scalars = {name: serving_scalar(field) for name, field in input_fields(pipeline.data_config).items()}
    return {name: str(one.as_py()) for name, one in scalars.items() if one is not None}
