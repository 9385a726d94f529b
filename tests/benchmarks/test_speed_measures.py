"""The parts of the speed benchmark that need no clock: memory, stretches, batches, the size of a vocabulary."""

import subprocess
import sys

import numpy as np
import pytest

from benchmarks import processes, scaling
from benchmarks.peers import PeerError, PeerTraining
from benchmarks.step import spread_over
from benchmarks.training import LOG_EVERY, WARM_UP, Stretch
from benchmarks.workloads import SAMPLES, SIZES, DataFiles, SetSize, vocabulary, workload_named
from easymtl.config import load_config
from easymtl.data.feed import MIN_WINDOW_ROWS
from easymtl.training.inputs import KEPT_BYTES

STATUS = "Name:\tpython\nVmPeak:\t  999999 kB\nVmHWM:\t   123456 kB\nVmRSS:\t    1000 kB\n"


def test_the_peak_of_memory_is_the_high_water_mark():
    assert processes.peak_bytes(STATUS) == 123456 * 1024
    assert processes.peak_bytes("Name:\tpython\n") is None


def test_a_process_does_not_inherit_the_peak_of_its_parent():
    text = "x = bytearray(600 << 20); import subprocess, sys; print(subprocess.run([sys.executable, '-c', {!r}]))"
    child = (
        "from benchmarks.processes import _STATUS, own_peak; peak = own_peak(); "
        "assert peak < 400 << 20 if _STATUS.exists() else peak is None, peak"
    )
    done = subprocess.run([sys.executable, "-c", text.format(child)], capture_output=True, text=True, check=True)
    assert "returncode=0" in done.stdout, done.stderr


def steps(times: list[float], num_steps: int, seconds: float) -> int:
    """Returns how many steps are measured when steps begin at these times."""
    stretch = Stretch(num_steps, seconds)
    for time in times:
        stretch.times.append(time)
        if stretch.is_over():
            break
    return len(stretch.times) - 1 - WARM_UP


def test_a_stretch_ends_by_steps_or_by_seconds_and_with_a_whole_group():
    times = [float(second) for second in range(1000)]
    assert steps(times, 10 * LOG_EVERY, 1e9) == 10 * LOG_EVERY
    assert steps(times, 10 * LOG_EVERY + 1, 1e9) == 11 * LOG_EVERY
    assert steps(times, 10**9, 7.0) == 8
    assert steps(times, 1, 0.0) == 4


def test_a_stretch_leaves_its_warm_up_out():
    slow = [float(step) for step in range(WARM_UP + 1)]
    stretch = Stretch(1, 0.0, times=[*slow, *(slow[-1] + 0.5 * step for step in range(1, LOG_EVERY + 1))])
    stretch.wait_shares = [0.9] * (WARM_UP // LOG_EVERY) + [0.1, 0.3]
    assert stretch.step_seconds == pytest.approx(0.5)
    assert stretch.wait_share == pytest.approx(0.2)


def test_ids_are_spread_without_changing_which_are_equal():
    ids = [np.array([[3, -1], [3, 7]], np.int32), np.array([7, 9, -1], np.int32)]
    first, second = spread_over(ids, 10**6, np.random.default_rng(0))
    assert (first.shape, first.dtype, second.shape) == ((2, 2), np.int32, (3,))
    assert first[0, 1] == second[2] == -1
    assert first[0, 0] == first[1, 0] and first[1, 1] == second[0]
    assert len({first[0, 0], first[1, 1], second[1]}) == 3
    assert max(first.max(), second.max()) > 10**5 and min(first[0, 0], second[0], second[1]) >= 0


def test_a_vocabulary_is_shared_out_among_the_large_tables():
    path = str(SAMPLES / workload_named("taobao_dbmtl").base)
    changed = load_config(path, vocabulary(load_config(path), 20_000_000)).pipeline
    sizes = [feature.hash_bucket_size for feature in changed.feature_config.features if feature.hash_bucket_size > 1000]
    assert len(set(sizes)) == 1
    assert 0.99 * 20_000_000 < sum(sizes) <= 20_000_000


def test_a_vocabulary_is_halved_until_it_fits():
    assert scaling.fitting_rows(20_000_000, None) == 20_000_000
    assert scaling.fitting_rows(20_000_000, 100 << 30) == 20_000_000
    needed = 10_000_000 * 16 * 4 * 3 * 2
    assert scaling.fitting_rows(20_000_000, needed) == 10_000_000


def test_synthetic_data_are_read_and_not_kept(tmp_path):
    workload = workload_named("tenrec_mlp")
    data = DataFiles(tmp_path, {"tenrec": SetSize(100, 50, 3)})
    pipeline = load_config(str(workload.write_config(tmp_path)), data.overrides(workload)).pipeline
    assert len(pipeline.train_input_path.split(",")) == 3
    assert pipeline.data_config.num_epochs == 1
    assert KEPT_BYTES and all(size.train * size.repeats > 10 * MIN_WINDOW_ROWS for size in SIZES.values())


_ECHO = """
import sys
print("hello")
print('{"weights": 7}', flush=True)
for line in sys.stdin:
    print('{"examples_per_second": %s}' % (2 * float(line)), flush=True)
"""


def test_a_peer_trains_when_it_is_told_to(tmp_path):
    peer = PeerTraining("Echo", [sys.executable, "-c", _ECHO], tmp_path)
    assert peer.num_weights == 7
    assert [peer.examples_per_second(seconds) for seconds in (1.0, 2.5)] == [2.0, 5.0]
    peer.close()


def test_a_peer_that_fails_says_why(tmp_path):
    with pytest.raises(PeerError, match="Broken has ended: ValueError: no such layer"):
        PeerTraining("Broken", [sys.executable, "-c", "raise ValueError('no such layer')"], tmp_path)
