"""Whether TensorFlow sees a GPU, and if not, why."""

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from easymtl.doctor.finding import NOTE, Finding
from easymtl.doctor.packages import requirements_of_cuda
from easymtl.doctor.versions import version_of

_DRIVER = Path("/proc/driver/nvidia/version")
_DEVICES = ("nvidia0", "dxg")


@dataclass(frozen=True)
class Facts:
    """What there is of a GPU.

    Attributes:
        visible: the value of CUDA_VISIBLE_DEVICES, or None where it is not set.
        has_device: whether the system has an NVIDIA device.
        has_driver: whether the driver is loaded, and its library can be.
        is_built_with_cuda: whether TensorFlow is.
        missing: CUDA packages of `tensorflow[and-cuda]` that are not installed.
        names: the GPUs that TensorFlow sees.
    """

    visible: str | None
    has_device: bool
    has_driver: bool
    is_built_with_cuda: bool
    missing: Sequence[str]
    names: Sequence[str]


def facts(is_built_with_cuda: bool, names: Sequence[str]) -> Facts:
    """Returns what there is; TensorFlow, in a process of its own, has told the arguments."""
    return Facts(
        os.environ.get("CUDA_VISIBLE_DEVICES"),
        any((Path("/dev") / name).exists() for name in _DEVICES),
        _DRIVER.exists() or _loads("libcuda.so.1"),
        is_built_with_cuda,
        [name for name in requirements_of_cuda() if version_of(name) is None],
        names,
    )


def gpu(known: Facts) -> Finding:
    """Returns which GPUs are used, or the first reason why none is, with what to do."""
    if known.names:
        return Finding("GPU", ", ".join(known.names))
    if known.visible is not None and known.visible.strip() in ("", "-1", "NoDevFiles"):
        text = f'hidden: CUDA_VISIBLE_DEVICES is "{known.visible}"'
        return Finding("GPU", text, NOTE, "To use one: unset CUDA_VISIBLE_DEVICES.")
    if not known.has_device and not known.has_driver:
        return Finding("GPU", "none: the system has no NVIDIA device and no driver; training runs on the processor")
    if not known.has_driver:
        text = "there is a device, and its driver is not loaded"
        advice = "Install NVIDIA's driver; in a container start with --gpus all."
        return Finding("GPU", text, NOTE, advice)
    if not known.has_device:
        text = "there is a driver, and no device"
        return Finding("GPU", text, NOTE, "In a container start with --gpus all; otherwise see what nvidia-smi says.")
    if not known.is_built_with_cuda:
        text = "there is one, and this TensorFlow is built without CUDA"
        return Finding("GPU", text, NOTE, "pip install 'easymtl[gpu]', and no tensorflow-cpu.")
    if known.missing:
        text = f"there is one, and CUDA's libraries are not installed: no {', '.join(known.missing)}"
        return Finding("GPU", text, NOTE, "pip install 'easymtl[gpu]'")
    text = "there is one, and TensorFlow does not see it"
    advice = "Update NVIDIA's driver, and see what CUDA_VISIBLE_DEVICES names"
    if known.visible is not None:
        advice += f' ("{known.visible}")'
    return Finding("GPU", text, NOTE, f"{advice}. TF_CPP_MIN_LOG_LEVEL=0 shows what TensorFlow looks for.")


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
