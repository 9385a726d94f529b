"""Who has which rows of tables: one decision for all workers, by the least memory that any of them finds."""

from functools import partial

import pytest

from easymtl.api.working_together import Worker
from easymtl.checkpoints.restore import owners_of_tables
from easymtl.errors import UserError
from easymtl.features import machine_memory, memory, memory_needs
from easymtl.features.declarations import table_sizes
from easymtl.features.machine_memory import Limit
from easymtl.peers.cluster import Cluster
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.train_pb2 import REPLICATED, SHARDED
from easymtl.training.table_layout import settle_layout
from easymtl.training.trainer import Trainer
from tests.training.small_runs import small_config, write_data

MIB = 1 << 20


class Two(Peers):
    """One of two workers, the other one of which has found so much memory."""

    size = 2

    def __init__(self, other, num_on_host=1):
        self.other, self.num_on_host = other, num_on_host

    def share(self, value):
        return [[self.other, self.num_on_host], value]


@pytest.fixture
def pipeline(tmp_path):
    write_data(tmp_path)
    return small_config(tmp_path, "feature_config.features[0].hash_bucket_size=99980").pipeline


@pytest.fixture
def need(pipeline, monkeypatch):
    """The bytes that the tables need, with their slots; the machine has eight times as many."""
    monkeypatch.setattr(memory, "WINDOW_BYTES", MIB)
    found = memory_needs.needs_of(table_sizes(pipeline), memory.tables_rule(pipeline)).total
    monkeypatch.setattr(machine_memory, "least_limit", lambda num_sharing=1: Limit(8 * found // num_sharing))
    return found


def test_all_decide_by_the_worker_that_has_the_least(pipeline, need):
    assert settle_layout(pipeline, Two(8 * need)).owners is ONE
    assert settle_layout(pipeline, Two(None)).owners is ONE
    peers = Two(2 * need - 1)
    assert settle_layout(pipeline, peers).owners is peers
    with pytest.raises(UserError, match=r"it needs .*, and 0\.57 MiB are available\.\n"):
        settle_layout(pipeline, Two(need // 8))


def test_workers_of_one_machine_share_its_memory(pipeline, need, monkeypatch):
    assert settle_layout(pipeline, Two(8 * need, 2)).owners is ONE
    monkeypatch.setattr(machine_memory, "least_limit", lambda num_sharing=1: Limit(3 * need // num_sharing))
    assert settle_layout(pipeline, Two(8 * need)).owners is ONE
    peers = Two(8 * need, 2)
    assert settle_layout(pipeline, peers).owners is peers
    pipeline.train_config.table_sharding = 1
    with pytest.raises(UserError, match="are available to each of 3 workers of this machine"):
        settle_layout(pipeline, Two(8 * need, 3))


def test_what_leaves_no_room_for_a_copy_is_told(pipeline, need):
    assert settle_layout(pipeline, ONE).saving_waits == ""
    # Twice what is needed, and the rows that are shuffled.
    assert settle_layout(pipeline, Two(2 * need + MIB, 2)).saving_waits == ""
    assert "to each of 2 workers of this machine" in settle_layout(pipeline, Two(2 * need + MIB - 1, 2)).saving_waits


def test_workers_that_score_share_memory_and_may_share_tables(pipeline, need):
    tables = need // 3
    owners = partial(owners_of_tables, pipeline, is_exported=False)
    assert owners(Two(8 * need)) is ONE and owners(ONE) is ONE
    # Without slots they take more than half of what the other one has, or of what is left to each of 13 of a machine.
    for peers in (Two(2 * tables - 1), Two(8 * need, 13)):
        assert owners(peers) is peers
    pipeline.train_config.table_sharding = REPLICATED
    assert owners(Two(2 * tables - 1)) is ONE
    with pytest.raises(UserError, match="are available to each of 30 workers of this machine"):
        owners(Two(8 * need, 30))
    pipeline.train_config.table_sharding = SHARDED
    peers = Two(8 * need, 30)
    assert owners(peers) is peers and owners(ONE) is ONE


def test_a_worker_knows_how_many_are_on_its_host():
    workers = Worker(Cluster(1, 3, ("a:1", "b:1", "b:2"))).peers()
    assert (workers.index, workers.size, workers.num_on_host) == (1, 3, 2)


def test_tables_that_are_given_up_have_no_row_and_neither_has_what_belongs_to_them(tmp_path):
    write_data(tmp_path)
    averaged = "train_config.optimizer_config[0].use_moving_average=true"
    trainer = Trainer(small_config(tmp_path, averaged, "train_config.num_steps=1"), lambda event: None)
    trainer.run()
    trainer.give_up_tables()
    (table,) = trainer.ranker.embeddings.variables_by_width.values()
    slots, average = trainer._optimizers.slots_of(table), trainer._optimizers.average_of(table)
    assert len(slots) == 2 and average.updated_at is not None
    for variable in (table, *slots.values(), average.value, average.updated_at):
        assert variable.shape[0] == 60 and len(variable.numpy()) == 0
