"""Which rows of tables each worker has, and what that costs it, in words."""

import socket
from collections.abc import Mapping

import tensorflow as tf

from easymtl.features.embeddings import Embeddings
from easymtl.features.memory import size_text, why_saving_waits
from easymtl.features.table_sharding import are_dealt_out
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.ranker import Ranker
from easymtl.training.optimizers import Optimizers
from easymtl.training.traffic import told, traffic


def owners_of(pipeline: Pipeline, peers: Peers) -> Peers:
    """Returns the workers that the rows of the tables are dealt out to, as the chief decides for all of them."""
    is_sharded = peers.are_several and are_dealt_out(pipeline, peers.size)
    return peers if peers.share(is_sharded)[0] else ONE


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


def why_all_wait(pipeline: Pipeline, owners: Peers) -> str:
    """Returns why steps wait while a checkpoint is written, a sentence if a worker has no room for a copy, else "".

    Workers on one machine share its memory.

    Args:
        pipeline: the config.
        owners: the workers that the rows of the tables are dealt out to.
    """
    hosts = owners.share(socket.gethostname())
    found = owners.share(why_saving_waits(pipeline, owners.size, hosts.count(hosts[owners.index])))
    return next(filter(None, found), "")


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
