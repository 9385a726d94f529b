"""Which processes work together, and which of them this one is: `TF_CONFIG`, as TensorFlow reads it, and nothing else.

`{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 1}}`
"""

import faulthandler
import ipaddress
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from easymtl.errors import UserError, did_you_mean, quoted

VARIABLE = "TF_CONFIG"
MOST_WORKERS = 100_000
"""More than anybody has: a larger number is a mistake."""
MOST_WORKERS_OF_A_HOST = 256
"""What `easymtl launch` starts."""
_ROLES = ("chief", "worker")
_REFUSED = {
    "ps": "Parameter servers are not used: all workers train in step, and each holds a part of what is large. Name "
    "workers alone.",
    "evaluator": "Evaluations are shared out among the workers. Leave this process out; `easymtl eval` in a process of "
    "its own needs no TF_CONFIG.",
    "master": 'Name it "chief", as TensorFlow 2 does, or the first "worker".',
}
_EXAMPLE = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
_LAST_PORT = 65535
_MOST_DIGITS = 5
_MOST_SECONDS = 120.0


@dataclass(frozen=True)
class Cluster:
    """The processes of one training.

    Attributes:
        index: which of them this one is; 0 is the chief, who writes what is written once.
        size: how many there are.
        addresses: `host:port` of each, in order; empty where there is only one.
    """

    index: int = 0
    size: int = 1
    addresses: tuple[str, ...] = ()

    @property
    def is_chief(self) -> bool:
        """Returns whether this process writes what is written once."""
        return self.index == 0

    @property
    def num_on_host(self) -> int:
        """Returns how many workers the host of this one has, itself among them, as far as their addresses tell."""
        if self.size == 1:
            return 1
        hosts = [_LOOPBACK if is_loopback(host) else host for host, _ in map(split_address, self.addresses)]
        return hosts.count(hosts[self.index])

    def name(self, index: int) -> str:
        """Returns how messages call a worker: `worker 1 (10.0.0.2:2222)`."""
        return f"worker {index} ({self.addresses[index]})"

    def tf_config(self) -> str:
        """Returns the `TF_CONFIG` that says the same."""
        task = {"type": "worker", "index": self.index}
        return json.dumps({"cluster": {"worker": list(self.addresses)}, "task": task})


_LOOPBACK = "localhost"

ALONE = Cluster()
"""A process that has no others."""


def split_address(address: str) -> tuple[str, int]:
    """Returns host and port of `host:port` or `[host]:port`."""
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def is_loopback(host: str) -> bool:
    """Returns whether a host is the machine that asks, whatever it is called elsewhere."""
    if host == _LOOPBACK:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_alone(environ: Mapping[str, str], why: str) -> None:
    """Checks that no other workers are named.

    Args:
        environ: of this process.
        why: a command has one process, and what to do.

    Raises:
        UserError: `TF_CONFIG` names several workers.
    """
    size = read_cluster(environ).size
    if size > 1:
        raise UserError(f"{VARIABLE} names {size} workers, and {why}")


def read_cluster(environ: Mapping[str, str]) -> Cluster:
    """Returns the cluster that the environment names; without `TF_CONFIG` this process works alone.

    Args:
        environ: of the process.

    Raises:
        UserError: `TF_CONFIG` is no such thing; none of its values is shown but roles and addresses.
    """
    text = environ.get(VARIABLE, "")
    config = _parsed(text) if text.strip() else {}
    roles = _part(config, "cluster")
    if not roles:
        _require_alone(_part(config, "task"))
        return Cluster()
    addresses = {role: _addresses(role, hosts) for role, hosts in roles.items()}
    role, number = _task(_part(config, "task"), addresses)
    of_all = tuple(address for name in _ROLES for address in addresses.get(name, ()))
    repeated = sorted({address for address in of_all if of_all.count(address) > 1})
    if repeated:
        raise _wrong(f"{quoted(repeated)} is the address of several workers; each needs its own.")
    index = number + (len(addresses.get("chief", ())) if role == "worker" else 0)
    return Cluster(index, len(of_all), of_all)


def _wrong(text: str) -> UserError:
    return UserError(f"{VARIABLE}: {text} It looks like {_EXAMPLE}; `easymtl launch` sets it by itself.")


def _parsed(text: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        place = f" (line {error.lineno} column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise _wrong(f"is no JSON{place}.") from None
    if not isinstance(config, dict):
        raise _wrong(f"is a {type(config).__name__}, and should be an object with cluster and task.")
    return config


def _part(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Returns one of the two objects in it; empty where it is not there."""
    part = config.get(name) or {}
    if not isinstance(part, dict):
        raise _wrong(f'"{name}" is a {type(part).__name__}, and should be an object.')
    return part


def _require_alone(task: Mapping[str, Any]) -> None:
    role = task.get("type", "worker")
    if isinstance(role, str) and role in _REFUSED:
        raise _wrong(f'the task is "{role}". {_REFUSED[role]}')
    if task.get("index", 0) not in (0, "0"):
        raise _wrong(f'the task has index {task["index"]!r}, and no "cluster" says of what.')


def _addresses(role: str, hosts: Any) -> tuple[str, ...]:
    if role in _REFUSED:
        raise _wrong(f'"cluster" has the role "{role}". {_REFUSED[role]}')
    if role not in _ROLES:
        raise _wrong(f'"cluster" has the role "{role}"; there are {quoted(_ROLES)}.{did_you_mean(role, _ROLES)}')
    if isinstance(hosts, str):
        hosts = [hosts]
    if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
        raise _wrong(f'the addresses of "{role}" are no list of texts.')
    if role == "chief" and len(hosts) > 1:
        raise _wrong(f"there are {len(hosts)} chiefs; one is allowed.")
    for host in hosts:
        name, _, port = host.rpartition(":")
        # The host is what TensorFlow connects to, and a scheme is none of it.
        is_port = port.isascii() and port.isdigit() and len(port) <= _MOST_DIGITS and 0 < int(port) <= _LAST_PORT
        if not name or "/" in name or "@" in name or not is_port:
            shown = f'"{host}"' if "@" not in host else "one with a name or secret in it"
            raise _wrong(f'of the addresses of "{role}", {shown} is not host:port.')
    return tuple(hosts)


def _task(task: Mapping[str, Any], addresses: Mapping[str, tuple[str, ...]]) -> tuple[str, int]:
    """Returns role and number of this process."""
    if not task:
        raise _wrong('there is a "cluster", and no "task" that says which of its workers this process is.')
    role, number = task.get("type"), task.get("index", 0)
    if isinstance(role, str) and role in _REFUSED:
        raise _wrong(f'the task is "{role}". {_REFUSED[role]}')
    if not isinstance(role, str) or role not in addresses:
        raise _wrong(f"the task has the type {role!r}; the cluster has {quoted(addresses)}.")
    # Operators of Kubernetes write numbers as texts.
    if isinstance(number, str) and number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS:
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(addresses[role]):
        most = len(addresses[role]) - 1
        raise _wrong(f'the task has index {number!r}; those of "{role}" are 0 to {most}.')
    return role, number


def join(cluster: Cluster) -> None:
    """Connects the devices of all workers, and is to be called before TensorFlow computes anything.

    Workers have to come at the same time (`Signs.gather`): while TensorFlow waits here for the others no thread of
    Python runs, so that nobody notices a worker that is lost meanwhile. After two minutes the process ends, with exit
    code 1 and a traceback that leads to here. Collective operations of `tf.raw_ops` work from then on. TensorFlow takes
    SIGTERM for itself here, and would let nobody know of it: what it meant before it means again behind this.

    Args:
        cluster: of several workers; for one nothing is done.
    """
    if cluster.size == 1:
        return
    import tensorflow as tf

    # In one form, whatever the roles were called.
    os.environ[VARIABLE] = cluster.tf_config()
    kinds = tf.distribute.experimental.CommunicationImplementation
    kind = kinds.NCCL if tf.config.list_physical_devices("GPU") else kinds.RING
    options = tf.distribute.experimental.CommunicationOptions(implementation=kind)
    faulthandler.dump_traceback_later(_MOST_SECONDS, exit=True, file=sys.__stderr__ or 2)
    try:
        tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    finally:
        faulthandler.cancel_dump_traceback_later()
    handler = signal.getsignal(signal.SIGTERM)
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)
