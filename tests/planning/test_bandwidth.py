"""Speeds and sizes as people write them."""

import pytest

from easymtl.errors import UserError
from easymtl.planning.bandwidth import read_bandwidth, read_size


@pytest.mark.parametrize(
    ("text", "bytes_per_second"),
    [
        ("10Gbit", 1.25e9),
        ("10 Gbit/s", 1.25e9),
        ("10Gbps", 1.25e9),
        ("25Gb", 3.125e9),
        ("1.5GB/s", 1.5e9),
        ("100mbit", 12.5e6),
        ("1GiB", 2**30),
        ("1Tbit", 1.25e11),
    ],
)
def test_bits_and_bytes_are_told_apart(text, bytes_per_second):
    assert read_bandwidth(text) == bytes_per_second


@pytest.mark.parametrize("text", ["", "10", "10G", "fast", "-1Gbit", "0Gbit", "10Xbit", "1e3Gbit", "9" * 400 + "Gbit"])
def test_a_speed_without_unit_or_number_is_refused(text):
    with pytest.raises(UserError, match="write 10Gbit"):
        read_bandwidth(text)


def test_sizes_are_bytes():
    assert read_size("64GiB") == 64 * 2**30
    assert read_size("1.5 GB") == 1_500_000_000
    assert read_size("100B") == 100


@pytest.mark.parametrize("text", ["", "64", "64G", "64Gbit", "64GB/s", "0GB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UserError, match="write 64GiB"):
        read_size(text)
