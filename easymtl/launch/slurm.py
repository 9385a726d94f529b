"""The cluster of a job step of Slurm, from what `srun` tells each of its tasks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from easymtl.errors import UserError
from easymtl.peers.cluster import MOST_WORKERS, Cluster

_FIRST_PORT, _NUM_PORTS = 20_000, 10_000
_GROUP = re.compile(r"[^,\[\]]*(?:\[[0-9,\-]+\])?[^,\[\]]*(?:,|$)")
_RANGES = re.compile(r"^(.*?)\[([0-9,\-]+)\](.*)$")
_COUNT = re.compile(r"^(\d+)(?:\(x(\d+)\))?$")


@dataclass(frozen=True)
class Task:
    """One task of a step.

    Attributes:
        cluster: all tasks, one worker each.
        local_index: which of the tasks of its host it is.
        local_size: how many there are on its host.
    """

    cluster: Cluster
    local_index: int
    local_size: int


def task_of_slurm(environ: Mapping[str, str], port: int | None = None) -> Task:
    """Returns the task that this process is.

    Args:
        environ: of the process.
        port: of the first worker of each host, those behind it have the next ones; None for one that goes with the
            number of the job, so that jobs that share a host are apart.

    Raises:
        UserError: it is no task of a step, or Slurm has placed tasks in no order that can be told from here.
    """
    index = _number(environ, "SLURM_PROCID")
    counts = _counts(_text(environ, "SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE"))
    hosts = host_names(_text(environ, "SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST"))
    if len(hosts) != len(counts):
        raise UserError(f"Slurm names {len(hosts)} hosts and tells the tasks of {len(counts)}; use srun to start them.")
    if port is None:
        port = _FIRST_PORT + _number(environ, "SLURM_JOB_ID") * 16 % _NUM_PORTS
    places = [(host, number) for host, count in zip(hosts, counts) for number in range(count)]
    if index >= len(places):
        raise UserError(f"SLURM_PROCID is {index}, and the step has {len(places)} tasks.")
    host, local_index = places[index]
    if "SLURM_LOCALID" in environ and _number(environ, "SLURM_LOCALID") != local_index:
        raise UserError(
            f"Slurm says that task {index} is number {environ['SLURM_LOCALID']} of its host, and in blocks it would be "
            f"{local_index} of {host}. Start the step with srun --distribution=block."
        )
    addresses = tuple(f"{host}:{port + number}" for host, number in places)
    cluster = Cluster(index, len(places), addresses) if len(places) > 1 else Cluster()
    return Task(cluster, local_index, counts[hosts.index(host)])


def host_names(text: str) -> list[str]:
    """Returns the hosts of a list as Slurm writes it: `gpu[01-03,7],login` is gpu01, gpu02, gpu03, gpu7, login.

    Raises:
        UserError: it is none.
    """
    names: list[str] = []
    groups = _GROUP.findall(text)
    if not text or "".join(groups) != text:
        raise UserError(f'"{text}" is no list of hosts as Slurm writes it, such as node[01-04].')
    for group in groups:
        group = group.removesuffix(",")
        match = _RANGES.match(group)
        if match:
            names += [f"{match[1]}{number}{match[3]}" for number in _numbers(match[2], text)]
        elif group and "[" not in group:
            names.append(group)
    return names


def _numbers(ranges: str, text: str) -> list[str]:
    found: list[str] = []
    for part in ranges.split(","):
        first, _, last = part.partition("-")
        last = last or first
        if not (first.isdigit() and last.isdigit()) or not 0 <= int(last) - int(first) < MOST_WORKERS:
            raise UserError(f'"{text}" is no list of hosts as Slurm writes it: "{part}" is no range.')
        found += [f"{number:0{len(first)}}" for number in range(int(first), int(last) + 1)]
    return found


def _counts(text: str) -> list[int]:
    """Returns the numbers of tasks by host, of which `2(x3),1` is 2, 2, 2, 1."""
    counts: list[int] = []
    for part in text.split(","):
        match = _COUNT.match(part.strip())
        if not match or int(match[2] or 1) > MOST_WORKERS:
            raise UserError(f'SLURM_STEP_TASKS_PER_NODE is "{text}", and should be like 2(x3),1.')
        counts += [int(match[1])] * int(match[2] or 1)
    return counts


def _text(environ: Mapping[str, str], *names: str) -> str:
    found = next((environ[name] for name in names if environ.get(name)), None)
    if found is None:
        raise UserError(
            f"--cluster slurm: {names[0]} is not set, so this is no task of a job step. Start it by srun, as "
            "docs/guides/several-machines.md shows."
        )
    return found


def _number(environ: Mapping[str, str], name: str) -> int:
    text = _text(environ, name)
    if not (text.isascii() and text.isdigit()):
        raise UserError(f'{name} is "{text}", and should be a number.')
    return int(text)
