"""Numbers as text, one line per rule."""

import pytest

from easymtl.reporting.formats import bytes_text, counted, number_text, percent_text, seconds_text


@pytest.mark.parametrize(
    "value, text",
    [
        (0.71234, "0.71234"),
        (-0.5, "-0.50000"),
        (3.04757, "3.0476"),
        (9.99999, "10.0000"),
        (12.3456, "12.346"),
        (1000.0, "1,000.0"),
        (12345.678, "12,346"),
        (1234567.0, "1,234,567"),
        (2.5e9, "2.50e+09"),
        (0.000012, "1.20e-05"),
        (0.0, "0"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
    ],
)
def test_numbers_have_about_five_digits(value, text):
    assert number_text(value) == text


@pytest.mark.parametrize(
    "share, text", [(0, "0 %"), (1, "100 %"), (0.25, "25 %"), (0.0234, "2.3 %"), (2e-5, "0.002 %")]
)
def test_percents(share, text):
    assert percent_text(share) == text


@pytest.mark.parametrize(
    "seconds, text", [(0, "0:00"), (14.6, "0:15"), (59.7, "1:00"), (723, "12:03"), (11109, "3:05:09"), (-1, "0:00")]
)
def test_durations(seconds, text):
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(
    "size, text", [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (20 << 30, "20 GiB"), (3 << 62, "12288 PiB")]
)
def test_bytes(size, text):
    assert bytes_text(size) == text


def test_nouns_follow_their_number():
    assert [counted(n, "row") for n in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]
    assert counted(2, "entry", "entries") == "2 entries"
