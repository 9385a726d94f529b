"""Ticks are round numbers, told apart."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easymtl.reporting.page.scales import Scale, log_span, log_ticks, span, tick_texts, ticks


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0, 1, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.601, 0.72, ["0.625", "0.650", "0.675", "0.700"]),
        (0.6, 0.74, ["0.60", "0.65", "0.70"]),
        (0, 1000, ["0", "200", "400", "600", "800", "1000"]),
        (0, 80_000, ["0", "20k", "40k", "60k", "80k"]),
        (-1, 1, ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
        (0, 3e-9, ["0", "1e-09", "2e-09", "3e-09"]),
        (12_000_000, 13_000_000, ["12.0M", "12.2M", "12.4M", "12.6M", "12.8M", "13.0M"]),
    ],
)
def test_texts(low, high, texts):
    assert tick_texts(ticks(low, high)) == texts


@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e12))
def test_ticks_lie_between_the_ends_and_are_few(low, length):
    low, high = span([low, low + length])
    found = ticks(low, high)
    assert 1 <= len(found) <= 6
    assert all(low - 1e-6 * (high - low) <= one <= high + 1e-6 * (high - low) for one in found)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True)))
def test_a_span_is_never_empty(numbers):
    low, high = span(numbers)
    assert math.isfinite(low) and (low < high or abs(low) > 1e300)


def test_a_scale():
    scale = Scale(10, 20, 100, 0)
    assert (scale(10), scale(15), scale(20)) == (100, 50, 0)


def test_equal_ratios_are_as_far_apart():
    scale = Scale(1e-4, 1e-2, 0, 100, is_log=True)
    assert [scale(one) for one in (1e-4, 1e-3, 1e-2)] == pytest.approx([0, 50, 100])
    assert log_span([1e-4, 1e-2], 0.5) == pytest.approx((1e-5, 1e-1))


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (0.0006, 0.02, [0.001, 0.002, 0.005, 0.01, 0.02]),
        (0.0004, 0.04, [0.001, 0.003, 0.01, 0.03]),
        (0.9, 2e6, [1, 1e2, 1e4, 1e6]),
        (3.1, 3.2, [3.1, 3.2]),
    ],
)
def test_ticks_of_ratios(low, high, found):
    assert log_ticks(low, high) == pytest.approx(found)


def test_a_margin_does_not_go_beyond_0():
    assert span([0.0, 1.0], 0.1) == pytest.approx((0.0, 1.1)) and span([-1.0, 0.0], 0.1) == pytest.approx((-1.1, 0.0))
    assert span([-1.0, 1.0], 0.1) == pytest.approx((-1.2, 1.2)) and span([0.01, 1.0], 0.1)[0] == 0


def test_what_is_counted_has_whole_ticks():
    assert ticks(0, 1, is_counted=True) == [0, 1]
    assert ticks(0.0, 3.2, is_counted=True) == [0, 1, 2, 3]
    assert ticks(0, 11, is_counted=True) == [0, 5, 10] and 2.5 in ticks(0, 11)
    assert ticks(0, 40, is_counted=True) == ticks(0, 40)
