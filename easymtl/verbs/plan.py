"""`easymtl plan`: what a training with several workers will need, and how fast it will be."""

import os
from argparse import Namespace
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from easymtl.api.overwriting import require_local
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.config import Config, load_config
from easymtl.errors import UserError
from easymtl.features.machine_memory import available_memory
from easymtl.peers.cluster import MOST_WORKERS, VARIABLE
from easymtl.planning.bandwidth import read_bandwidth, read_size
from easymtl.planning.rates import device_named, is_processor
from easymtl.reporting.outcomes_around import Planned
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin

if TYPE_CHECKING:
    from easymtl.planning.layouts import Memory, Room, Sent, Size
    from easymtl.planning.loopback import Network
    from easymtl.planning.planner import Plan
    from easymtl.planning.rates import Rates
    from easymtl.planning.rates_file import Measured

_MEASURED_SECONDS = 5.0


def run(options: Namespace) -> None:
    """Prints what a worker holds and sends, and the examples per second of 1, 2, 4, ... workers.

    Raises:
        UserError: a flag or the config is wrong, or measured rates are not those of the config.
    """
    _check_flags(options)
    begin("reading", options.pipeline_config)
    config = load_config(options.pipeline_config, options.overrides, options.tasks)
    measured = None if options.measure else _kept(config, options)
    network = _measured_network() if options.measure else None
    settings = config.pipeline.train_config
    start_tensorflow(settings.inter_op_parallelism_threads, settings.intra_op_parallelism_threads)
    from easymtl.models.backbone import located
    from easymtl.planning.model_size import size_of

    begin("counting", "weights, and rows of the first batches")
    with located(config):
        size = size_of(config.pipeline)
    measured = _measure(config, network, options) if network else measured
    planned = _planned(config, size, measured, options)
    current().phases.end()
    current().result(planned, lambda: _print(planned))


def _check_flags(options: Namespace) -> None:
    if not 1 <= options.workers <= MOST_WORKERS:
        raise UserError(f"--workers {options.workers}: it is 1 to {MOST_WORKERS:,}.")
    if options.device is not None and not (options.measure and not is_processor(options.device.lower())):
        device_named(options.device)
    if options.bandwidth is not None:
        options.bandwidth = read_bandwidth(options.bandwidth)
    if options.memory is not None:
        options.memory = read_size(options.memory)
    if options.host_memory is not None:
        options.host_memory = read_size(options.host_memory, "--host_memory")
    if options.rates:
        require_local("--rates", options.rates, "file")
    if os.environ.get(VARIABLE):
        raise UserError(f"{VARIABLE} is set, and a plan is made by one process alone. Unset it.")


def _measured_network() -> "Network":
    """Returns what was measured between processes; before this one has threads of TensorFlow."""
    from easymtl.planning.loopback import measure_network

    begin("measuring", "messages between two processes")
    return measure_network()


def _measure(config: Config, network: "Network", options: Namespace) -> "Measured":
    from easymtl.planning.measuring import measure, measured_device
    from easymtl.planning.rates_file import cache_path, write_measured

    found = measured_device()
    if options.device is not None and options.device.lower() != found.lower():
        raise UserError(
            f'--measure --device "{options.device}": what computes here is "{found}". Leave --device out, or measure '
            "on a machine that has it and bring the file here: --rates FILE."
        )
    begin("measuring", f"the step and the feed, {_MEASURED_SECONDS:g} s each")
    measured = measure(config.pipeline, network, _MEASURED_SECONDS)
    write_measured(Path(options.rates) if options.rates else cache_path(config.pipeline), measured)
    return measured


def _kept(config: Config, options: Namespace) -> "Measured | None":
    """Returns what was measured earlier, of the device that is planned for."""
    from easymtl.planning.rates_file import cache_path, read_measured

    path = Path(options.rates) if options.rates else cache_path(config.pipeline)
    if not options.rates and not path.exists():
        return None
    measured = read_measured(path, config.pipeline)
    if options.device is None or options.device.lower() == measured.device.lower():
        return measured
    if options.rates:
        raise UserError(
            f'{path}: was measured on "{measured.device}", and --device is "{options.device}". Leave one of '
            "--rates and --device out."
        )
    return None


def _planned(config: Config, size: "Size", measured: "Measured | None", options: Namespace) -> Planned:
    from easymtl.planning.layouts import Room
    from easymtl.planning.planner import asked_layout, make_plan, with_bandwidth
    from easymtl.planning.rates import default_rates, default_source

    device = None if measured else device_named(options.device or "cpu")
    name = device.name if device else measured.device if measured else ""
    is_device = not is_processor(name)
    # A processor has one memory.
    is_apart = is_device and size.are_tables_on_host
    size = replace(size, are_tables_on_host=is_apart)
    if measured:
        rates, source, memory = measured.rates, measured.source, _memory_of(name)
    else:
        assert device is not None
        source, memory = default_source(device, is_apart), device.memory
        crossing = size.crossing_bytes if is_apart else 0.0
        rates = default_rates(device, size.dense, size.moved_bytes, size.batch_size, crossing)
    if options.bandwidth is not None:
        rates = with_bandwidth(rates, options.bandwidth)
    if options.host_memory is not None and not is_device:
        raise UserError("--host_memory is that of a machine in which a GPU computes. Say --memory, or name a --device.")
    available = options.memory or (memory or None if is_device else available_memory())
    room = Room(available, is_device, options.host_memory)
    plan = make_plan(size, rates, options.workers, room, asked_layout(config.pipeline.train_config))
    return _outcome(config, size, plan, name, room, rates, source)


def _memory_of(name: str) -> int:
    """Returns the memory of a device that was measured, 0 where nothing is known of it."""
    try:
        return device_named(name).memory
    except UserError:
        return 0


def _outcome(
    config: Config, size: "Size", plan: "Plan", device: str, room: "Room", rates: "Rates", source: str
) -> Planned:
    return Planned(
        config=config.path,
        workers=plan.scaling[-1][0].workers,
        layout=plan.chosen.layout,
        fits=plan.chosen.fits,
        dense=size.dense,
        rows_by_width=size.rows_by_width,
        distinct_by_width=size.distinct,
        distinct_source=size.distinct_source,
        batch_size=size.batch_size,
        device=device,
        available=room.available,
        available_on_host=room.of_host,
        rates=asdict(rates),
        rates_source=source,
        layouts=[{**asdict(layout), **_totals(layout.memory, layout.sent)} for layout in plan.layouts],
        scaling=[
            {**asdict(scale), **_totals(scale.memory, scale.sent), "fits": is_fitting, "limit": scale.limit}
            for scale, is_fitting in plan.scaling
        ],
        verdict=plan.verdict,
    )


def _totals(memory: "Memory", sent: "Sent") -> dict[str, object]:
    return {
        "memory": {
            **asdict(memory),
            "of_device": memory.of_device,
            "of_host": memory.of_host,
            "total": memory.total,
        },
        "sent": {**asdict(sent), "total": sent.total},
    }


def _print(planned: Planned) -> None:
    from easymtl.reporting.plans import print_plan
    from easymtl.reporting.terminal import open_terminal

    print_plan(planned, open_terminal())
