"""The precision of a training: resolved once, written down, kept on resume."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.protos.train_pb2 import TrainConfig
from easymtl.tasks.ranker import Ranker
from easymtl.training import events, precision
from easymtl.training.restore import settle_precision
from tests.training.small_runs import of_kind, small_config, train, write_data


@pytest.fixture
def has_bfloat16(monkeypatch):
    monkeypatch.setattr(precision, "_has_bfloat16", lambda: True)


@pytest.fixture
def no_measurement(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("nothing is to be measured")

    monkeypatch.setattr(precision, "network_seconds", refuse)


def settled(folder, *changes: str) -> precision.Precision:
    config = small_config(folder, "train_config.mixed_precision=AUTO", *changes)
    return settle_precision(config.pipeline, Ranker(config.pipeline))


def began_in(folder, name: str) -> None:
    (folder / "model").mkdir()
    text = small_config(folder, f"train_config.mixed_precision={name}").text()
    (folder / "model" / "pipeline.config").write_text(text)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [((0.198, 0.081), "BFLOAT16"), ((0.100, 0.095), "FLOAT32"), ((0.050, 0.070), "FLOAT32")],
)
def test_auto_is_what_a_measurement_finds_clearly_faster(tmp_path, monkeypatch, has_bfloat16, seconds, expected):
    monkeypatch.setattr(precision, "MIN_OPERATIONS", 0)
    monkeypatch.setattr(precision, "network_seconds", lambda *arguments: seconds)
    found = settled(tmp_path)
    assert found.name == expected
    assert f"{1e3 * seconds[0]:.0f} ms in float32" in found.reason


@pytest.mark.parametrize(
    ("rounds", "expected"),
    [
        ([], False),
        ([(2.0, 1.0)], False),
        ([(2.0, 1.0), (2.2, 1.0)], True),
        ([(2.0, 1.0), (1.1, 1.0)], False),
        ([(1.0, 1.5), (1.0, 1.3)], True),
        ([(1.0, 1.5), (2.0, 1.0)], False),
    ],
)
def test_clear_rounds_end_a_measurement(rounds, expected):
    assert precision._is_decided(rounds) == expected


def test_a_measurement_runs_both_and_leaves_the_model_as_it_is(tmp_path):
    pipeline = small_config(tmp_path).pipeline
    ranker = Ranker(pipeline)
    before = {name: parameter.read().numpy() for name, parameter in ranker.parameters.items()}
    times = precision.network_seconds(pipeline, ranker, 32)
    assert len(times) == 2
    assert min(times) > 0
    for name, parameter in ranker.parameters.items():
        np.testing.assert_array_equal(parameter.read().numpy(), before[name])


def test_auto_is_float32_for_a_small_network_unmeasured(tmp_path, has_bfloat16, no_measurement):
    found = settled(tmp_path)
    assert found.name == "FLOAT32"
    assert "so small" in found.reason


def test_auto_is_float32_where_the_processor_has_no_bfloat16(tmp_path, monkeypatch, no_measurement):
    monkeypatch.setattr(precision, "MIN_OPERATIONS", 0)
    monkeypatch.setattr(precision, "_processor_has_bfloat16", lambda: False)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    found = settled(tmp_path)
    assert found.name == "FLOAT32"
    assert "no instructions for bfloat16" in found.reason


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [([(8, 0)], True), ([(9, 0), (8, 6)], True), ([(7, 5)], False), ([(9, 0), (7, 0)], False)],
)
def test_the_slowest_gpu_decides_whether_there_is_bfloat16(monkeypatch, capabilities, expected):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: capabilities)
    monkeypatch.setattr(precision, "_compute_capability", lambda gpu: gpu)
    assert precision._has_bfloat16() == expected


@pytest.mark.parametrize("name", ["FLOAT32", "BFLOAT16"])
def test_a_resumed_training_keeps_the_precision_it_was_started_with(tmp_path, no_measurement, name):
    began_in(tmp_path, name)
    found = settled(tmp_path)
    assert found.name == name
    assert str(tmp_path / "model" / "pipeline.config") in found.reason


def test_a_choice_in_the_config_comes_first(tmp_path):
    began_in(tmp_path, "BFLOAT16")
    assert settled(tmp_path, "train_config.mixed_precision=FLOAT32") == precision.Precision(TrainConfig.FLOAT32)


def test_a_training_says_what_auto_came_to_and_writes_it_down(tmp_path):
    write_data(tmp_path)
    choice = ("train_config.mixed_precision=AUTO", "eval_input_path=", "train_config.num_steps=1")
    _, told = train(tmp_path, *choice)
    notes = [event.text for event in of_kind(told, events.Note)]
    assert any(note.startswith("mixed_precision AUTO: FLOAT32, because ") for note in notes)
    assert "mixed_precision: FLOAT32" in (tmp_path / "model" / "pipeline.config").read_text()


def test_bfloat16_trains_nearly_the_same_and_keeps_weights_in_float32(tmp_path):
    write_data(tmp_path)
    losses = {}
    for name in ("FLOAT32", "BFLOAT16"):
        choice = (f"train_config.mixed_precision={name}", f"model_dir={tmp_path}/{name}")
        result, told = train(tmp_path, *choice, "eval_input_path=", "train_config.num_steps=3")
        losses[name] = [event.losses["loss"] for event in of_kind(told, events.Progress)]
    np.testing.assert_allclose(losses["BFLOAT16"], losses["FLOAT32"], rtol=0.02)
    reader = tf.train.load_checkpoint(result.checkpoint.prefix)
    assert set(reader.get_variable_to_dtype_map().values()) == {tf.float32}
