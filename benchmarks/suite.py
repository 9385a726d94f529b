"""The measurements of one part of `make bench`: of a workload, or of what is not about one."""

import argparse
import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import date
from pathlib import Path

from easymtl.api.tensorflow_start import start_tensorflow

start_tensorflow()

import tensorflow as tf  # noqa: E402

from benchmarks import scaling  # noqa: E402
from benchmarks.histories import ratios_at_the_bar  # noqa: E402
from benchmarks.measures import Measure  # noqa: E402
from benchmarks.peer_data import write_arrays  # noqa: E402
from benchmarks.peers import PEERS, PeerError, PeerTraining  # noqa: E402
from benchmarks.processes import command_seconds, first_step, own_peak  # noqa: E402
from benchmarks.workloads import SAMPLES, WORKLOADS, DataFiles, Workload, workload_named  # noqa: E402
from easymtl.config import load_config  # noqa: E402
from easymtl.errors import UserError  # noqa: E402

Tell = Callable[[str], None]

_NUM_COMMANDS = 5
_SHORT_SHARE = 0.4
"""Of `--seconds`: stretches of all workloads but the first, and of other libraries."""


def measure_part(options: argparse.Namespace, tell: Tell) -> dict:
    """Returns what was found of the part that the options name, as JSON holds it.

    Args:
        options: of benchmarks/speed.py.
        tell: is told what is being done.
    """
    suite = Suite(options, tell)
    with tempfile.TemporaryDirectory() as folder:
        found = suite.run(Path(folder))
    found["machine"]["peak_bytes"] = own_peak()
    return found


class Suite:
    """The measurements, with what they share."""

    def __init__(self, options: argparse.Namespace, tell: Tell):
        self._options, self._tell = options, tell
        self._precisions: dict[str, str] = {}

    def run(self, folder: Path) -> dict:
        """Measures the part."""
        self._folder, self._data = folder, DataFiles(Path(self._options.data or folder / "data"))
        self._install_peers()
        machine = _machine(self._options.rounds)
        found: dict = {"machine": machine, "workloads": {}, "scaling": {}, "commands": {}}
        for workload in WORKLOADS:
            if not self._is_chosen(workload.name):
                continue
            if not workload.is_available:
                self._tell(f"{workload.name}: its data is not there; samples/README.md tells how to get it.")
                continue
            try:
                found["workloads"][workload.name] = self._workload(workload)
            except UserError as error:
                self._tell(f"{workload.name} is left out: {error}")
        if self._is_chosen("vocabulary"):
            found["scaling"]["vocabulary"] = self._vocabulary()
        if self._is_chosen("experts"):
            found["scaling"]["experts"] = self._experts()
        if self._is_chosen("histories"):
            self._tell("histories: a step with two of them and without")
            found["scaling"]["histories"] = {"ratios": ratios_at_the_bar(self._options.rounds)}
        if self._is_chosen("commands"):
            found["commands"] = self._commands()
        return found

    def _is_chosen(self, name: str) -> bool:
        return name == self._options.part

    def _install_peers(self) -> None:
        if self._options.peers:
            for peer in PEERS:
                self._tell(f"{peer.name}: its environment is looked for, and made when it is not there")
                try:
                    peer.prepare(Path(self._options.peers))
                except PeerError as error:
                    self._tell(f"{error}. It is left out.")

    def _workload(self, workload: Workload) -> dict:
        config = workload.write_config(self._folder)
        self._tell(f"{workload.name}: data")
        formats = {name: self._data.overrides(workload, name) for name in workload.formats}
        first = next(iter(formats.values()))
        self._tell(f"{workload.name}: first step of a new process")
        started = first_step(config, first)
        self._precisions[workload.name] = started["precision"]
        seconds = self._options.seconds * (1.0 if workload is WORKLOADS[0] else _SHORT_SHARE)
        with ExitStack() as stack:
            peers = {} if not workload.peer else self._start_peers(workload, config, first, stack)
            measures: dict[str, Measure] = {}
            for asked in workload.precisions:
                precision = started["precision"] if asked == "AUTO" else asked
                if not any(one.precision == precision for one in measures.values()):
                    self._tell(f"{workload.name}: {precision} is built")
                    # In float32 reading is the smaller part: one format will do.
                    chosen = formats if asked == "AUTO" else dict(list(formats.items())[:1])
                    measures[asked] = stack.enter_context(closing(Measure(config, chosen, precision)))
            of_peers = self._rounds(workload, measures, peers, seconds)
        return {
            "batch_size": measures["AUTO"].batch_size,
            "weights": measures["AUTO"].num_weights,
            "started": started,
            "precisions": _by_precision(workload, measures),
            "peers": {name: {"rates": rates, "weights": peers[name].num_weights} for name, rates in of_peers.items()},
        }

    def _start_peers(self, workload: Workload, config: Path, first: list[str], stack: ExitStack) -> dict:
        peers: dict[str, PeerTraining] = {}
        if not self._options.peers:
            return peers
        arrays = self._folder / f"{workload.name}-arrays"
        arrays.mkdir()
        write_arrays(workload, load_config(str(config), first), arrays)
        for peer in PEERS:
            self._tell(f"{workload.name}: {peer.name} is built")
            try:
                training = peer.start(Path(self._options.peers), arrays)
            except PeerError as error:
                self._tell(f"{error}. It is left out.")
                continue
            peers[peer.name] = stack.enter_context(closing(training))
        return peers

    def _rounds(self, workload: Workload, measures: dict, peers: dict, seconds: float) -> dict[str, list[float]]:
        """Measures everything in turn, and returns the rates of the peers."""
        of_peers: dict[str, list[float]] = {name: [] for name in peers}
        for number in range(self._options.rounds):
            self._tell(f"{workload.name}: round {number + 1} of {self._options.rounds}")
            for measure in measures.values():
                measure.round(seconds)
            for name, peer in peers.items():
                of_peers[name].append(peer.examples_per_second(self._options.seconds * _SHORT_SHARE))
            measures["AUTO"].score()
        return of_peers

    def _precision(self, name: str) -> str:
        """Returns what AUTO comes to for a workload."""
        if name not in self._precisions:
            workload = workload_named(name)
            found = first_step(workload.write_config(self._folder), self._data.overrides(workload))
            self._precisions[name] = found["precision"]
        return self._precisions[name]

    def _vocabulary(self) -> dict:
        rows = scaling.memory_for(self._options.large_rows)
        self._tell(f"vocabulary: a step with {rows:,} rows of tables")
        seconds = self._options.seconds * _SHORT_SHARE
        precision = self._precision("taobao_dbmtl")
        return scaling.vocabulary_seconds(self._folder, self._data, precision, rows, self._options.rounds, seconds)

    def _experts(self) -> dict:
        self._tell("experts: a step with 4 and with 32")
        seconds = self._options.seconds * _SHORT_SHARE
        precision = self._precision("taobao_mmoe_32")
        return scaling.expert_seconds(self._folder, self._data, precision, self._options.rounds, seconds)

    def _commands(self) -> dict[str, list[float]]:
        self._tell("commands")
        config = SAMPLES / workload_named("taobao_dbmtl").base
        one_file = [change.partition(",")[0] for change in self._data.overrides(workload_named("taobao_dbmtl"))]
        changes = [part for change in one_file for part in ("--set", change)]
        check = ["check", "--pipeline_config", str(config), *changes]
        return {
            "--help": command_seconds(["--help"], _NUM_COMMANDS),
            "check": command_seconds(check, _NUM_COMMANDS),
        }


def _by_precision(workload: Workload, measures: dict[str, Measure]) -> dict[str, dict]:
    """Returns what was measured under each name that was asked for: AUTO may have come to another of them."""
    result = {}
    for asked in workload.precisions:
        measure = measures.get(asked, measures["AUTO"])
        result[asked] = {
            "precision": measure.precision,
            "rates": measure.rates,
            "wait_shares": measure.wait_shares,
        }
    return result


def _machine(rounds: int) -> dict:
    return {
        "date": date.today().isoformat(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "tensorflow": tf.__version__,
        "rounds": rounds,
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "a processor")
