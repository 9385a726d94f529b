"""The processor, the memory and the disks."""

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from easymtl.doctor.finding import BROKEN, NOTE, OK, Finding

_GIB = 1 << 30
_LITTLE_MEMORY = 2 * _GIB
_LITTLE_DISK, _NO_DISK = 2 * _GIB, _GIB // 10
# The flag of /proc/cpuinfo, and what it is called; of x86, then of ARM.
_FEATURES = {
    "avx2": "AVX2",
    "fma": "FMA",
    "avx512f": "AVX-512",
    "avx512_bf16": "AVX-512 BF16",
    "amx_bf16": "AMX BF16",
    "asimd": "NEON",
    "sve": "SVE",
    "bf16": "BF16",
}
_BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")


def find_machine(model_dir: Path) -> Iterator[Finding]:
    """Yields the processor, the memory, and the disks of a model_dir and of temporary files."""
    yield from processor(_text(Path("/proc/cpuinfo")), _cores())
    yield memory()
    yield disk("disk of model_dir", model_dir)
    yield disk("disk of temporary files", Path(tempfile.gettempdir()))


def processor(information: str, cores: int) -> Iterator[Finding]:
    """Yields the processor and what it computes with.

    Args:
        information: /proc/cpuinfo, or empty where there is none.
        cores: how many this process may use.
    """
    entries = (line.partition(":") for line in information.splitlines())
    values = {key.strip(): value.strip() for key, _, value in reversed(list(entries))}
    name = values.get("model name") or platform.processor() or platform.machine()
    yield Finding("processor", f"{name}, {cores} core{'s' if cores != 1 else ''}")
    flags = (values.get("flags") or values.get("Features") or "").split()
    if not flags:
        yield Finding("instructions", "unknown: the system does not tell")
        return
    found = ", ".join(title for flag, title in _FEATURES.items() if flag in flags) or "none that matter"
    if "avx" not in flags and "asimd" not in flags:
        advice = "TensorFlow's wheels need AVX: use another machine."
        yield Finding("instructions", "no AVX", BROKEN, advice)
    elif any(flag in flags for flag in _BFLOAT16):
        yield Finding("instructions", f"{found}: mixed_precision AUTO tries bfloat16")
    else:
        yield Finding("instructions", f"{found}: no bfloat16, so that networks compute in float32")


def memory() -> Finding:
    """Returns the memory that a process can still take, which limits of a container count for."""
    from easymtl.features.machine_memory import available_memory

    available = available_memory()
    if available is None:
        return Finding("memory", "unknown: the system does not tell")
    text = f"{available / _GIB:,.1f} GiB available"
    if available < _LITTLE_MEMORY:
        return Finding("memory", text, NOTE, "A training takes 1 GiB beside its tables: free some, or raise the limit.")
    return Finding("memory", text)


def disk(name: str, path: Path) -> Finding:
    """Returns whether a folder, or the nearest one above it that exists, can be written, and how much is free."""
    folder = path.absolute()
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        return Finding(name, f"{path} cannot be made: {folder} is no folder", BROKEN, "Name another folder.")
    if not os.access(folder, os.W_OK):
        return Finding(name, f"{path} cannot be written", BROKEN, "Name another folder, or change its rights.")
    free = shutil.disk_usage(folder).free
    standing = BROKEN if free < _NO_DISK else NOTE if free < _LITTLE_DISK else OK
    advice = "" if standing == OK else "Free some: each checkpoint holds the tables and twice as much for Adam."
    return Finding(name, f"{free / _GIB:,.1f} GiB free", standing, advice)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
