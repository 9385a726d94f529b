"""Workers as threads of one process, each with a device of its own: what they do together, without processes."""

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from easymtl.peers.workers import Workers

MOST = 3
_KEYS_OF_ONE = 1000
_SECONDS = 120
_calls = itertools.count()


def make_devices() -> None:
    """Makes a device for each worker; before TensorFlow has done anything in the process."""
    [processor] = tf.config.list_physical_devices("CPU")
    if tf.config.get_logical_device_configuration(processor) is None:
        devices = [tf.config.LogicalDeviceConfiguration()] * MOST
        tf.config.set_logical_device_configuration(processor, devices)


def together(size: int, work: Callable[[Workers], Any]) -> list[Any]:
    """Returns what so many workers make of it, in their order."""
    make_devices()
    num_keys = next(_calls) * _KEYS_OF_ONE
    results: list[Any] = [None] * size
    errors: list[BaseException] = []

    def run(index: int) -> None:
        try:
            with tf.device(f"/CPU:{index}"):
                results[index] = work(Workers(index, size, f"/CPU:{index}", num_keys))
        except BaseException as error:  # Of any kind: the thread has nobody else to tell.
            errors.append(error)

    threads = [threading.Thread(target=run, args=(index,), daemon=True) for index in range(size)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + _SECONDS
    while any(thread.is_alive() for thread in threads) and not errors and time.monotonic() < end:
        time.sleep(0.01)
    if errors:
        raise errors[0]  # The others wait for this one, and end with the process.
    assert not any(thread.is_alive() for thread in threads), "the workers wait for one another"
    return results
