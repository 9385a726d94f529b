"""The precision that a model computes in, and what `AUTO` comes to."""

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from easymtl.checkpoints.written_config import CONFIG_NAME
from easymtl.config import load_config
from easymtl.errors import UserError
from easymtl.layers.context import Call, Pending
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.train_pb2 import TrainConfig
from easymtl.tasks.ranker import Ranker
from easymtl.training.precision_memory import memory_of

_DTYPES = {TrainConfig.FLOAT32: tf.float32, TrainConfig.BFLOAT16: tf.bfloat16}

MIN_OPERATIONS = 2e8
"""Operations of a step's products below which they are not what a step costs: 2 ms of one slow core."""

RULE_OPERATIONS = 1e9
"""Operations of a step's products from which the rule takes bfloat16, where the machine has matrix units for it."""

_MOST_ROUNDS = 8
_LEAST_ROUNDS = 3
_STEADY = 1.5
_CLEAR = 0.8
"""What is faster has to need less than this share of the other's seconds."""

_DECIDED = 0.6
"""The same of every single round: no more of them are needed if passes of one kind are about equally long."""

Round = tuple[float, float]
"""Seconds of a batch in float32 and in bfloat16, one right after the other."""


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


def settle_precision(pipeline: Pipeline, ranker: Ranker, peers: Peers = ONE) -> Precision:
    """Returns the precision of training: that of an earlier run in the same model_dir, else what `AUTO` comes to.

    Workers take what the chief has found: the others may be of another kind, or busier.
    """
    found = _settled(pipeline, ranker) if peers.is_chief else Precision(TrainConfig.FLOAT32)
    choice, reason = peers.share([found.choice, found.reason])[0]
    return Precision(choice, reason)


def _settled(pipeline: Pipeline, ranker: Ranker) -> Precision:
    if pipeline.train_config.mixed_precision == TrainConfig.AUTO:
        earlier, written = earlier_choice(pipeline)
        if earlier.mixed_precision != TrainConfig.AUTO:
            return Precision(earlier.mixed_precision, f"this model_dir was begun in it ({written})")
    return resolve_precision(pipeline, ranker)


def earlier_choice(pipeline: Pipeline) -> tuple[TrainConfig, Path]:
    """Returns what an earlier run in the same model_dir has trained by, and the file that says so.

    What was measured is written there as if the config had said it. Without such a run everything is as by default.
    """
    written = Path(pipeline.model_dir) / CONFIG_NAME
    try:
        return (load_config(str(written)).pipeline.train_config if written.exists() else TrainConfig()), written
    except UserError:
        return TrainConfig(), written


def resolve_precision(pipeline: Pipeline, ranker: Ranker) -> Precision:
    """Returns the precision of training, `AUTO` replaced by what is faster for this network on this machine.

    bfloat16 is tried where matrix products have instructions for it (AMX or AVX512-BF16 on a processor, compute
    capability 8 or more on every GPU) and the network has enough of them. The network then goes forward and backward
    over a made-up batch in both precisions, in turns. Where all turns agree and the fastest of each are clearly apart,
    they decide; where they are not, as on a machine that does other work too, a rule does, so that the load of a moment
    does not make two trainings of one config different. What a measurement has come to is remembered for this network
    on this machine (see `precision_memory`), and not measured again.

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
    memory = memory_of(pipeline, ranker, _machine())
    if known := memory.recall():
        return Precision(*known)
    ruled = rule(operations, _has_matrix_units())
    try:
        found = decide(network_rounds(ranker, batch_size), ruled)
        memory.keep(found.choice, found.reason)
        return found
    except tf.errors.InvalidArgumentError:
        # Made-up histories can be longer than a network has places for where no max_seq_len cuts them.
        return ruled


def rule(operations: float, has_matrix_units: bool) -> Precision:
    """Returns the precision that follows from what does not change from one moment to the next.

    Args:
        operations: of the products of a step.
        has_matrix_units: whether the machine has units for products of bfloat16 matrices (AMX, or those of a GPU), and
            not vector instructions alone.
    """
    if not has_matrix_units:
        return Precision(TrainConfig.FLOAT32, "this machine has vector instructions for bfloat16 and no matrix units")
    if operations < RULE_OPERATIONS:
        return Precision(TrainConfig.FLOAT32, f"a step has less than {RULE_OPERATIONS:.0e} operations")
    return Precision(
        TrainConfig.BFLOAT16,
        f"this machine has matrix units for bfloat16 and a step has {RULE_OPERATIONS:.0e} operations or more",
    )


def decide(rounds: Sequence[Round], otherwise: Precision) -> Precision:
    """Returns what the rounds of a measurement say, or something else where they say nothing clearly.

    Other work on the machine only ever makes a pass slower, so the fastest of each precision are compared. Each single
    round has to agree, because a machine that is so busy that some do not has not shown what it can do.

    Args:
        rounds: at least one.
        otherwise: what is taken where the rounds do not say.
    """
    full, half = (min(seconds) for seconds in zip(*rounds))
    ratios = [of_half / of_full for of_full, of_half in rounds]
    told = f"the network takes {1e3 * half:.0f} ms in bfloat16 and {1e3 * full:.0f} ms in float32 for a batch"
    if half < _CLEAR * full and max(ratios) < 1.0:
        return Precision(TrainConfig.BFLOAT16, f"{told}, forward and backward")
    if full < _CLEAR * half and min(ratios) > 1.0:
        return Precision(TrainConfig.FLOAT32, f"{told}, forward and backward")
    return Precision(otherwise.choice, f"{told}, which is not clear enough to go by, and {otherwise.reason}")


def network_rounds(ranker: Ranker, batch_size: int) -> list[Round]:
    """Returns the seconds that the network takes for a batch, forward and backward, in rounds of both precisions.

    Tables, losses and optimizer are left out: they are float32 either way.
    """
    network, vectors = ranker.network, ranker.embeddings.made_up_vectors(batch_size)
    variables = network.trainable_variables
    full, half = (forward_and_backward(network, vectors, dtype, variables) for dtype in (tf.float32, tf.bfloat16))
    return measured(lambda: seconds_of(full), lambda: seconds_of(half))


def measured(full: Callable[[], float], half: Callable[[], float]) -> list[Round]:
    """Returns rounds of two measurements in turns, the second one first in every other round.

    Args:
        full: returns the seconds of one pass of one kind, such as in float32; the first pass, which is traced, does not
            count.
        half: the same of the other kind, such as in bfloat16.
    """
    full(), half()
    rounds: list[Round] = []
    while len(rounds) < _MOST_ROUNDS and not _is_decided(rounds):
        if len(rounds) % 2:
            of_half = half()
            rounds.append((full(), of_half))
        else:
            rounds.append((full(), half()))
    return rounds


def _is_decided(rounds: Sequence[Round]) -> bool:
    """Returns whether some rounds all say the same so clearly that no more are needed."""
    if len(rounds) < _LEAST_ROUNDS:
        return False
    is_steady = all(max(seconds) < _STEADY * min(seconds) for seconds in zip(*rounds))
    ratios = [half / full for full, half in rounds]
    return is_steady and (max(ratios) < _DECIDED or min(ratios) > 1.0 / _DECIDED)


def forward_and_backward(
    network: Callable[[Mapping[str, tf.Tensor], Call], Mapping[str, tf.Tensor]],
    vectors: dict[str, tf.Tensor],
    dtype: tf.DType,
    variables: Sequence[tf.Variable],
) -> Callable[[], tf.Tensor]:
    """Returns what computes the norm of the gradients that a network has on a batch."""

    @tf.function(autograph=False)
    def run(inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        call = Call(training=True, dtype=dtype, seed=tf.zeros([2], tf.int64), pending=Pending())
        floats = [value for value in inputs.values() if value.dtype.is_floating]
        sources = [*variables, *floats]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(sources)
            logits = tf.add_n([tf.nn.l2_loss(tf.cast(value, tf.float32)) for value in network(inputs, call).values()])
        gradients = tape.gradient(logits, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return tf.linalg.global_norm(gradients)

    return lambda: run(vectors)


def seconds_of(run: Callable[[], tf.Tensor]) -> float:
    """Returns the seconds until a tensor is there."""
    begin = time.perf_counter()
    run().numpy()
    return time.perf_counter() - begin


def dtype_of(precision: TrainConfig.MixedPrecision) -> tf.DType:
    """Returns the type that activations and matrix products have."""
    return _DTYPES[precision]


def _has_bfloat16() -> bool:
    gpus = tf.config.list_physical_devices("GPU")
    return all(_compute_capability(gpu) >= (8, 0) for gpu in gpus) if gpus else _processor_has_bfloat16()


def _has_matrix_units() -> bool:
    """Returns whether bfloat16, which there is, has units of its own for matrices."""
    return bool(tf.config.list_physical_devices("GPU")) or "amx_bf16" in _processor_flags()


def _machine() -> str:
    """Returns what tells this machine from another kind: processor, cores, GPUs."""
    gpus = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return repr([platform.machine(), _processor_line("model name"), _processor_line("flags"), cores, gpus])


def _compute_capability(gpu: tf.config.PhysicalDevice) -> tuple[int, int]:
    return tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))


def _processor_has_bfloat16() -> bool:
    flags = _processor_flags()
    return "amx_bf16" in flags or "avx512_bf16" in flags


def _processor_flags() -> list[str]:
    return _processor_line("flags").split()


def _processor_line(name: str) -> str:
    information = Path("/proc/cpuinfo")
    if not information.exists():
        return ""
    lines = (line.partition(":") for line in information.read_text().splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == name), "")
