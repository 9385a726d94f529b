"""Which rows of tables each worker has, and what that costs it, in words."""

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

from easymtl.features.declared_variable import empty
from easymtl.features.embeddings import Embeddings
from easymtl.features.least_room import least_room
from easymtl.features.machine_memory import size_text
from easymtl.features.memory import are_on_gpu, require_training_memory, why_saving_waits
from easymtl.features.table_sharding import are_dealt_out
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.ranker import Ranker
from easymtl.training.optimizers import Optimizers
from easymtl.training.traffic import told, traffic


class TableLayout(NamedTuple):
    """Where the rows of tables are.

    Attributes:
        owners: the workers that they are dealt out to; `ONE` where each worker has all of them.
        saving_waits: why steps wait while a checkpoint is written; empty if they do not.
    """

    owners: Peers
    saving_waits: str


def settle_layout(pipeline: Pipeline, peers: Peers) -> TableLayout:
    """Decides who has which rows of tables, the same on all workers, and checks that each has room for them.

    All decide by the least memory that any of them finds.

    Args:
        pipeline: the config.
        peers: the workers, all of which have to ask.

    Raises:
        UserError: the tables do not fit in memory.
    """
    room = least_room(peers)
    owners = peers if are_dealt_out(pipeline, peers.size, None if are_on_gpu(pipeline) else room.available) else ONE
    require_training_memory(pipeline, owners.size, room)
    return TableLayout(owners, why_saving_waits(pipeline, owners.size, room))


def give_up_tables(embeddings: Embeddings, optimizers: Optimizers) -> None:
    """Frees the memory of tables and of what their optimizer keeps; nothing can be looked up or trained any more."""
    for table in embeddings.variables_by_width.values():
        average = optimizers.average_of(table)
        averages = [part for part in (average.value, average.updated_at) if part is not None] if average else []
        for variable in (table, *optimizers.slots_of(table).values(), *averages):
            empty(variable)


def layout_text(embeddings: Embeddings, optimizers: Optimizers, peers: Peers) -> str:
    """Returns what this worker has of the tables, a sentence or two."""
    variables = list(embeddings.variables_by_width.values())
    held = [variable for table in variables for variable in (table, *optimizers.slots_of(table).values())]
    size = size_text(sum(variable.shape.num_elements() * variable.dtype.size for variable in held))
    num_rows = sum(variable.shape[0] for variable in variables)
    if not embeddings.are_dealt_out:
        return f"Each of the {peers.size} workers has all {num_rows:,} rows of the tables, {size} with optimizer slots."
    num_all = sum(embeddings.feature_set.rows_by_width.values())
    return (
        f"Of the {num_all:,} rows of the tables this worker ({peers.index} of {peers.size}) has {num_rows:,}, {size} "
        "with optimizer slots."
    )


def traffic_text(ranker: Ranker, batch: Mapping[str, tf.Tensor], peers: Peers) -> str:
    """Returns what this worker sends and receives in a step, a sentence, given its first batch."""
    embeddings = ranker.embeddings
    distinct = embeddings.num_distinct(batch)
    dense = sum(variable.shape.num_elements() for variable in ranker.dense_variables)
    found = traffic(dense, distinct, peers.size, embeddings.are_dealt_out)
    return (
        f"A step sends about {told(found.sent)} from each worker and brings {told(found.received)}: "
        f"{sum(distinct.values()):,} distinct rows in its first batch, and {dense:,} dense weights."
    )
