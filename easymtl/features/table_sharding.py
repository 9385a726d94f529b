"""Whether the rows of tables are dealt out to workers; imports no TensorFlow."""

from easymtl.features.declarations import table_sizes
from easymtl.features.machine_memory import available_memory
from easymtl.features.memory import GPU_DEVICE, needs_of, tables_rule
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.train_pb2 import REPLICATED, SHARDED


def are_dealt_out(pipeline: Pipeline, num_workers: int) -> bool:
    """Returns whether the rows of tables are dealt out to so many workers: `train_config.table_sharding`.

    AUTO does it where tables and what the optimizer keeps for them take more than half of the memory that is available.
    """
    choice = pipeline.train_config.table_sharding
    if num_workers == 1 or choice == REPLICATED:
        return False
    available = available_memory()
    if choice == SHARDED or available is None or GPU_DEVICE.exists():
        return choice == SHARDED
    return 2 * needs_of(table_sizes(pipeline), tables_rule(pipeline)).total > available
