"""What a model finds, as pandas DataFrames."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from easymtl.api.data_input import Data, data_as_paths, is_path
from easymtl.data.fields import input_fields
from easymtl.data.memory import HeldTable, tables_as_paths
from easymtl.data.tables import hold_table, is_pandas
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.importance import Importance, Ranking
from easymtl.scoring.predictions import check_keep, scores_of
from easymtl.scoring.row_effects import RowEffect
from easymtl.scoring.scorer import Scorer
from easymtl.scoring.segments import Segment

# No column of anybody's has this name.
_ROW = "\0row"


def score_frame(pipeline: Pipeline, scorer: Scorer, data: Data, keep: Sequence[str]) -> pd.DataFrame:
    """Returns the kept columns and the scores of rows, see `Model.predict`.

    Raises:
        UserError: the data cannot be read, or a kept column does not exist.
    """
    check_keep(pipeline, keep)
    if is_path(data):
        with data_as_paths({"data": data}, pipeline) as paths:
            return scores_of(pipeline, scorer, paths["data"], keep).to_pandas()
    held = hold_table(data, "data", input_fields(pipeline.data_config))
    num_rows = held.table.num_rows
    # Of no rows there are no scores; a row of missing values tells which there would be.
    frame = _scores_of_table(pipeline, scorer, held if num_rows else _blank_row(held), keep).iloc[:num_rows]
    if is_pandas(data):
        frame.index = data.index
    return frame


def _blank_row(held: HeldTable) -> HeldTable:
    blank = pa.table({column.name: pa.nulls(1, column.type) for column in held.table.schema})
    return HeldTable(held.name, blank, held.other_names)


def _scores_of_table(pipeline: Pipeline, scorer: Scorer, held: HeldTable, keep: Sequence[str]) -> pd.DataFrame:
    """Returns a row for each of the table, also where the config leaves rows out that cannot be read."""
    if not pipeline.data_config.ignore_error:
        with tables_as_paths({"data": held}) as paths:
            return scores_of(pipeline, scorer, paths["data"], keep).to_pandas()
    numbered = Pipeline()
    numbered.CopyFrom(pipeline)
    numbered.data_config.input_fields.add(input_name=_ROW, input_type=DatasetConfig.INT64)
    places = np.arange(held.table.num_rows)
    with_rows = HeldTable(held.name, held.table.append_column(_ROW, pa.array(places)), held.other_names)
    with tables_as_paths({"data": with_rows}) as paths:
        frame = scores_of(numbered, scorer, paths["data"], [*keep, _ROW]).to_pandas()
    return frame.set_index(_ROW).reindex(places)


def ranking_frame(ranking: Ranking) -> pd.DataFrame:
    """Returns a ranking as it is, a row for each task and part."""
    names = list(Importance.__dataclass_fields__)
    return pd.DataFrame([[getattr(one, name) for name in names] for one in ranking.found], columns=names)


def effects_frame(found: Iterable[RowEffect]) -> pd.DataFrame:
    """Returns what moved the scores of rows, a row for each row, score and part."""
    names = list(RowEffect.__dataclass_fields__)
    return pd.DataFrame([[getattr(one, name) for name in names] for one in found], columns=names)


def segments_frame(found: Iterable[Segment]) -> pd.DataFrame:
    """Returns metrics by segment, a row each, with the ends of their 95% intervals."""
    names = ("column", "value", "rows", "task", "result", "metric")
    rows = [
        [
            *(getattr(one, name) for name in names),
            *(one.estimate.value, one.estimate.low, one.estimate.high, one.mean_label, one.mean_score),
        ]
        for one in found
    ]
    return pd.DataFrame(rows, columns=[*names, "estimate", "low", "high", "mean_label", "mean_score"])
