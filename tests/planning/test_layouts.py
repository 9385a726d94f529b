"""What a worker holds and sends, against numbers that were reckoned by hand."""

from dataclasses import replace

import pytest

from easymtl.features.declarations import TableSize
from easymtl.features.growing.map_memory import bytes_of_ids
from easymtl.features.memory_needs import TableRule
from easymtl.planning.layouts import (
    REPLICATED,
    SHARDED,
    Room,
    Size,
    bytes_of,
    least_workers,
    memory_of,
    moved_bytes,
)
from easymtl.protos.feature_pb2 import Growing

ADAM = TableRule(num_slots=2, moves_untouched_rows=False)
SIZE = Size(
    dense=1000,
    dense_rule=TableRule(2, True),
    tables=[TableSize("a", 100, 8), TableSize("b", 51, 8), TableSize("c", 10, 4)],
    table_rule=ADAM,
    distinct={8: 20.0, 4: 5.0},
    batch_size=32,
    window=7,
)
# 151 rows x 8 and 10 rows x 4, in floats.
TABLES = (151 * 8 + 10 * 4) * 4


def test_a_worker_alone_has_tables_two_slots_of_adam_and_the_rows_of_its_batch_with_gradients():
    memory = memory_of(SIZE, 1, REPLICATED)
    assert memory.tables == TABLES and memory.slots == 2 * TABLES and memory.averages == 0
    assert memory.gradients == (20 * 8 + 5 * 4) * 4 * 2
    # Weights, gradients and two slots.
    assert memory.dense == 4 * 4000
    assert memory.total == memory.of_device + 7 == 3 * TABLES + 1440 + 16000 + 7


def test_with_replicated_tables_gradients_of_all_workers_come_on_top():
    packed = 20 * (8 + 1) * 4 + 5 * (4 + 1) * 4
    memory = memory_of(SIZE, 3, REPLICATED)
    assert memory.tables == TABLES
    assert memory.gradients == 1440 + 3 * packed


def test_a_shard_has_a_part_of_the_tables_rounded_up_and_no_more_rows_the_more_workers_there_are():
    of_three, of_nine = memory_of(SIZE, 3, SHARDED), memory_of(SIZE, 9, SHARDED)
    assert of_three.tables == TABLES / 3 and of_three.slots == 2 * TABLES / 3
    assert of_nine.tables == -(-TABLES // 9)
    assert of_three.gradients == of_nine.gradients


def test_averages_have_a_number_for_each_row():
    size = replace(SIZE, table_rule=TableRule(2, False, has_averages=True))
    assert memory_of(size, 1, REPLICATED).averages == TABLES + 8 * 161


def test_what_moves_every_row_has_gradients_of_all_rows_of_its_shard():
    size = replace(SIZE, table_rule=TableRule(2, True), distinct={})
    assert memory_of(size, 1, REPLICATED).gradients == TABLES
    assert memory_of(size, 2, SHARDED).gradients == TABLES / 2


def test_rows_of_tables_are_told_by_width():
    assert SIZE.rows_by_width == {4: 10, 8: 151}


def test_an_update_of_adam_reads_a_gradient_and_three_numbers_and_writes_three():
    assert moved_bytes(8, ADAM) == 8 * 4 * 7
    assert SIZE.moved_bytes == 20 * 8 * 28 + 5 * 4 * 28


def test_bytes_go_by_the_layout():
    assert bytes_of(SIZE, 2, REPLICATED).rows == 20 * 36 + 5 * 20
    assert bytes_of(SIZE, 2, SHARDED).rows == (20 * 68 + 5 * 36) / 2


@pytest.mark.parametrize("workers", [2, 3, 7])
def test_the_least_number_of_workers_fits_and_one_less_does_not(workers):
    available = memory_of(SIZE, workers, SHARDED).total
    found = least_workers(SIZE, Room(available, False))
    assert found == workers
    assert not Room(available, False).has(memory_of(SIZE, found - 1, SHARDED)) or found == 2


def test_no_number_of_workers_makes_up_for_what_each_of_them_has():
    assert least_workers(SIZE, Room(16000, True)) is None


def test_the_window_is_not_on_the_device():
    memory = memory_of(SIZE, 1, REPLICATED)
    assert Room(memory.of_device, True).has(memory)
    assert not Room(memory.of_device, False).has(memory)
    assert Room(None, False).has(memory)


def test_ids_of_growing_tables_are_dealt_out_with_their_rows():
    settings = Growing(max_rows=1_000_000, expire_after_steps=9)
    size = Size(0, TableRule(0, False), [], TableRule(0, False), {}, 1, 0, growing=[settings])
    whole, part = bytes_of_ids(settings), bytes_of_ids(settings, 4)
    assert (memory_of(size, 4, REPLICATED).ids, memory_of(size, 4, SHARDED).ids) == (whole, part)
    assert part == pytest.approx(whole / 4, 0.02)


def test_tables_on_the_host_leave_dense_weights_and_looked_up_rows_to_the_device():
    size = replace(SIZE, are_tables_on_host=True)
    for workers, layout in ((1, REPLICATED), (3, SHARDED)):
        memory, on_device = memory_of(size, workers, layout), memory_of(SIZE, workers, layout)
        # Rows and gradients, of two widths.
        assert memory.looked_up == (20 * 8 + 5 * 4) * 4 * 2 == size.crossing_bytes
        assert memory.of_device == 16000 + memory.looked_up
        assert memory.of_host == on_device.of_device - 16000 + 7
        assert memory.total == on_device.total + memory.looked_up
        assert on_device.looked_up == 0 and on_device.of_host == 7
    room = Room(memory.of_device, True, memory.of_host)
    assert room.has(memory) and Room(memory.of_device, True).has(memory)
    assert not replace(room, of_host=memory.of_host - 1).has(memory)
    assert not replace(room, available=memory.of_device - 1).has(memory)
    assert least_workers(size, room) == 3
