"""What `AUTO` has come to before, by machine and network: a small file of JSON for each, in the cache of the user."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from easymtl.checkpoints.publishing import write_text
from easymtl.config.user_cache import user_cache
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.train_pb2 import TrainConfig
from easymtl.tasks.ranker import Ranker

_MOST_BYTES = 1 << 12
_CHOICES = ("FLOAT32", "BFLOAT16")


@dataclass(frozen=True)
class PrecisionMemory:
    """The file of one network on one machine.

    Attributes:
        path: where it is, or would be.
    """

    path: Path

    def recall(self) -> tuple[TrainConfig.MixedPrecision, str] | None:
        """Returns what was measured before, and why it was chosen; None where there is nothing, or nothing whole."""
        try:
            record = json.loads(self.path.read_bytes()[:_MOST_BYTES])
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(record, dict):
            return None
        choice, reason = record.get("choice"), record.get("reason")
        if choice not in _CHOICES or not isinstance(reason, str) or not reason.isprintable():
            return None
        said = f"{reason} (measured before; delete {self.path} to measure again)"
        return TrainConfig.MixedPrecision.Value(choice), said

    def keep(self, choice: TrainConfig.MixedPrecision, reason: str) -> None:
        """Writes down what was measured; where that is not possible, the next training measures again."""
        record = {"choice": TrainConfig.MixedPrecision.Name(choice), "reason": reason}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_text(self.path, json.dumps(record) + "\n")
        except OSError:
            return


def memory_of(
    pipeline: Pipeline, ranker: Ranker, machine: str, environ: Mapping[str, str] = os.environ
) -> PrecisionMemory:
    """Returns the memory of all that decides how long a batch takes in either precision.

    Args:
        pipeline: the config: its model, its batch size, and the threads that it gives TensorFlow.
        ranker: its model; the shapes of the weights are those of the network with its inputs.
        machine: text that is another for another machine.
        environ: says where the cache of the user is.
    """
    settings = pipeline.train_config
    threads = (settings.inter_op_parallelism_threads, settings.intra_op_parallelism_threads)
    shapes = [tuple(variable.shape) for variable in ranker.dense_variables]
    model = pipeline.model_config.SerializeToString(deterministic=True).hex()
    parts = [machine, tf.__version__, pipeline.data_config.batch_size, threads, shapes, model]
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
    return PrecisionMemory(user_cache(environ) / "precision" / f"{digest}.json")
