"""What workers send, by hand."""

import pytest

from easymtl.training.traffic import told, traffic


def test_one_worker_sends_nothing():
    assert traffic(1000, {16: 500.0}, 1, True) == traffic(1000, {16: 500.0}, 1, False) == (0, 0)


def test_bytes_are_those_of_two_and_eight_workers():
    """299,906 dense weights and tables of width 16: 1.2 MB of dense gradients for two."""
    assert traffic(299_906, {}, 2, False).sent == pytest.approx(8 * 299_906 / 2)
    assert traffic(0, {16: 8_192.0}, 2, False).received == 8_192 * 68
    assert traffic(0, {16: 8_192.0}, 2, True).received == 8_192 * 132 / 2
    assert traffic(0, {16: 8_192.0, 4: 10.0}, 8, False).sent == 7 * (8_192 * 68 + 10 * 20)
    assert traffic(0, {16: 8_192.0, 4: 10.0}, 8, True).sent == pytest.approx(7 / 8 * (8_192 * 132 + 10 * 36))


def test_dealt_out_rows_send_less_from_three_workers_on():
    assert traffic(0, {16: 1.0}, 2, True).sent < traffic(0, {16: 1.0}, 2, False).sent
    assert traffic(0, {1: 1.0}, 3, True).sent < traffic(0, {1: 1.0}, 3, False).sent


def test_sizes_are_told_in_their_units():
    assert [told(one) for one in (0, 1234, 2_345_678, 3.4e9)] == ["0.0 kB", "1.2 kB", "2.3 MB", "3.4 GB"]
