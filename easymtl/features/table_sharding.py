"""Whether the rows of tables are dealt out to workers; imports no TensorFlow."""

from collections.abc import Sequence

from easymtl.features.declarations import table_sizes
from easymtl.features.memory import tables_rule
from easymtl.features.memory_needs import Table, TableRule, needs_of
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.train_pb2 import REPLICATED, SHARDED


def are_dealt_out(pipeline: Pipeline, num_workers: int, available: int | None, is_training: bool = True) -> bool:
    """Returns whether the rows of tables are dealt out to so many workers: `train_config.table_sharding`.

    Args:
        pipeline: the config.
        num_workers: how many there are.
        available: bytes of memory that a worker may take, for AUTO; None where nobody knows, and where tables are on a
            GPU.
        is_training: whether there is an optimizer, which keeps something for them.
    """
    choice = pipeline.train_config.table_sharding
    if num_workers == 1 or choice == REPLICATED:
        return False
    return choice == SHARDED or are_too_much(
        table_sizes(pipeline), tables_rule(pipeline) if is_training else None, available
    )


def are_too_much(tables: Sequence[Table], rule: TableRule | None, available: int | None) -> bool:
    """Returns whether AUTO deals tables out: with what the optimizer keeps for them they take more than half.

    Args:
        tables: of a model.
        rule: what their optimizer keeps; None where there is none.
        available: bytes, of which nothing is said where it is None.
    """
    return available is not None and 2 * needs_of(tables, rule).total > available
