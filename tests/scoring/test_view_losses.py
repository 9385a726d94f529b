"""Losses of layers that compare rows are those of blocks of one size, however the rows come."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.layers.views import Views
from easymtl.scoring.view_losses import ViewLosses
from easymtl.tasks.reach import ROWS_OF_A_BLOCK
from tests.layers.named.test_auxiliary_loss import info_nce, nce

FORMULAS = {"info_nce": info_nce, "nce_loss": nce}


def views(num_rows):
    return np.random.default_rng(4).normal(size=(2, num_rows, 2)).astype(np.float32)


def loss_of(loss_type, rows, size):
    losses = ViewLosses()
    for begin in range(0, rows.shape[1], size):
        part = [tf.constant(one) for one in rows[:, begin : begin + size]]
        losses.add({loss_type: {"near": Views(*part, tf.constant(0.5), tf.constant(0.7))}})
    return losses.result()["near"]


@pytest.mark.parametrize("loss_type", FORMULAS)
def test_rows_of_one_block_are_compared_with_each_other_whatever_the_size_of_a_batch(loss_type):
    rows = views(60)
    expected = 0.5 * FORMULAS[loss_type](*rows, 0.7)
    for size in (1, 7, 60):
        assert loss_of(loss_type, rows, size) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("size", [1000, 2 * ROWS_OF_A_BLOCK + 300])
def test_more_rows_are_those_of_blocks_and_the_mean_is_over_rows(size):
    rows = views(2 * ROWS_OF_A_BLOCK + 300)
    begins = range(0, rows.shape[1], ROWS_OF_A_BLOCK)
    blocks = [rows[:, begin : begin + ROWS_OF_A_BLOCK] for begin in begins]
    expected = sum(0.5 * info_nce(*block, 0.7) * block.shape[1] for block in blocks) / rows.shape[1]
    assert loss_of("info_nce", rows, size) == pytest.approx(expected, rel=1e-5)


def test_without_such_a_loss_there_is_none():
    assert ViewLosses().result() == {}
