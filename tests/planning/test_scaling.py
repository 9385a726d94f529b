"""Expected seconds, against numbers that were reckoned by hand."""

from dataclasses import replace

import pytest

from easymtl.features.declarations import TableSize
from easymtl.features.memory_needs import TableRule
from easymtl.planning.layouts import REPLICATED, SHARDED, Size
from easymtl.planning.rates import Rates
from easymtl.planning.scaling import counts_up_to, expected, num_hops

SIZE = Size(
    dense=125_000,
    dense_rule=TableRule(0, True),
    tables=[TableSize("a", 10_000, 4)],
    table_rule=TableRule(0, False),
    distinct={4: 1000.0},
    batch_size=100,
    window=0,
)
RATES = Rates(
    step_seconds=0.1,
    step_cpu_seconds=0.15,
    feed_seconds=0.02,
    feed_cpu_seconds=0.03,
    sent_bytes_per_second=1e6,
    hop_seconds=0.001,
    cpu_seconds_per_byte=1e-8,
    cpu_seconds_per_hop=0.002,
    copied_bytes_per_second=1e9,
    num_cores=8,
)


def test_one_worker_takes_its_step_and_nothing_else():
    alone = expected(SIZE, RATES, 1, REPLICATED)
    assert alone.seconds == 0.1 and alone.examples_per_second == 1000 and alone.efficiency == 1
    assert alone.network_seconds == 0 and alone.sent.total == 0
    assert alone.cpu_seconds == pytest.approx(0.18)
    assert alone.limit == "step"


def test_two_workers_wait_for_the_network():
    both = expected(SIZE, RATES, 2, REPLICATED)
    # 4 P of dense, 1000 rows of 20 bytes; three sums of two hops, two gathers of one; 1000 more rows of 48 bytes.
    sent, extra = 500_000 + 20_000, 1000 * 4 * 4 * 3 / 1e9
    assert both.sent.total == sent
    assert both.network_seconds == pytest.approx(sent / 1e6 + 8 * 0.001)
    assert both.compute_seconds == pytest.approx(0.1 + extra)
    assert both.seconds == pytest.approx(0.1 + extra + 0.528)
    assert both.examples_per_second == pytest.approx(200 / both.seconds)
    assert both.efficiency == pytest.approx(0.1 / both.seconds)
    assert both.cpu_seconds == pytest.approx(0.18 + extra + sent * 1e-8 + 8 * 0.002)
    assert both.limit == "network"


def test_a_shard_updates_no_rows_of_others():
    assert expected(SIZE, RATES, 8, SHARDED).compute_seconds == 0.1


def test_rows_of_others_are_no_more_than_the_tables_have():
    of_many = expected(SIZE, RATES, 1000, REPLICATED)
    assert of_many.compute_seconds == pytest.approx(0.1 + 9000 * 4 * 4 * 3 / 1e9)


def test_a_feed_that_is_slower_than_the_step_decides():
    slow = expected(SIZE, replace(RATES, feed_seconds=0.5), 1, REPLICATED)
    assert slow.seconds == 0.5 and slow.limit == "feed"


def test_processor_time_takes_what_it_takes_on_the_cores_there_are():
    busy = expected(SIZE, replace(RATES, num_cores=1), 1, REPLICATED)
    assert busy.seconds == pytest.approx(0.18) and busy.limit == "processor"
    assert expected(SIZE, replace(RATES, num_cores=0), 1, REPLICATED).seconds == 0.1


def test_messages_one_behind_the_other_grow_with_the_workers():
    assert num_hops(1, REPLICATED) == num_hops(1, SHARDED) == 0
    assert num_hops(2, REPLICATED) == 3 * 2 + 2
    assert num_hops(1000, REPLICATED) == 999 * 8
    assert num_hops(4, SHARDED) == 3 * 10


@pytest.mark.parametrize(
    ("workers", "counts"),
    [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (8, [1, 2, 4, 8]), (1000, [*[2**i for i in range(10)], 1000])],
)
def test_workers_are_doubled_up_to_their_number(workers, counts):
    assert counts_up_to(workers) == counts
