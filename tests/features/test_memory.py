"""Whether a model fits in memory: sizes by hand, limits as Linux writes them, and checkpoints of large tables."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from easymtl.checkpoints import weights
from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.checkpoints.restore import load_ranker
from easymtl.cli import main
from easymtl.config import load_config
from easymtl.errors import UserError
from easymtl.features import machine_memory, memory, memory_needs
from easymtl.features.declarations import table_sizes
from easymtl.features.feature_set import FeatureSet
from easymtl.features.growing.map_memory import bytes_of_ids
from easymtl.features.machine_memory import Limit
from easymtl.protos import export_pb2
from easymtl.protos.feature_pb2 import Growing
from easymtl.protos.optimizer_pb2 import Optimizer
from easymtl.training.trainer import Trainer
from easymtl.training.update_rules import UPDATE_RULES
from tests.training.small_runs import small_config, train, write_data

pytestmark = pytest.mark.usefixtures("op_by_op")

ROOT = Path(__file__).parents[2]
CONFIGS = sorted([*ROOT.glob("samples/configs/*.config"), *ROOT.glob("tests/data/easyrec_golden/**/pipeline.config")])
MIB = 1 << 20
ITEM_ROWS = "feature_config.features[0].hash_bucket_size"


@pytest.fixture
def folder(tmp_path):
    write_data(tmp_path)
    return tmp_path


def write(root, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_without_a_limit_the_machine_decides(tmp_path):
    write(tmp_path, "proc/meminfo", "MemTotal: 9000 kB\nMemAvailable:   2048 kB\n")
    assert machine_memory.available_memory(tmp_path) == 2 * MIB


def test_the_narrowest_control_group_of_version_2_decides(tmp_path):
    write(tmp_path, "proc/meminfo", "MemAvailable: 10240 kB\n")
    write(tmp_path, "proc/self/cgroup", "0::/jobs/one\n")
    write(tmp_path, "sys/fs/cgroup/jobs/one/memory.max", "max\n")
    write(tmp_path, "sys/fs/cgroup/jobs/one/memory.current", f"{1 * MIB}\n")
    write(tmp_path, "sys/fs/cgroup/jobs/memory.max", f"{6 * MIB}\n")
    write(tmp_path, "sys/fs/cgroup/jobs/memory.current", f"{5 * MIB}\n")
    write(tmp_path, "sys/fs/cgroup/jobs/memory.stat", f"anon 7\ninactive_file {2 * MIB}\n")
    assert machine_memory.available_memory(tmp_path) == 3 * MIB


def test_a_control_group_of_version_1_counts_where_it_is_mounted_as_the_top(tmp_path):
    write(tmp_path, "proc/meminfo", "MemAvailable: 10240 kB\n")
    write(tmp_path, "proc/self/cgroup", "5:cpu,cpuacct:/\n4:memory:/not/to/be/seen/from/here\n")
    write(tmp_path, "sys/fs/cgroup/memory/memory.limit_in_bytes", f"{4 * MIB}\n")
    write(tmp_path, "sys/fs/cgroup/memory/memory.usage_in_bytes", f"{3 * MIB}\n")
    assert machine_memory.available_memory(tmp_path) == 1 * MIB


def test_where_a_gpu_computes_tables_count_that_lie_in_the_memory_of_the_host(folder, monkeypatch):
    monkeypatch.setattr(memory, "GPU_DEVICE", folder)
    monkeypatch.setattr(machine_memory, "least_limit", lambda **_: Limit(MIB))
    assert "tables" in memory.memory_report(small_config(folder).pipeline)
    with pytest.raises(UserError, match="available"):
        memory.memory_report(small_config(folder, "feature_config.embedding_on_cpu=true").pipeline)


def test_the_address_space_of_the_process_decides_where_it_is_limited(tmp_path):
    write(tmp_path, "proc/meminfo", "MemAvailable: 10240 kB\n")
    write(tmp_path, "proc/self/status", "VmPeak:     9000 kB\nVmSize:     2048 kB\n")
    limits = "Max cpu time  unlimited unlimited seconds\nMax address space         {}  unlimited  bytes\n"
    write(tmp_path, "proc/self/limits", limits.format(5 * MIB))
    assert machine_memory.available_memory(tmp_path) == 3 * MIB
    write(tmp_path, "proc/self/limits", limits.format("unlimited"))
    assert machine_memory.available_memory(tmp_path) == 10 * MIB


def test_the_data_of_the_process_decide_where_they_are_limited_for_each_by_itself(tmp_path):
    write(tmp_path, "proc/meminfo", "MemAvailable: 10240 kB\n")
    write(tmp_path, "proc/self/status", "VmSize:     9000 kB\nVmData:     1024 kB\n")
    write(
        tmp_path,
        "proc/self/limits",
        f"Max address space  unlimited  unlimited bytes\nMax data size  {4 * MIB}  {4 * MIB}\n",
    )
    for num_sharing in (1, 3):
        least = machine_memory.least_limit(tmp_path, num_sharing)
        assert least == Limit(3 * MIB, ", of the 4.00 MiB that ulimit -d allows a process", is_own=True)
    assert machine_memory.least_limit(tmp_path, 4) == Limit(10 * MIB // 4)
    write(tmp_path, "proc/self/status", "VmData:     5000 kB\n")
    assert machine_memory.available_memory(tmp_path) == 0


def test_where_reservations_count_nothing_is_reserved_ahead(tmp_path):
    environ = {"ARROW_DEFAULT_MEMORY_POOL": "jemalloc"}
    write(tmp_path, "proc/self/status", "VmSize:     9000 kB\nVmData:     1024 kB\n")
    write(
        tmp_path,
        "proc/self/limits",
        "Max address space  unlimited  unlimited bytes\nMax data size  unlimited  unlimited\n",
    )
    machine_memory.take_as_needed(environ, tmp_path)
    assert environ == {"ARROW_DEFAULT_MEMORY_POOL": "jemalloc"}
    write(tmp_path, "proc/self/limits", f"Max data size  {4 * MIB}  unlimited  bytes\n")
    machine_memory.take_as_needed(environ, tmp_path)
    assert environ == {"ARROW_DEFAULT_MEMORY_POOL": "jemalloc", "TF_ONEDNN_USE_SYSTEM_ALLOCATOR": "1"}


def test_the_limit_of_a_control_group_is_told(tmp_path):
    write(tmp_path, "proc/self/cgroup", "0::/jobs\n")
    write(tmp_path, "sys/fs/cgroup/jobs/memory.max", f"{7 * MIB}\n")
    write(tmp_path, "sys/fs/cgroup/jobs/memory.current", f"{1 * MIB}\n")
    least = machine_memory.least_limit(tmp_path, 2)
    assert least == Limit(3 * MIB, ", of the 7.00 MiB that a control group allows its processes")


def test_processes_that_share_a_machine_have_a_part_of_it_each_and_all_of_their_address_space(tmp_path):
    write(tmp_path, "proc/meminfo", "MemAvailable: 10240 kB\n")
    write(tmp_path, "proc/self/status", "VmSize:     2048 kB\n")
    write(tmp_path, "proc/self/limits", f"Max address space         {8 * MIB}  unlimited  bytes\n")
    assert machine_memory.available_memory(tmp_path) == 6 * MIB
    assert machine_memory.available_memory(tmp_path, num_sharing=2) == 5 * MIB
    write(tmp_path, "proc/self/cgroup", "0::/jobs\n")
    write(tmp_path, "sys/fs/cgroup/jobs/memory.max", f"{7 * MIB}\n")
    write(tmp_path, "sys/fs/cgroup/jobs/memory.current", f"{1 * MIB}\n")
    assert machine_memory.available_memory(tmp_path, num_sharing=3) == 2 * MIB


def test_a_system_that_does_not_tell_refuses_nothing(tmp_path, folder, monkeypatch):
    assert machine_memory.available_memory(tmp_path) is None
    monkeypatch.setattr(machine_memory, "least_limit", lambda **_: None)
    memory.require_training_memory(small_config(folder, f"{ITEM_ROWS}=2000000000").pipeline)


@pytest.mark.parametrize(
    ("optimizer", "slots", "gradients"),
    [
        ("adam_optimizer { }", 2, 0),
        ("adam_optimizer { dense_embedding_update: true }", 2, 1),
        ("adagrad_optimizer { }", 1, 0),
    ],
)
@pytest.mark.parametrize("averages", [False, True])
def test_what_tables_need(folder, optimizer, slots, gradients, averages):
    config = small_config(folder, f"train_config.optimizer_config[0].use_moving_average={str(averages).lower()}")
    kind = optimizer.split()[0]
    pipeline = config.pipeline
    rate = pipeline.train_config.optimizer_config[0].adam_optimizer.learning_rate
    message = getattr(pipeline.train_config.optimizer_config[0], kind)
    message.learning_rate.CopyFrom(rate)
    if "dense" in optimizer:
        message.dense_embedding_update = True
    tables = table_sizes(pipeline)
    size = (40 + 20) * 4 * 4
    needs = memory_needs.needs_of(tables, memory.tables_rule(pipeline), window=10)
    # A row that is not moved in every step has the number, of 8 bytes, of the last update that has.
    averaged = averages * (size + (1 - gradients) * (40 + 20) * 8)
    assert needs == memory_needs.Needs(size, slots * size, gradients * size, 10, averaged)
    assert memory_needs.needs_of(tables, None) == memory_needs.Needs(size)


def test_what_is_counted_is_named(folder):
    config = small_config(folder, "train_config.optimizer_config[0].use_moving_average=true")
    config.pipeline.train_config.optimizer_config[0].adam_optimizer.dense_embedding_update = True
    report = memory.memory_report(config.pipeline)
    for named in (
        "tables 0.00 MiB, 2 optimizer slots of the same size 0.00 MiB",
        "moving averages (use_moving_average) 0.00 MiB",
        "gradients of all rows (dense_embedding_update) 0.00 MiB",
        "rows in memory",
    ):
        assert named in report


@pytest.mark.parametrize(("precision", "row_bytes"), [("FLOAT32", 16), ("FLOAT16", 8), ("BFLOAT16", 8), ("INT8", 8)])
def test_an_export_needs_its_rows_once_where_it_is_proved(folder, precision, row_bytes):
    pipeline = small_config(folder, f"export_config.row_precision={precision}").pipeline
    needs = memory.needs_of_export(pipeline)
    assert needs == memory_needs.Needs(0, exported=(40 + 20) * row_bytes) and needs.total == 60 * row_bytes
    assert memory.export_memory_report(pipeline) == "tables as they are exported, to prove them 0.00 MiB"
    pipeline.export_config.formats.extend([export_pb2.ExportConfig.SAVED_MODEL, export_pb2.ExportConfig.ONNX])
    assert memory.needs_of_export(pipeline) == needs


def test_sizes_are_told_in_a_unit_in_which_they_are_no_zero(folder):
    pipeline = small_config(folder, f"{ITEM_ROWS}=1000000").pipeline
    assert memory.export_memory_report(pipeline).endswith(" 15.26 MiB")
    pipeline = small_config(folder, f"{ITEM_ROWS}=1000000000").pipeline
    assert memory.export_memory_report(pipeline).endswith(" 14.90 GiB")


def test_no_export_begins_for_which_there_is_no_room(folder, monkeypatch):
    pipeline = small_config(folder).pipeline
    monkeypatch.setattr(machine_memory, "least_limit", lambda **_: Limit(900))
    with pytest.raises(UserError, match=r"does not fit in memory.*\n.*tables as they are exported, to prove them"):
        memory.require_scoring_memory(pipeline, is_exported=True)
    narrow = small_config(folder, "export_config.row_precision=INT8").pipeline
    memory.require_scoring_memory(narrow, is_exported=True)
    with pytest.raises(UserError, match="does not fit in memory"):
        memory.require_scoring_memory(narrow)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem if "samples" in str(path) else path.parent.name)
def test_tables_are_known_before_they_are_built(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    try:
        pipeline = load_config(str(path)).pipeline
        tables = FeatureSet(pipeline).tables
    except UserError:
        pytest.skip("what is still to come, or reads files that are made")
    assert table_sizes(pipeline) == [(table.name, table.rows, table.width) for table in tables]


def test_the_slots_of_every_optimizer_are_known_before_it_is_made():
    made = {kind: UPDATE_RULES[kind](getattr(Optimizer(), kind)) for kind in UPDATE_RULES}
    assert {kind: len(rule.slots) for kind, rule in made.items()} == memory_needs.NUM_SLOTS


def test_a_check_reports_memory_and_refuses_what_training_would(folder, capsys):
    flags = "check", "--pipeline_config", small_config(folder).path
    assert main([*flags]) == 0
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if "memory of" in line]
    assert "memory of an export: tables as they are exported, to prove them 0.00 MiB" in line
    assert "of a training: tables 0.00 MiB, 2 optimizer slots of the same size 0.00 MiB, rows in memory" in line
    assert "Dense weights, activations and TensorFlow itself come on top." in out
    assert main([*flags, "--set", f"{ITEM_ROWS}=1000000000000"]) == 2
    assert "does not fit in memory: it needs 44,703" in capsys.readouterr().err


def test_a_check_tells_what_each_of_several_workers_holds_and_sends(folder, capsys):
    flags = "check", "--pipeline_config", small_config(folder, f"{ITEM_ROWS}=4000").path
    sharded = "train_config.table_sharding=SHARDED"
    assert main([*flags, "--workers", "4", "--set", f"{ITEM_ROWS}=4000", "--set", sharded]) == 0
    out = capsys.readouterr().out
    # 3/4 of 1,000 rows x (8 x 4 + 4) bytes; 8 x 3/4 bytes for each dense weight.
    assert "each of 4 workers, if each has a machine like this one: about 1,005 of the 4,020 rows of the tables" in out
    assert "(table_sharding SHARDED)" in out
    assert "send 27.0 kB of width 4. Dense weights are the same on all, and send 6.00 bytes" in out
    assert main([*flags, "--workers", "4"]) == 0
    # 3 x 1,000 rows x (4 x 4 + 4) bytes.
    assert "send 60.0 kB of width 4." in capsys.readouterr().out
    assert main([*flags]) == 0 and "workers" not in capsys.readouterr().out


def test_a_check_tells_what_each_of_several_workers_holds_of_ids_that_grow(folder, capsys):
    flags = "check", "--pipeline_config", small_config(folder).path, "--workers", "4"
    grown = f"{ITEM_ROWS}=0", "feature_config.features[0].growing.max_rows=10000000"
    told = {}
    for layout in ("SHARDED", "REPLICATED"):
        settings = (*grown, f"train_config.table_sharding={layout}")
        assert main([*flags, *(flag for one in settings for flag in ("--set", one))]) == 0
        told[layout] = capsys.readouterr().out
    settings = Growing(max_rows=10_000_000)
    part, whole = (machine_memory.size_text(bytes_of_ids(settings, number)) for number in (4, 1))
    assert f"and a part of the ids of those that grow, {part}, (table_sharding SHARDED)" in told["SHARDED"]
    assert f"and all ids of those that grow, {whole}, (table_sharding REPLICATED)" in told["REPLICATED"]
    assert f"ids of growing tables, when these are full {part}, rows in memory" in told["SHARDED"]
    assert f"ids of growing tables, when these are full {whole}, rows in memory" in told["REPLICATED"]
    assert bytes_of_ids(settings, 4) < 0.26 * bytes_of_ids(settings)


def test_a_check_tells_workers_that_share_this_machine_from_those_that_have_one_each(folder, capsys, monkeypatch):
    flags = "check", "--pipeline_config", small_config(folder).path, "--set", f"{ITEM_ROWS}=4000"
    pipeline = small_config(folder, f"{ITEM_ROWS}=4000").pipeline
    need = memory_needs.needs_of(table_sizes(pipeline), memory.tables_rule(pipeline)).total
    monkeypatch.setattr(memory, "WINDOW_BYTES", 0)
    monkeypatch.setattr(machine_memory, "least_limit", lambda num_sharing=1: Limit(3 * need // num_sharing))
    assert main([*flags, "--workers", "2"]) == 0
    out = capsys.readouterr().out
    assert "each of 2 workers, if each has a machine like this one: all 4,020 rows" in out
    assert "all 2 on this machine, as `easymtl launch` starts them: table_sharding SHARDED, and 0.28 MiB are" in out
    assert main([*flags, "--workers", "4", "--set", "train_config.table_sharding=REPLICATED"]) == 0
    assert (
        "all 4 on this machine, as `easymtl launch` starts them: The model does not fit in memory: it needs 0.18 MiB, "
        "and 0.14 MiB are available to each of 4 workers of this machine." in capsys.readouterr().out
    )


def test_training_and_scoring_refuse_before_they_allocate(folder):
    result, _ = train(folder, "eval_input_path=", "train_config.num_steps=1")
    huge = small_config(folder, f"{ITEM_ROWS}=1000000000000", f"model_dir={folder}/huge")
    with pytest.raises(UserError, match="does not fit in memory") as caught:
        Trainer(huge, lambda event: None)
    text = str(caught.value)
    assert "table all/item: 1,000,000,000,000 rows x 4 = 14,901.16 GiB" in text
    assert "2 optimizer slots of the same size 29,802.32 GiB" in text
    assert "are available" in text and "hash_bucket_size" in text and "adagrad" in text
    with pytest.raises(UserError, match="does not fit in memory") as caught:
        load_ranker(huge.pipeline, result.checkpoint)
    assert "slots" not in str(caught.value)


def test_a_process_of_a_bounded_size_refuses_and_says_how_many_such_would_do(folder):
    path, limit = small_config(folder).path, 1 << 30
    rows = limit // (4 * 4)
    command = [sys.executable, "-m", "easymtl", "check", path, "--set", f"{ITEM_ROWS}={rows}"]
    bounded = ["sh", "-c", f'ulimit -d {limit >> 10}; exec "$@"', "-", *command]
    done = subprocess.run(bounded, check=False, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    told = r"it needs 3\.50 GiB, and (0\.\d+) GiB are available, of the 1\.00 GiB that ulimit -d allows a process\.\n"
    (available,) = re.findall(told, done.stderr)
    assert f"table all/item: {rows:,} rows x 4 = 1.00 GiB (feature item)" in done.stderr
    (least,) = re.findall(r"deal the rows out to (\d+) workers \(easymtl launch --workers \1 -- ", done.stderr)
    # Each has 3 GiB / least of table and slots, and .5 GiB for the rows that are shuffled.
    fitting = float(available) - 0.5
    assert 3 / (fitting + 0.005) <= int(least) <= 3 / (fitting - 0.005) + 1
    assert "train_config.table_sharding: SHARDED" in done.stderr


def test_where_a_machine_is_too_small_more_of_them_are_advised_if_they_suffice(folder):
    pipeline = small_config(folder, f"{ITEM_ROWS}=4000").pipeline
    needs = memory.needs_of_training(pipeline, 3).total
    with pytest.raises(UserError, match=r"out to 3 workers, on as many machines like this one \(docs/g"):
        memory.require_training_memory(pipeline, room=machine_memory.Room(needs))
    with pytest.raises(UserError, match="out to 4 workers"):
        memory.require_training_memory(pipeline, room=machine_memory.Room(needs - 1))
    with pytest.raises(UserError, match=r"or use a machine with more memory\.$"):
        memory.require_training_memory(pipeline, room=machine_memory.Room(memory.WINDOW_BYTES))
    with pytest.raises(UserError, match="out to 2 workers"):
        memory.require_scoring_memory(pipeline, room=machine_memory.Room(4 * 4 * 4000))
    with pytest.raises(UserError, match=r"or use a machine with more memory\.$"):
        memory.require_scoring_memory(pipeline, is_exported=True, room=machine_memory.Room(4 * 4 * 4000))


def test_a_table_that_is_written_in_pieces_is_read_back_whole_and_in_pieces(folder, monkeypatch):
    monkeypatch.setattr(weights, "_SHARD_BYTES", 100)
    config = small_config(folder)
    result = Trainer(config, lambda event: None).run()
    reader = tf.train.load_checkpoint(result.checkpoint.prefix)
    name = "input_layer/item_embedding/embedding_weights"
    assert reader.get_variable_to_shape_map()[name] == [40, 4]
    assert len(list((result.checkpoint.path).glob("weights.data*"))) > 10
    in_pieces = load_ranker(config.pipeline, CheckpointFolder(folder / "model").latest())
    monkeypatch.undo()
    whole = load_ranker(config.pipeline, result.checkpoint)
    for name, parameter in whole.parameters.items():
        np.testing.assert_array_equal(parameter.read(), reader.get_tensor(name), err_msg=name)
        np.testing.assert_array_equal(in_pieces.parameters[name].read(), reader.get_tensor(name), err_msg=name)
