"""Rates: by default, and as they are kept."""

import json
from dataclasses import asdict, replace

import pytest

from easymtl.config import load_config
from easymtl.errors import UserError
from easymtl.planning.loopback import network_of
from easymtl.planning.rates import default_rates, default_source, device_named
from easymtl.planning.rates_file import Measured, cache_path, digest_of, read_measured, write_measured
from tests.planning.test_scaling import RATES

CONFIG = "samples/configs/mmoe_on_census.config"


@pytest.fixture(scope="module")
def pipeline():
    return load_config(CONFIG).pipeline


def measured_with(pipeline, **changes):
    whole = Measured(RATES, "cpu", "2026-11-27 20:10", "a processor, 2 cores", digest_of(pipeline))
    return replace(whole, **changes)


def test_a_device_by_default_takes_six_operations_for_a_weight_and_an_example():
    gpu = device_named("A100-80GB")
    rates = default_rates(gpu, 1_000_000, 2.039e9, 6500)
    # 6 x 10^6 x 6500 operations at a fifth of 19.5 TFLOPS, 2 GB at 2,039 GB/s, 5 ms for starting kernels.
    assert rates.step_seconds == pytest.approx(0.010 + 0.001 + 0.005)
    assert rates.num_cores == 0
    assert "data sheet of NVIDIA: 19.5 TFLOPS" in default_source(gpu)


def test_tables_on_the_host_are_updated_there_and_their_rows_come_and_go():
    gpu = device_named("a100-80gb")
    rates = default_rates(gpu, 1_000_000, 1e9, 6500, crossing_bytes=1.2e8)
    # Rows at 10 GB/s, and 12 GB/s between the two memories.
    assert rates.step_seconds == pytest.approx(0.010 + 0.1 + 0.01 + 0.005)
    assert rates.copied_bytes_per_second == 10e9
    assert "on the host" in default_source(gpu, True) and "on the host" not in default_source(gpu)


def test_a_device_that_nobody_knows_is_refused_with_the_nearest():
    with pytest.raises(UserError, match=r'known are .*Did you mean "a100-40gb" or "a100-80gb"\?'):
        device_named("A100")
    with pytest.raises(UserError, match=r'Did you mean "h100"\?'):
        device_named("h10O")


def test_a_sum_of_many_numbers_without_one_of_few_is_what_bytes_take():
    network = network_of((0.002, 0.001), (0.402, 0.201))
    sent = 4 * ((1 << 20) - 16)
    assert network.sent_bytes_per_second == pytest.approx(sent / 0.4)
    assert network.cpu_seconds_per_byte == pytest.approx(0.2 / sent)
    assert network.hop_seconds == 0.001 and network.cpu_seconds_per_hop == 0.0005


def test_what_was_written_is_read(pipeline, tmp_path):
    path = tmp_path / "new" / "rates.json"
    write_measured(path, measured_with(pipeline))
    found = read_measured(path, pipeline)
    assert found == measured_with(pipeline)
    assert found.source == "measured 2026-11-27 20:10 on a processor, 2 cores"


def test_rates_of_another_batch_size_are_refused_and_those_of_other_files_are_not(pipeline, tmp_path):
    path = tmp_path / "rates.json"
    write_measured(path, measured_with(pipeline))
    other = load_config(CONFIG, ["data_config.batch_size=64"]).pipeline
    with pytest.raises(UserError, match="was measured with another config"):
        read_measured(path, other)
    same = load_config(CONFIG, ["model_dir=x", "train_input_path=y", "train_config.num_steps=3"]).pipeline
    assert read_measured(path, same).digest == digest_of(pipeline)
    for slower in ("task_balancing.pcgrad={}", "intra_op_parallelism_threads=1"):
        with pytest.raises(UserError, match="was measured with another config"):
            read_measured(path, load_config(CONFIG, [f"train_config.{slower}"]).pipeline)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2}, 'no "format": 1'),
        ({"date": 3}, '"date" is no line of text'),
        ({"machine": "a\x1b[31m"}, '"machine" is no line of text'),
        ({"rates": []}, '"rates" is no object'),
        ({"rates": {**asdict(RATES), "hop_seconds": -1}}, "hop_seconds is -1"),
        ({"rates": {**asdict(RATES), "step_seconds": 0}}, "step_seconds is 0"),
        ({"rates": {**asdict(RATES), "num_cores": True}}, "num_cores is True"),
        ({"rates": {**asdict(RATES), "num_cores": float("nan")}}, "num_cores is nan"),
        ({"rates": {"hop_seconds": 1}}, "step_seconds is None"),
    ],
)
def test_a_file_that_somebody_has_changed_is_refused(pipeline, tmp_path, changes, said):
    path = tmp_path / "rates.json"
    write_measured(path, measured_with(pipeline))
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(UserError, match=said):
        read_measured(path, pipeline)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 60_000, b"\xff\xfe", b"3"])
def test_what_is_no_record_is_refused(pipeline, tmp_path, content):
    path = tmp_path / "rates.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match="Measure again"):
        read_measured(path, pipeline)


def test_the_cache_is_where_the_user_has_it(pipeline, tmp_path):
    assert cache_path(pipeline, {"XDG_CACHE_HOME": str(tmp_path)}).parent == tmp_path / "easymtl" / "plan"
    # A relative one does not count, as the specification says.
    assert cache_path(pipeline, {"XDG_CACHE_HOME": "x"}).is_absolute()
