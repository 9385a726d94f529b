"""How large the model of a config is, without its tables, and how many of their rows a batch touches."""

from collections.abc import Sequence
from itertools import islice

import numpy as np
import tensorflow as tf

from easymtl.config import view
from easymtl.config.input_groups import input_groups
from easymtl.data.rows import Rows
from easymtl.errors import UserError
from easymtl.features.declarations import declared_features, find_feature, growing_settings, table_sizes
from easymtl.features.embeddings import Embeddings
from easymtl.features.encoder import to_tensors
from easymtl.features.memory import WINDOW_BYTES, tables_rule
from easymtl.features.memory_needs import NUM_SLOTS, TableRule
from easymtl.layers.context import Parameter
from easymtl.peers.dealing import Dealing
from easymtl.peers.peers import ONE, Peers
from easymtl.planning.layouts import Size
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.ranker import Ranker
from easymtl.training.balancing.choice import make_descent
from easymtl.training.inputs import TrainingInput

SAMPLED_BATCHES = 5


class _NoTables(Embeddings):
    """Knows which rows a batch touches, and holds none."""

    def __init__(self, feature_set):
        tf.Module.__init__(self)
        self.feature_set = feature_set
        self._columns = list(feature_set.layout.columns.values())
        self.variables_by_width: dict[str, tf.Variable] = {}
        self._peers = ONE
        self._dealings: dict[int, Dealing] = {}

    def parameters(self) -> dict[str, Parameter]:
        """Returns none."""
        return {}

    def distinct(self, tensors: dict[str, np.ndarray]) -> dict[int, int]:
        """Returns how many rows of each width a batch touches."""
        found: dict[int, list[np.ndarray]] = {}
        for columns in self._columns:
            ids = columns.ids({name: tf.constant(value) for name, value in tensors.items()})
            if columns.has_table and ids is not None:
                found.setdefault(columns.width, []).append(ids.numpy())
        return {width: _num_distinct(parts) for width, parts in found.items()}


class TablelessRanker(Ranker):
    """A model whose tables are not there, whatever their size: for counting its weights, and for reading its data."""

    def make_embeddings(self, seed: int, owners: Peers = ONE, draws: bool = True) -> Embeddings:
        """Returns no tables."""
        return _NoTables(self.feature_set)


def size_of(pipeline: Pipeline) -> Size:
    """Returns the size of a model; its rows of a batch are those of the first batches of the training data.

    Whether its tables are on the host is told as if a device computed. Where the data cannot be read, the rows of a
    batch are bounded from above.

    Raises:
        UserError: the config is wrong.
    """
    ranker = TablelessRanker(pipeline)
    descent = make_descent(pipeline, ranker)
    dense = sum(variable.shape.num_elements() for variable in [*ranker.dense_variables, *descent.trained])
    distinct, source = _sampled(pipeline, ranker)
    return Size(
        dense=dense,
        dense_rule=_dense_rule(pipeline),
        tables=table_sizes(pipeline),
        table_rule=tables_rule(pipeline),
        distinct=distinct,
        batch_size=pipeline.data_config.batch_size,
        window=WINDOW_BYTES,
        distinct_source=source,
        growing=tuple(growing_settings(pipeline).values()),
        are_tables_on_host=pipeline.feature_config.embedding_on_cpu,
    )


def _dense_rule(pipeline: Pipeline) -> TableRule:
    config = pipeline.train_config.optimizer_config[-1]
    return TableRule(NUM_SLOTS[str(config.WhichOneof("optimizer"))], True, config.use_moving_average)


def _sampled(pipeline: Pipeline, ranker: Ranker) -> tuple[dict[int, float], str]:
    """Returns the rows of a batch by width, and where the numbers are from."""
    try:
        batches = _first_batches(pipeline, ranker)
    except UserError as error:
        why = str(error).splitlines()[0].rstrip(".")
        return bound(pipeline), f"an upper bound: the training data cannot be read: {why}"
    assert isinstance(ranker.embeddings, _NoTables)
    counts = [ranker.embeddings.distinct(to_tensors(_with_rows(ranker, rows))) for rows in batches]
    widths = sorted({width for found in counts for width in found})
    # A short batch, of data that have no more rows, stands for as many rows as it has.
    distinct = {width: float(np.mean([found.get(width, 0) for found in counts])) for width in widths}
    num_rows = sum(rows.num_rows for rows in batches)
    data = view.train_input(pipeline) or "DummyInput"
    source = f"{num_rows:,} rows of {data} in {len(batches)} batches as training makes them"
    if batches[0].num_rows < pipeline.data_config.batch_size:
        source += f"; there are fewer rows than data_config.batch_size {pipeline.data_config.batch_size:,}"
    return distinct, source


def _with_rows(ranker: Ranker, rows: Rows) -> Rows:
    """Returns a batch whose ids of growing tables have got rows, as a training that begins gives them."""
    growing = ranker.feature_set.growing
    placed = growing.assign(rows)
    growing.keep()
    return placed


def _first_batches(pipeline: Pipeline, ranker: Ranker) -> list[Rows]:
    with TrainingInput(pipeline, ranker, None).feed as feed:
        batches = [batch.rows for batch in islice(feed, SAMPLED_BATCHES)]
    whole = [rows for rows in batches if rows.num_rows == pipeline.data_config.batch_size]
    return whole or batches[:1]


def _num_distinct(parts: Sequence[np.ndarray]) -> int:
    ids = np.unique(np.concatenate([part.reshape(-1) for part in parts]))
    return int(np.count_nonzero(ids >= 0))


def bound(pipeline: Pipeline) -> dict[int, float]:
    """Returns how many rows of each width a batch touches at most.

    A feature touches no more rows than its table has, and than the batch has ids: one for each row of the data, or as
    many as a history or a list may have. A list without a limit may touch its whole table.
    """
    batch_size = pipeline.data_config.batch_size
    ids = _most_ids(pipeline)
    found: dict[int, float] = {}
    for table in table_sizes(pipeline):
        per_row = ids[table.name]
        rows = table.rows if per_row is None else min(table.rows, batch_size * per_row)
        found[table.width] = found.get(table.width, 0.0) + rows
    return dict(sorted(found.items()))


def _most_ids(pipeline: Pipeline) -> dict[str, int | None]:
    """Returns the most ids that a row of the data has for each table, by its name; None where nothing limits them."""
    declared = declared_features(pipeline)
    found: dict[str, int | None] = {}
    for group in input_groups(pipeline):
        if group.is_plain:
            continue
        owners = [(name, "") for name in view.group_feature_names(group.config)]
        owners += [(name, "attention/") for name in view.attention_feature_names(group.config)]
        for name, place in owners:
            feature = group.feature(find_feature(declared, name, group.config.group_name))
            table = feature.embedding_name or f"{group.name}/{place}{view.feature_name(feature)}"
            own, before = _ids_of(feature), found.get(table, 0)
            found[table] = None if own is None or before is None else own + before
    return found


def _ids_of(feature: FeatureConfig) -> int | None:
    kinds = FeatureConfig.FeatureType
    if feature.feature_type == kinds.TagFeature:
        return None
    if feature.feature_type == kinds.SequenceFeature:
        return int(feature.max_seq_len) or None
    return 1
