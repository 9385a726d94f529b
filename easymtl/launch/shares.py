"""What of this host each of its workers gets: cores and devices."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from easymtl.errors import UserError

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_THREADS = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")
"""Those of TensorFlow, and of Arrow and NumPy's libraries; what somebody has set stays."""
_DEVICE = re.compile(r"^nvidia\d+$")


def shares(
    environ: Mapping[str, str], size: int, num_cores: int | None = None, devices: Path = Path("/dev")
) -> list[dict[str, str]]:
    """Returns what of the environment is of each worker's own.

    Args:
        environ: of the launcher.
        size: number of workers on this host.
        num_cores: that may be used; None asks the system.
        devices: where GPUs have files.

    Raises:
        UserError: there are GPUs, and fewer than workers.
    """
    cores = num_cores or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    threads = {name: str(max(cores // size, 1)) for name in _THREADS if name not in environ}
    gpus = visible_gpus(environ, devices)
    if gpus and len(gpus) < size:
        raise UserError(
            f"--workers {size}: there are {len(gpus)} GPUs, and each worker takes one. Start --workers {len(gpus)}, or "
            f"set {_VISIBLE}=-1 to train on the cores of the processor."
        )
    return [{**threads, **({_VISIBLE: gpus[index]} if gpus else {})} for index in range(size)]


def gpu_of_task(
    environ: Mapping[str, str], local_index: int, local_size: int, devices: Path = Path("/dev")
) -> dict[str, str]:
    """Returns what of the environment says which GPU a task of Slurm takes; nothing where it has none.

    Args:
        environ: of the task.
        local_index: which of the tasks of its host it is.
        local_size: how many there are on its host.
        devices: where GPUs have files.

    Raises:
        UserError: tasks share GPUs, and there are fewer of these.
    """
    gpus = visible_gpus(environ, devices)
    if not gpus:
        return {}
    bound = environ.get("SLURM_GPU_BIND", "")
    if (bound or "SLURM_GPUS_PER_TASK" in environ) and "none" not in bound:
        # Slurm shows each task its own ones.
        return {_VISIBLE: gpus[0]}
    if len(gpus) < local_size:
        raise UserError(
            f"--cluster slurm: this host has {local_size} tasks and shows them {len(gpus)} GPUs, and each takes one. "
            f"Ask for one each (srun --gpus-per-task=1), or set {_VISIBLE}=-1 to train on the cores of the processor."
        )
    return {_VISIBLE: gpus[local_index]}


def visible_gpus(environ: Mapping[str, str], devices: Path = Path("/dev")) -> list[str]:
    """Returns what names the GPUs that may be used, in the order in which CUDA counts them."""
    chosen = environ.get(_VISIBLE)
    if chosen is not None:
        names = [name.strip() for name in chosen.split(",") if name.strip()]
        # As CUDA does: what comes behind a name that is none is not seen.
        return names[: names.index("-1")] if "-1" in names else names
    found = [entry.name for entry in devices.iterdir() if _DEVICE.match(entry.name)] if devices.is_dir() else []
    return [str(index) for index in range(len(found))]
