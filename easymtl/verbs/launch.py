"""`easymtl launch`: the workers of one training, all of them on this host, or the one that is started here."""

import json
import os
import signal
import socket
import sys
import time
from argparse import Namespace
from collections.abc import Mapping
from contextlib import ExitStack
from types import FrameType
from typing import NoReturn

from easymtl.api.overwriting import require_apart
from easymtl.config import load_config
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.launch.kubernetes import cluster_of_kubernetes
from easymtl.launch.lines import WorkerLines, log_file
from easymtl.launch.ports import Ports
from easymtl.launch.restarts import run_with_restarts
from easymtl.launch.shares import gpu_of_task, shares, visible_gpus
from easymtl.launch.slurm import task_of_slurm
from easymtl.launch.workers import Ended, Workers
from easymtl.peers.cluster import MOST_WORKERS_OF_A_HOST, VARIABLE, Cluster, read_cluster
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.reporting.streams import say

VERBS = ("train", "eval", "predict")
"""What several workers can do together."""
CLUSTERS = ("slurm", "kubernetes")
_PROGRAM = (sys.executable, "-m", "easymtl")


def run(options: Namespace) -> int:
    """Starts workers with a `TF_CONFIG` each, and returns the exit code of the first that failed.

    Raises:
        UserError: the flags do not go together, or the command is none that several workers can do.
    """
    command = _checked(options)
    if options.cluster:
        _become_worker(command, options)
    if options.workers is None:
        options.workers = len(visible_gpus(os.environ)) or None
    if options.workers is None or not 1 <= options.workers <= MOST_WORKERS_OF_A_HOST:
        found = "is missing, and no GPU is here" if options.workers is None else options.workers
        raise UserError(
            f"--workers {found}: say how many workers to start on this host, 1 to {MOST_WORKERS_OF_A_HOST} (by default "
            f"one for each GPU), or --cluster {'|'.join(CLUSTERS)} where something else has started this process for "
            "each of them."
        )
    already = read_cluster(os.environ).size
    if already > 1:
        raise UserError(
            f"{VARIABLE} names {already} workers, so that this process is a worker already: run "
            f"`easymtl {command[0]} ...` without launch, or unset {VARIABLE}."
        )
    if options.log_dir:
        _require_logs_apart(options)
    begin("running", f"{options.workers} workers" if options.workers > 1 else "1 worker")
    return _Launch(command, options).run()


def _checked(options: Namespace) -> list[str]:
    command = list(options.command)
    if not command or command[0] not in VERBS:
        found = f'"{command[0]}"' if command else "nothing"
        hint = did_you_mean(command[0], VERBS) if command else ""
        raise UserError(
            f"behind -- there is {found}; it is one of {quoted(VERBS)} with its arguments, such as easymtl launch "
            f"--workers 2 -- train x.config.{hint}"
        )
    if options.restarts < 0:
        raise UserError(f"--restarts {options.restarts}: it is 0 or more.")
    if options.cluster and options.cluster not in CLUSTERS:
        hint = did_you_mean(options.cluster, CLUSTERS)
        raise UserError(f'--cluster "{options.cluster}": there are {quoted(CLUSTERS)}.{hint}')
    of_clusters = {"--service": options.service, "--port": options.port}
    of_hosts = {"--restarts": options.restarts, "--log_dir": options.log_dir}
    for name, value in (of_hosts if options.cluster else of_clusters).items():
        if value:
            other = "without --cluster; Kubernetes (backoffLimit) and Slurm (--requeue, --output) do it themselves"
            raise UserError(f"{name} is for launch {other if options.cluster else 'with --cluster'}.")
    if options.cluster == "slurm" and (options.workers is not None or options.service):
        raise UserError("--cluster slurm: leave out --workers and --service; Slurm tells each task what there is.")
    return command


def _require_logs_apart(options: Namespace) -> None:
    """Refuses to write lines of workers among the rows that they read."""
    of_command = options.command_options
    config = load_config(of_command.pipeline_config, of_command.overrides, of_command.tasks)
    writes = [("--log_dir", log_file(options.log_dir, index)) for index in range(options.workers)]
    require_apart(config, writes, {"--input": getattr(of_command, "input", None)})


def _become_worker(command: list[str], options: Namespace) -> NoReturn:
    """Turns this process into the worker: signals, exit code and output are its own."""
    own: Mapping[str, str] = {}
    if options.cluster == "slurm":
        task = task_of_slurm(os.environ, options.port)
        # Slurm has given each task its cores.
        cluster, own = task.cluster, gpu_of_task(os.environ, task.local_index, task.local_size)
    else:
        cluster = cluster_of_kubernetes(
            os.environ, socket.gethostname(), options.workers, options.service, options.port
        )
    environ = {**os.environ, **own}
    if cluster.size > 1:
        environ[VARIABLE] = cluster.tf_config()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(_PROGRAM[0], [*_PROGRAM, *command], environ)


class _Launch:
    """All workers of one training on this host."""

    def __init__(self, command: list[str], options: Namespace):
        self._command, self._options, self._size = command, options, options.workers
        self._shares = shares(os.environ, options.workers)
        self._is_stopped = False
        self._workers: Workers | None = None
        is_command_json = options.command_options.log_format == "json"
        is_asked = current().is_json and not is_command_json
        self._command += ["--log_format", "json"] if is_asked else []
        self._is_json = current().is_json or is_command_json

    def run(self) -> int:
        """Returns the exit code."""
        with WorkerLines(self._size, self._is_json, self._show, self._options.log_dir) as lines, ExitStack() as stack:
            for number in (signal.SIGTERM, signal.SIGINT):
                stack.callback(signal.signal, number, signal.signal(number, self._receive))
            return run_with_restarts(
                lambda: self._run_once(lines),
                self._options.restarts,
                lambda: self._is_stopped,
                self._tell,
                time.sleep,
            )

    def _run_once(self, lines: WorkerLines) -> Ended:
        with Ports(self._size) as ports:
            environs = []
            for index, own in enumerate(self._shares):
                cluster = Cluster(index, self._size, ports.addresses)
                of_worker = {VARIABLE: cluster.tf_config()} if self._size > 1 else {}
                environs.append({**os.environ, "PYTHONUNBUFFERED": "1", **own, **of_worker})
            self._workers = Workers([self._command_of(index) for index in range(self._size)], environs, lines.hear)
            if self._is_stopped:
                # The signal came while they were started.
                self._workers.send(signal.SIGTERM)
            return self._workers.wait()

    def _command_of(self, index: int) -> list[str]:
        """Returns the command of a worker; only the chief says what all would say alike."""
        is_quiet = index > 0 and "--quiet" not in self._command and not self._options.log_dir
        return [*_PROGRAM, *self._command, *(["--quiet"] if is_quiet else [])]

    def _receive(self, number: int, _: FrameType | None) -> None:
        self._is_stopped = True
        if self._workers:
            self._workers.send(number)

    def _tell(self, text: str) -> None:
        say(text, sys.stdout if current().is_json else sys.stderr)

    def _show(self, line: str) -> None:
        current().phases.put_off()
        lines = current().lines
        if self._is_json and lines:
            lines.write(json.loads(line))
        else:
            print(line, flush=True)
