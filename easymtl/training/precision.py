"""The precision that a model computes in."""

from pathlib import Path

import tensorflow as tf

from easymtl.protos.train_pb2 import TrainConfig

_DTYPES = {TrainConfig.FLOAT32: tf.float32, TrainConfig.BFLOAT16: tf.bfloat16}


def resolve_precision(choice: TrainConfig.MixedPrecision) -> TrainConfig.MixedPrecision:
    """Returns the precision of training, `AUTO` replaced by what this machine is good at.

    bfloat16 where matrix products have instructions for it (AMX or AVX512-BF16 on a processor, compute capability 8
    or more on every GPU), else float32.
    """
    if choice != TrainConfig.AUTO:
        return choice
    gpus = tf.config.list_physical_devices("GPU")
    fast = all(_compute_capability(gpu) >= (8, 0) for gpu in gpus) if gpus else _processor_has_bfloat16()
    return TrainConfig.BFLOAT16 if fast else TrainConfig.FLOAT32


def dtype_of(precision: TrainConfig.MixedPrecision) -> tf.DType:
    """Returns the type that activations and matrix products have."""
    return _DTYPES[precision]


def _compute_capability(gpu: tf.config.PhysicalDevice) -> tuple[int, int]:
    return tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))


def _processor_has_bfloat16() -> bool:
    information = Path("/proc/cpuinfo")
    if not information.exists():
        return False
    flags = next((line for line in information.read_text().splitlines() if line.startswith("flags")), "").split()
    return "amx_bf16" in flags or "avx512_bf16" in flags
