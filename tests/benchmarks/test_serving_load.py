import os
import random

import numpy as np
import pytest

from benchmarks import serving_fuzz
from benchmarks.serving_clients import Load
from benchmarks.serving_load import processor_seconds, text_of


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


def test_memory_that_grows_is_told():
    flat, grown = ({"codes": {"200": 7, "400": 2493}, "resident": sizes} for sizes in ([10**9] * 5, [10**9, 2 * 10**9]))
    assert serving_fuzz.text_of("rest", flat).endswith("1000, 1000, 1000, 1000, 1000 MB after each round, +0.0%: flat")
    assert "2,493 400, 7 200" not in serving_fuzz.text_of("rest", flat)
    assert "7 200, 2,493 400" in serving_fuzz.text_of("rest", flat)
    assert serving_fuzz.text_of("grpc", grown).endswith("+100.0%: NOT flat")
    assert serving_fuzz.growth(grown["resident"]) > serving_fuzz.MOST_GROWTH


def test_resident_memory_is_that_of_the_process():
    before = serving_fuzz.resident_bytes(os.getpid())
    kept = np.ones(1 << 23)
    assert 0.9 * kept.nbytes < serving_fuzz.resident_bytes(os.getpid()) - before < 1.5 * kept.nbytes


def test_spoiled_bodies_are_the_same_each_time_and_not_all_broken():
    rows = [{"a": index, "b": "x"} for index in range(5)]
    bodies = list(serving_fuzz.json_bodies(random.Random(0), rows))
    assert bodies == list(serving_fuzz.json_bodies(random.Random(0), rows))
    assert len(bodies) == serving_fuzz.BODIES and len(set(bodies)) > 100
