"""Which values of the data the rows of an embedding table stand for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from easymtl.data.rows import Rows
from easymtl.features.columns import text_tensor
from easymtl.features.combo_feature import ComboFeature
from easymtl.features.encoder import KEEP_PREFIX
from easymtl.features.expr_feature import ExprFeature
from easymtl.features.feature_set import FeatureSet
from easymtl.features.lookup_feature import LookupFeature
from easymtl.features.pieces import Bags, Ids, Piece
from easymtl.features.pieces import Sequence as History
from easymtl.features.sequence_feature import SequenceFeature
from easymtl.features.tag_feature import TagFeature
from easymtl.features.text import split
from easymtl.features.transform import Transform
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.feed import evaluation_feed

_OF_SEVERAL_FIELDS = (ComboFeature, ExprFeature, LookupFeature)


class RowValues(NamedTuple):
    """What a row of a table was looked up for.

    Attributes:
        value: the most frequent value that leads to the row, as a text.
        num_values: how many values lead to it: more than 1 for a bucket, or where values share a hash.
        frequency: how often any of them came.
    """

    value: str
    num_values: int
    frequency: int


def can_tell_values(transform: Transform) -> bool:
    """Returns whether a row of the feature's table can be told by values of one field."""
    return not isinstance(transform, _OF_SEVERAL_FIELDS)


def row_values(
    pipeline: Pipeline, features: FeatureSet, transform: Transform, paths: str, most_rows: int = 200_000
) -> dict[int, RowValues]:
    """Returns what the data have of each row of a feature's own table, the most frequent first.

    Of tags and histories it is what stands between their separators. Missing values have no row.

    Args:
        pipeline: says how to read the files.
        features: that the feature is one of.
        transform: the feature; `can_tell_values` of it.
        paths: of the data.
        most_rows: of which no more are read.

    Raises:
        UserError: the data cannot be read.
    """
    counts = _counted(pipeline, transform.inputs[0], paths, most_rows)
    values, numbers = _items(transform, list(counts), np.array(list(counts.values())))
    found: dict[int, Counter[str]] = {}
    is_single, ids = _rows(transform.per_value(0, features.filled(transform.inputs[0], values)))
    ids = features.growing.rows_of(transform.feature_name, ids)
    texts = (values if values.dtype == tf.string else tf.strings.as_string(values)).numpy()
    for text, row, number in zip(texts[is_single], ids, numbers[is_single]):
        if row >= 0:
            found.setdefault(int(row), Counter())[text.decode("utf-8", "replace")] += int(number)
    rows = {row: RowValues(of.most_common(1)[0][0], len(of), of.total()) for row, of in found.items()}
    return dict(sorted(rows.items(), key=lambda item: -item[1].frequency))


class _Column:
    """Reads one field, and makes nothing of it."""

    items: Sequence[str] = ()

    def __init__(self, field: str):
        self.fields = [field]

    def __call__(self, batch: pa.RecordBatch) -> Rows:
        """Returns the column under the name that kept ones have."""
        return Rows({KEEP_PREFIX + self.fields[0]: batch.column(self.fields[0])})


def _counted(pipeline: Pipeline, field: str, paths: str, most_rows: int) -> Counter[str | float | int | bool]:
    """Returns how often each value comes in the first rows; null is left out."""
    counts: Counter[str | float | int | bool] = Counter()
    num_rows = 0
    with evaluation_feed(pipeline, _Column(field), paths) as feed:
        for batch in feed:
            column = batch.rows.columns[KEEP_PREFIX + field]
            assert isinstance(column, pa.Array)
            for entry in pc.value_counts(column.drop_null()).to_pylist():
                counts[entry["values"]] += entry["counts"]
            num_rows += batch.rows.num_rows
            if num_rows >= most_rows:
                break
    return counts


def _items(transform: Transform, values: list, numbers: np.ndarray) -> tuple[tf.Tensor, np.ndarray]:
    """Returns the distinct values that are looked up one by one, and how often each of them comes."""
    if not values or not isinstance(values[0], str):
        return tf.constant(np.array(values)), numbers
    column = text_tensor(pa.array(values, pa.string()))
    separators = ""
    if isinstance(transform, TagFeature | SequenceFeature):
        separators = transform.feature.separator + transform.feature.seq_multi_sep
    if not separators:
        return column, numbers
    parts = split(column, separators)
    texts = parts.pieces.texts()
    if transform.feature.kv_separator:
        texts = tf.strings.split(texts, transform.feature.kv_separator, maxsplit=1).to_tensor("", [None, 2])[:, 0]
    distinct, places = np.unique(texts.numpy().astype(object), return_inverse=True)
    counts = np.bincount(places, weights=numbers[parts.rows.numpy()], minlength=len(distinct))
    return tf.constant(distinct.tolist(), tf.string), counts.astype(np.int64)


def _rows(piece: Piece) -> tuple[np.ndarray, np.ndarray]:
    """Returns which values lead to one row, booleans `[n]`, and the rows of these."""
    if isinstance(piece, History):
        lengths, piece = piece.lengths.numpy(), piece.steps
        if isinstance(piece, Bags) and not (lengths == 1).all():
            return np.zeros(len(lengths), bool), np.zeros(0, np.int64)
        lengths = piece.lengths.numpy() if isinstance(piece, Bags) else lengths
    elif isinstance(piece, Bags):
        lengths = piece.lengths.numpy()
    else:
        assert isinstance(piece, Ids), piece
        lengths = np.ones(len(piece.ids), np.int64)
    assert isinstance(piece, Bags | Ids), piece
    is_single = lengths == 1
    return is_single, piece.ids.numpy()[np.repeat(is_single, lengths)]


def names_of_rows(values: Mapping[int, RowValues]) -> dict[int, str]:
    """Returns a name for each row: its most frequent value, and of how many others it is."""
    return {
        row: one.value if one.num_values == 1 else f"{one.value} and {one.num_values - 1:,} more"
        for row, one in values.items()
    }
