"""What a training step copies between a GPU and the host, as TensorFlow cuts it."""

import contextlib
from pathlib import Path

import pytest

from easymtl.config import load_config
from easymtl.serving.step_placement import placement_of_step
from tests.training.small_runs import small_config, write_data

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("placement")
    write_data(folder)
    return folder


def ops(names):
    return sorted(name.split("(")[1].split(")")[0] for name in names)


def placement(folder, *overrides, is_ahead=True):
    return placement_of_step(small_config(folder, *overrides).pipeline, is_ahead)


@pytest.fixture(scope="module")
def ahead(folder):
    return placement(folder)


def test_inputs_go_up_and_nothing_but_the_answer_of_the_step_before_comes_down(ahead):
    assert ops(ahead.down) == ["ReadVariableOp"]
    assert ahead.between == () and ahead.without_kernel == ()
    assert ahead.on_device > 300


def test_distinct_rows_are_found_on_the_host(ahead):
    assert ahead.pinned > 0
    assert not [name for name in (*ahead.on_host, *ahead.between) if "Unique" in name]


def test_a_step_that_the_host_decides_about_keeps_the_device_waiting(folder):
    found = placement(folder, is_ahead=False)
    assert any("LogicalAnd" in name or "IsFinite" in name or "All" in name for name in found.between)


@pytest.mark.parametrize(
    "overrides",
    [
        ("train_config.gradient_clipping_by_norm=1", 'train_config.freeze_gradient=["tags_embedding"]'),
        ("train_config.optimizer_config[0].use_moving_average=true", "model_config.mmoe.l2_regularization=0.01"),
        ("train_config.mixed_precision=BFLOAT16",),
    ],
)
def test_no_option_keeps_the_device_waiting(folder, overrides):
    found = placement(folder, *overrides)
    assert (ops(found.down), found.between, found.without_kernel) == (["ReadVariableOp"], (), ())


def test_tables_on_the_host_send_vectors_up_and_get_gradients_back(folder):
    found = placement(folder, "feature_config.embedding_on_cpu=true")
    assert "GatherV2" in ops(found.up) or "ResourceGather" in ops(found.up)
    # Rows, and whether they move.
    assert len(found.down) >= 3 and found.between == ()


@pytest.mark.parametrize("config", ["mmoe_bst_on_feed", "esmm_on_funnel", "pepnet_on_livestream"])
def test_no_architecture_keeps_the_device_waiting(config):
    with contextlib.chdir(ROOT):
        found = placement_of_step(load_config(f"samples/configs/{config}.config").pipeline)
    assert (ops(found.down), found.between, found.without_kernel) == (["ReadVariableOp"], (), ())
