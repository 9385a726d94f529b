"""The precision that a model computes in, and what `AUTO` comes to."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.train_pb2 import TrainConfig
from easymtl.tasks.ranker import Ranker

_DTYPES = {TrainConfig.FLOAT32: tf.float32, TrainConfig.BFLOAT16: tf.bfloat16}

MIN_OPERATIONS = 2e8
"""Operations of a step's products below which they are not what a step costs: 2 ms of one slow core."""

_CLEARLY_FASTER = 0.9
_ROUNDS = 5
_DECIDED = (0.7, 1.2)
"""A ratio beyond these needs no further rounds: no noise turns it round."""


@dataclass(frozen=True)
class Precision:
    """What a training computes in.

    Attributes:
      choice: never `AUTO`.
      reason: why, in words for the user; empty where the config has said it.
    """

    choice: TrainConfig.MixedPrecision
    reason: str = ""

    @property
    def name(self) -> str:
        """Returns its name in the config."""
        return TrainConfig.MixedPrecision.Name(self.choice)


def resolve_precision(pipeline: Pipeline, ranker: Ranker) -> Precision:
    """Returns the precision of training, `AUTO` replaced by what is faster for this network on this machine.

    bfloat16 is tried where matrix products have instructions for it (AMX or AVX512-BF16 on a processor, compute
    capability 8 or more on every GPU) and the network has enough of them. The network then goes forward and backward
    over a made-up batch in both precisions, and bfloat16 has to be clearly faster: float32 is what no one regrets.

    Args:
      pipeline: the config.
      ranker: its model; neither its weights nor its statistics move.
    """
    choice = pipeline.train_config.mixed_precision
    if choice != TrainConfig.AUTO:
        return Precision(choice)
    if not _has_bfloat16():
        return Precision(TrainConfig.FLOAT32, "this machine has no instructions for bfloat16")
    batch_size = pipeline.data_config.batch_size
    operations = 6 * batch_size * sum(variable.shape.num_elements() for variable in ranker.dense_variables)
    if operations < MIN_OPERATIONS:
        return Precision(TrainConfig.FLOAT32, "the network is so small that casts would cost more than they save")
    full, half = network_seconds(pipeline, ranker, batch_size)
    is_faster = half < _CLEARLY_FASTER * full
    return Precision(
        TrainConfig.BFLOAT16 if is_faster else TrainConfig.FLOAT32,
        f"the network takes {1e3 * half:.0f} ms in bfloat16 and {1e3 * full:.0f} ms in float32 for a batch, "
        "forward and backward",
    )


def network_seconds(pipeline: Pipeline, ranker: Ranker, batch_size: int) -> tuple[float, float]:
    """Returns the seconds that the network takes for a batch, forward and backward, in float32 and in bfloat16.

    Tables, losses and optimizer are left out: they are float32 either way.
    """
    model = ranker.make_model(pipeline, Build(seed=pipeline.train_config.seed))
    groups = {
        name: tf.random.stateless_normal([batch_size, width], [0, index])
        for index, (name, width) in enumerate(ranker.embeddings.group_widths().items())
    }
    passes = [_forward_and_backward(model, groups, dtype) for dtype in (tf.float32, tf.bfloat16)]
    for run in passes:
        run()
    rounds: list[list[float]] = []
    while len(rounds) < _ROUNDS and not _is_decided(rounds):
        rounds.append([_seconds(run) for run in passes])
    full, half = (statistics.median(times) for times in zip(*rounds))
    return full, half


def _is_decided(rounds: Sequence[Sequence[float]]) -> bool:
    """Returns whether two rounds or more, each of seconds in float32 and in bfloat16, all say the same clearly."""
    ratios = [half / full for full, half in rounds]
    return len(rounds) > 1 and (max(ratios) < _DECIDED[0] or min(ratios) > _DECIDED[1])


def _forward_and_backward(model: tf.Module, groups: dict[str, tf.Tensor], dtype: tf.DType) -> Callable[[], tf.Tensor]:
    @tf.function(autograph=False)
    def run(inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        call = Call(training=True, dtype=dtype, seed=tf.zeros([2], tf.int64))
        sources = [*model.trainable_variables, *inputs.values()]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(sources)
            logits = tf.add_n([tf.nn.l2_loss(tf.cast(value, tf.float32)) for value in model(inputs, call).values()])
        gradients = tape.gradient(logits, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return tf.linalg.global_norm(gradients)

    return lambda: run(groups)


def _seconds(run: Callable[[], tf.Tensor]) -> float:
    begin = time.perf_counter()
    run().numpy()
    return time.perf_counter() - begin


def dtype_of(precision: TrainConfig.MixedPrecision) -> tf.DType:
    """Returns the type that activations and matrix products have."""
    return _DTYPES[precision]


def _has_bfloat16() -> bool:
    gpus = tf.config.list_physical_devices("GPU")
    return all(_compute_capability(gpu) >= (8, 0) for gpu in gpus) if gpus else _processor_has_bfloat16()


def _compute_capability(gpu: tf.config.PhysicalDevice) -> tuple[int, int]:
    return tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))


def _processor_has_bfloat16() -> bool:
    information = Path("/proc/cpuinfo")
    if not information.exists():
        return False
    flags = next((line for line in information.read_text().splitlines() if line.startswith("flags")), "").split()
    return "amx_bf16" in flags or "avx512_bf16" in flags
