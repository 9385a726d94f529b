"""Which layout is taken, and what is said where none fits."""

from dataclasses import replace

from google.protobuf import text_format

from easymtl.planning.layouts import REPLICATED, SHARDED, Room, bytes_of, memory_of
from easymtl.planning.planner import asked_layout, make_plan, with_bandwidth
from easymtl.protos.train_pb2 import TrainConfig
from easymtl.reporting.formats import bytes_text
from tests.planning.test_scaling import RATES, SIZE


def test_tables_are_replicated_where_there_is_room():
    plan = make_plan(SIZE, RATES, 4, Room(1 << 30, False))
    assert plan.chosen.layout == REPLICATED and plan.chosen.fits
    assert [layout.layout for layout in plan.layouts] == [REPLICATED, SHARDED]
    assert [(scale.workers, is_fitting) for scale, is_fitting in plan.scaling] == [(1, True), (2, True), (4, True)]


def test_they_are_sharded_where_only_that_fits():
    large = replace(SIZE, tables=[SIZE.tables[0]._replace(rows=100_000_000)])
    room = Room(memory_of(large, 4, SHARDED).total, False)
    plan = make_plan(large, RATES, 4, room)
    assert plan.chosen.layout == SHARDED and plan.chosen.fits
    assert [(scale.layout, is_fitting) for scale, is_fitting in plan.scaling] == [
        (REPLICATED, False),
        (SHARDED, False),
        (SHARDED, True),
    ]
    alone = make_plan(large, RATES, 1, room)
    assert not alone.chosen.fits
    assert "1 worker, tables replicated: does not fit." in alone.verdict
    assert alone.verdict.endswith("With tables sharded it takes 4 workers.")


def test_they_are_sharded_where_they_take_more_than_half_of_the_memory_and_not_on_gpus():
    # 10,000 rows of four numbers, without slots.
    room = Room(2 * 160_000, False)
    assert make_plan(SIZE, RATES, 2, room).chosen.layout == REPLICATED
    assert make_plan(SIZE, RATES, 2, replace(room, available=2 * 160_000 - 1)).chosen.layout == SHARDED
    assert make_plan(SIZE, RATES, 2, Room(1000, True)).chosen.layout == REPLICATED


def test_what_the_config_asks_for_is_taken_and_told_where_it_does_not_fit():
    large = replace(SIZE, tables=[SIZE.tables[0]._replace(rows=100_000_000)])
    room = Room(memory_of(large, 4, SHARDED).total, False)
    plan = make_plan(large, RATES, 4, room, REPLICATED)
    assert plan.chosen.layout == REPLICATED
    assert plan.verdict.endswith("Tables that are sharded (train_config.table_sharding: SHARDED) need less.")
    assert make_plan(SIZE, RATES, 4, Room(1 << 30, False), SHARDED).chosen.layout == SHARDED


def test_no_number_of_workers_is_named_where_none_suffices():
    assert "No number of workers suffices" in make_plan(SIZE, RATES, 4, Room(1000, False)).verdict


def test_memory_that_nobody_knows_is_said():
    assert make_plan(SIZE, RATES, 2, Room(None, False)).verdict.endswith("how much there is, nobody knows here.")


def test_a_network_is_no_faster_than_workers_send():
    assert with_bandwidth(RATES, 5e5).sent_bytes_per_second == 5e5
    assert with_bandwidth(RATES, 5e9).sent_bytes_per_second == 1e6
    assert with_bandwidth(replace(RATES, cpu_seconds_per_byte=0), 5e9).sent_bytes_per_second == 5e9


def test_a_config_asks_for_a_layout_or_leaves_it_to_the_memory():
    assert asked_layout(TrainConfig()) is None
    for name, layout in (("AUTO", None), ("REPLICATED", REPLICATED), ("SHARDED", SHARDED)):
        assert asked_layout(text_format.Parse(f"table_sharding: {name}", TrainConfig())) == layout


def test_tables_on_the_host_are_sharded_by_its_memory_and_both_memories_are_told():
    size = replace(SIZE, are_tables_on_host=True)
    # 10,000 rows of four numbers, without slots: as where a processor computes.
    assert make_plan(size, RATES, 2, Room(1 << 30, True, 2 * 160_000)).chosen.layout == REPLICATED
    plan = make_plan(size, RATES, 2, Room(1 << 30, True, 2 * 160_000 - 1))
    assert plan.chosen.layout == SHARDED
    unknown = make_plan(size, RATES, 2, Room(1 << 30, True))
    assert unknown.chosen.fits and unknown.verdict.endswith("is not known: --host_memory SIZE says it.")
    small = make_plan(size, RATES, 2, Room(1 << 30, True, 1000))
    assert not small.chosen.fits and "of the device and" in small.verdict and "and 1000 B." in small.verdict


def test_where_only_bytes_differ_the_layout_that_sends_less_than_half_is_told():
    room = Room(1 << 40, False)
    texts = {workers: make_plan(SIZE, RATES, workers, room).verdict for workers in (1, 256)}
    ours, theirs = (bytes_of(SIZE, 256, layout).total for layout in (REPLICATED, SHARDED))
    assert 2 * theirs < ours and bytes_text(int(theirs)) in texts[256]
    assert texts[256].endswith(f"send {bytes_text(int(theirs))} in a step in place of {bytes_text(int(ours))}.")
    assert "in place of" not in texts[1]
    assert "in place of" not in make_plan(SIZE, RATES, 256, room, SHARDED).verdict
