"""Bytes that a worker sends in a step, against the numbers of a measured training."""

import pytest

from easymtl.training.traffic import traffic


def test_one_worker_sends_nothing():
    assert traffic(1000, {16: 10}, 1, False).total == 0
    assert traffic(1000, {16: 10}, 1, True).total == 0


def test_two_workers_send_each_dense_gradient_once_by_halves():
    # 8 P (N - 1) / N
    assert traffic(299_906, {}, 2, False).dense == 4 * 299_906
    assert traffic(300, {}, 3, True).dense == 1600


def test_replicated_rows_go_to_all_others():
    # (N - 1) U (4 w + 4), of two widths
    assert traffic(0, {16: 100, 4: 10}, 4, False).rows == 3 * (100 * 68 + 10 * 20)


def test_sharded_rows_are_asked_for_and_come_and_their_gradients_go():
    # U (8 w + 4) (N - 1) / N
    assert traffic(0, {16: 100, 4: 10}, 4, True).rows == pytest.approx(0.75 * (100 * 132 + 10 * 36))


def test_at_two_workers_the_layouts_send_about_the_same_and_at_eight_they_do_not():
    # One table of 80,280 x 16: 0.56 and 0.54 MB at two, 3.9 and 0.95 MB at eight.
    sent = [traffic(0, {16: 8200}, workers, is_sharded).rows for workers in (2, 8) for is_sharded in (False, True)]
    assert [round(one / 1e6, 2) for one in sent] == [0.56, 0.54, 3.9, 0.95]
