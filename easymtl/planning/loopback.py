"""How fast workers add up numbers, between two processes of this host.

    python -m easymtl.planning.loopback

is one of them, with a `TF_CONFIG`: both add up few numbers and many, and the first prints what it took as a line of
JSON.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from easymtl.errors import UserError
from easymtl.launch.ports import Ports
from easymtl.launch.shares import shares
from easymtl.launch.workers import Workers
from easymtl.peers.cluster import VARIABLE, Cluster, read_cluster

if TYPE_CHECKING:
    import tensorflow as tf

_SIZE = 2
_FEW, _MANY = 16, 1 << 20
_ROUNDS = {_FEW: 60, _MANY: 12}
_FLOAT_BYTES = 4
_HOPS_OF_SUM = 2
_LEAST = 1e-12


@dataclass(frozen=True)
class Network:
    """What a common operation of two workers takes.

    Attributes:
        sent_bytes_per_second: by each.
        hop_seconds: of a message.
        cpu_seconds_per_byte: processor time of a worker, for a byte that it sends.
        cpu_seconds_per_hop: for a message.
    """

    sent_bytes_per_second: float
    hop_seconds: float
    cpu_seconds_per_byte: float
    cpu_seconds_per_hop: float


def measure_network() -> Network:
    """Returns what was measured between two processes that are started for it.

    Raises:
        UserError: they have failed.
    """
    lines: list[str] = []
    heard: list[str] = []

    def hear(index: int, line: str) -> None:
        (lines if index == 0 and line.startswith("{") else heard).append(line)

    command = [sys.executable, "-m", "easymtl.planning.loopback"]
    with Ports(_SIZE) as ports:
        environs = [
            {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", **own, VARIABLE: cluster}
            for own, cluster in zip(shares({**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}, _SIZE), _clusters(ports))
        ]
        ended = Workers([command] * _SIZE, environs, hear).wait()
    if ended.code or not lines:
        last = heard[-1] if heard else f"exit code {ended.code}"
        raise UserError(f"--measure: two workers on this host could not be measured: {last}")
    few, many = (tuple(taken) for taken in json.loads(lines[-1])["seconds"])
    return network_of(few, many)


def _clusters(ports: Ports) -> list[str]:
    return [Cluster(index, _SIZE, ports.addresses).tf_config() for index in range(_SIZE)]


def network_of(few: tuple[float, float], many: tuple[float, float]) -> Network:
    """Returns the rates that follow from two sums.

    Args:
        few: seconds, and seconds of the processor, of a sum that is nearly nothing but messages.
        many: the same of a sum of many numbers.
    """
    # A ring of two sends each number once: half of them to be added up, the other half with the result.
    sent = _FLOAT_BYTES * (_MANY - _FEW)
    seconds, cpu = (max(large - small, _LEAST) for small, large in zip(few, many))
    return Network(sent / seconds, few[0] / _HOPS_OF_SUM, cpu / sent, few[1] / _HOPS_OF_SUM)


def _seconds(run: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Returns the median seconds of a run, and the mean of its processor time, after a first one."""
    run()
    times: list[float] = []
    cpu = time.process_time()
    for _ in range(rounds):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return statistics.median(times), (time.process_time() - cpu) / rounds


def _wait_for(summed: "Callable[[tf.Tensor], tf.Tensor]", values: "tf.Tensor") -> None:
    summed(values).numpy()


def _main() -> None:
    from easymtl.api.tensorflow_start import start_tensorflow

    cluster = read_cluster(os.environ)
    start_tensorflow(cluster=cluster)
    import tensorflow as tf

    from easymtl.peers.workers import Workers as Together

    peers = Together(cluster.index, cluster.size)
    found = []
    for number, rounds in _ROUNDS.items():
        values = tf.ones([number])
        summed = tf.function(lambda own: peers.sum([own])[0], autograph=False).get_concrete_function(values)
        found.append(_seconds(partial(_wait_for, summed, values), rounds))
    if cluster.is_chief:
        print(json.dumps({"seconds": found}), flush=True)
    peers.agree(False)


if __name__ == "__main__":
    _main()
