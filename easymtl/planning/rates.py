"""How fast things are: measured here, or by default from what makers say of their devices."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass

from easymtl.errors import UserError, did_you_mean, quoted

_GIB = 1 << 30
_FLOPS_PER_WEIGHT = 6
_USED_SHARE = 0.2
_FLOPS_OF_CORE = 64e9
_COPY_OF_PROCESSOR = 10e9
_CROSSING = 12e9
_SECONDS_PER_STEP = 0.005
_FEED_ROWS_PER_SECOND = 60_000.0
_HOP_SECONDS = 100e-6
_NETWORK = 10e9 / 8
_PROCESSOR = "cpu"


@dataclass(frozen=True)
class Rates:
    """What one worker needs for its batch, and for talking to others.

    Attributes:
        step_seconds: of one update on a batch, without others.
        step_cpu_seconds: processor time of that.
        feed_seconds: for reading and encoding a batch, beside the step.
        feed_cpu_seconds: processor time of that.
        sent_bytes_per_second: of a common operation between two workers.
        hop_seconds: of the smallest message from a worker to the next one.
        cpu_seconds_per_byte: processor time of a worker for a byte that it sends and the one that it receives.
        cpu_seconds_per_hop: for a hop.
        copied_bytes_per_second: of memory.
        num_cores: that processor time is spread over; 0 where a device computes and the processor is not what limits.
    """

    step_seconds: float
    step_cpu_seconds: float
    feed_seconds: float
    feed_cpu_seconds: float
    sent_bytes_per_second: float
    hop_seconds: float
    cpu_seconds_per_byte: float
    cpu_seconds_per_hop: float
    copied_bytes_per_second: float
    num_cores: float


@dataclass(frozen=True)
class Device:
    """What computes.

    Attributes:
        name: as flags call it.
        flops: float32 operations per second at best.
        copied_bytes: per second, of its memory.
        memory: bytes; 0 for a processor, whose memory is asked for.
        source: where the numbers are from.
    """

    name: str
    flops: float
    copied_bytes: float
    memory: int
    source: str


def _gpu(name: str, teraflops: float, gigabytes_per_second: float, gib: int) -> Device:
    source = f"data sheet of NVIDIA: {teraflops:g} TFLOPS in float32, {gigabytes_per_second:g} GB/s, {gib} GiB"
    return Device(name, teraflops * 1e12, gigabytes_per_second * 1e9, gib * _GIB, source)


_GPUS = (
    _gpu("t4", 8.1, 320, 16),
    _gpu("v100", 15.7, 900, 32),
    _gpu("a10", 31.2, 600, 24),
    _gpu("l4", 30.3, 300, 24),
    _gpu("l40s", 91.6, 864, 48),
    _gpu("a100-40gb", 19.5, 1555, 40),
    _gpu("a100-80gb", 19.5, 2039, 80),
    _gpu("h100", 67, 3350, 80),
)
DEVICES = (_PROCESSOR, *(device.name for device in _GPUS))


def is_processor(name: str) -> bool:
    """Returns whether a device is the cores of a machine."""
    return name == _PROCESSOR


def device_named(name: str) -> Device:
    """Returns a device.

    Raises:
        UserError: nothing is known of it.
    """
    wanted = name.lower()
    if is_processor(wanted):
        cores = os.cpu_count() or 1
        source = f"{cores} cores of {_FLOPS_OF_CORE / 1e9:g} GFLOPS (AVX2 at 2 GHz)"
        return Device(_PROCESSOR, cores * _FLOPS_OF_CORE, _COPY_OF_PROCESSOR, 0, source)
    for device in _GPUS:
        if device.name == wanted:
            return device
    begun = [f'"{one}"' for one in DEVICES if wanted and one.startswith(wanted)]
    hint = f" Did you mean {' or '.join(begun)}?" if begun else did_you_mean(wanted, DEVICES)
    raise UserError(
        f'--device "{name}": nothing is known of it; known are {quoted(DEVICES)}.{hint} On a '
        "machine that has one, `easymtl plan --measure` measures it."
    )


def default_rates(
    device: Device, dense: int, moved_bytes: float, batch_size: int, crossing_bytes: float = 0.0
) -> Rates:
    """Returns rates that nobody has measured.

    Args:
        device: what computes.
        dense: dense weights of the model.
        moved_bytes: of rows and their slots that an update on a batch reads and writes.
        batch_size: of a worker.
        crossing_bytes: of rows and gradients that come to a device and go back, where the tables are in the memory of
            its machine and updated there; 0 where they are on the device.
    """
    copied = _COPY_OF_PROCESSOR if crossing_bytes else device.copied_bytes
    products = _FLOPS_PER_WEIGHT * dense * batch_size / (_USED_SHARE * device.flops)
    step = products + moved_bytes / copied + crossing_bytes / _CROSSING + _SECONDS_PER_STEP
    feed = batch_size / _FEED_ROWS_PER_SECOND
    cores = (os.cpu_count() or 1) if is_processor(device.name) else 0
    return Rates(
        step_seconds=step,
        step_cpu_seconds=step * cores,
        feed_seconds=feed,
        # Two threads encode.
        feed_cpu_seconds=feed * min(cores, 2),
        sent_bytes_per_second=_NETWORK,
        hop_seconds=_HOP_SECONDS,
        cpu_seconds_per_byte=0.0,
        cpu_seconds_per_hop=0.0,
        copied_bytes_per_second=copied,
        num_cores=cores,
    )


def default_source(device: Device, are_tables_on_host: bool = False) -> str:
    """Returns where default rates are from, as a sentence."""
    of_host = (
        f"{_COPY_OF_PROCESSOR / 1e9:g} GB/s for rows of tables on the host and {_CROSSING / 1e9:g} to the device, "
    )
    return (
        f"defaults, nothing was measured: {device.source}, of which {_USED_SHARE:.0%} are used, with "
        f"{_FLOPS_PER_WEIGHT} operations for each dense weight and example (histories and experts need more), "
        f"{of_host if are_tables_on_host else ''}"
        f"{_SECONDS_PER_STEP * 1e3:g} ms a step for starting kernels, a feed of {_FEED_ROWS_PER_SECOND:,.0f} rows/s, "
        f"{_HOP_SECONDS * 1e6:g} µs a message. The shares and times are guesses; --measure replaces them."
    )


def rates_of(record: Mapping[str, object]) -> Rates:
    """Returns the rates that a record has.

    Raises:
        ValueError: it is no such record.
    """
    names = list(Rates.__dataclass_fields__)
    values = {name: record.get(name) for name in names}
    for name, value in values.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or value < 0:  # type: ignore[arg-type, operator]
            raise ValueError(f"{name} is {value!r}, and should be a number of 0 or more")
    positive = ("step_seconds", "feed_seconds", "sent_bytes_per_second", "copied_bytes_per_second")
    for name in positive:
        if not values[name]:
            raise ValueError(f"{name} is 0")
    return Rates(**{name: float(value) for name, value in values.items()})  # type: ignore[arg-type]
