import os

import numpy as np
import pytest

from benchmarks.serving_load import Load, processor_seconds, text_of


def test_figures_leave_out_the_beginning():
    load = Load(seconds=[5.0, *np.linspace(0.001, 0.1, 100)], ends=[0.5, *np.linspace(1.0, 3.0, 100)])
    found = load.figures(begin=1.0)
    assert found["requests"] == 100
    assert found["rate"] == pytest.approx(50)
    assert found["p50"] == pytest.approx(50.5)
    assert 99 < found["p99"] < 100


def test_time_of_the_processor_grows_with_work():
    before = processor_seconds(os.getpid())
    begin = sum(os.times()[:2])
    while sum(os.times()[:2]) < begin + 0.1:
        pass
    assert 0.05 < processor_seconds(os.getpid()) - before < 1


def test_what_was_measured_is_told_with_what_failed():
    one = {"rate": 100.0, "p50": 5.0, "p99": 9.0, "processor": 1.0, "requests": 7}
    swap = {**one, "failed": 1, "told": ["OSError: no"], "versions": [1, 2]}
    text = text_of("rest", 50, {"swap": swap, "batching": {"rounds": [{"none": one}], "ratio": 4.2, "cheaper": 4.5}})
    assert "7 requests, 1 failed" in text and "OSError: no" in text
    assert "none 100/s, p50 5 ms, p99 9 ms, 1.00 ms of the processor each" in text
    assert "4.2 times the requests of none, 4.5 times less" in text
