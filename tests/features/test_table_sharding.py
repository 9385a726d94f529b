"""Who has which rows of tables, and what each worker then needs."""

import pytest

from easymtl.errors import UserError
from easymtl.features import machine_memory, memory
from easymtl.features.machine_memory import Limit
from easymtl.features.table_sharding import are_dealt_out
from tests.training.small_runs import small_config, write_data

MIB = 1 << 20
# 100,000 rows of 4 floats with the two slots of Adam: 4.6 MiB.
ROWS = "feature_config.features[0].hash_bucket_size=99980"
NEED = 100_000 * 4 * 4 * 3


@pytest.fixture
def available(monkeypatch):
    """Returns what sets the memory that there is."""

    def limit(num_bytes):
        monkeypatch.setattr(machine_memory, "least_limit", lambda **_: Limit(num_bytes))

    monkeypatch.setattr(memory, "WINDOW_BYTES", MIB)
    return limit


@pytest.fixture
def config(tmp_path):
    write_data(tmp_path)
    return lambda *overrides: small_config(tmp_path, ROWS, *overrides).pipeline


@pytest.mark.parametrize(
    ("room", "is_sharded"), [(NEED // 2, True), (2 * NEED - 1, True), (2 * NEED, False), (None, False)]
)
def test_auto_deals_out_what_takes_more_than_half_of_the_memory(config, room, is_sharded):
    assert are_dealt_out(config(), 2, room) == is_sharded
    assert not are_dealt_out(config(), 1, room)


def test_the_config_may_say_it(config):
    assert are_dealt_out(config("train_config.table_sharding=SHARDED"), 2, 100 * NEED)
    assert are_dealt_out(config("train_config.table_sharding=SHARDED"), 2, None)
    assert not are_dealt_out(config("train_config.table_sharding=SHARDED"), 1, 100 * NEED)
    assert not are_dealt_out(config("train_config.table_sharding=REPLICATED"), 2, NEED // 2)


def test_what_one_process_refuses_fits_two(config, available):
    available(3 * NEED // 4 + MIB)
    pipeline = config()
    with pytest.raises(UserError, match=r"does not fit in memory[^$]*deal the rows out to 2 workers"):
        memory.require_training_memory(pipeline)
    memory.require_training_memory(pipeline, 2)
    assert are_dealt_out(pipeline, 2, 3 * NEED // 4 + MIB)
    assert "tables 0.76 MiB, 2 optimizer slots of the same size 1.53 MiB" in memory.memory_report(pipeline, 2)
    available(NEED // 2)
    with pytest.raises(UserError, match="does not fit in memory"):
        memory.require_training_memory(pipeline, 2)


@pytest.mark.parametrize("overrides", [(), (".adam_optimizer.dense_embedding_update=true",)])
def test_everything_but_the_window_is_shared(config, overrides):
    optimizer = "train_config.optimizer_config[0]"
    pipeline = config(f"{optimizer}.use_moving_average=true", *(f"{optimizer}{one}" for one in overrides))
    whole = memory.needs_of_training(pipeline)
    part = whole.of_each(4)
    assert whole.averages and (part.tables, part.slots) == (whole.tables / 4, whole.slots / 4)
    assert (part.gradients, part.averages, part.window) == (whole.gradients / 4, whole.averages / 4, whole.window)
