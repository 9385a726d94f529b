"""The precision of a training: resolved once, written down, kept on resume."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.train_pb2 import TrainConfig
from easymtl.training import events, precision
from easymtl.training.restore import settle_precision
from tests.training.small_runs import of_kind, small_config, train, write_data


def pipeline(folder, choice: int = TrainConfig.AUTO) -> Pipeline:
    result = Pipeline(model_dir=str(folder / "model"))
    result.train_config.mixed_precision = choice
    return result


@pytest.mark.parametrize("fast", [True, False])
def test_auto_follows_the_processor(tmp_path, monkeypatch, fast):
    monkeypatch.setattr(precision, "_processor_has_bfloat16", lambda: fast)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    expected = TrainConfig.BFLOAT16 if fast else TrainConfig.FLOAT32
    assert settle_precision(pipeline(tmp_path)) == expected


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ([(8, 0)], TrainConfig.BFLOAT16),
        ([(9, 0), (8, 6)], TrainConfig.BFLOAT16),
        ([(7, 5)], TrainConfig.FLOAT32),
        ([(9, 0), (7, 0)], TrainConfig.FLOAT32),
    ],
)
def test_auto_follows_the_slowest_gpu(monkeypatch, capabilities, expected):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: capabilities)
    monkeypatch.setattr(precision, "_compute_capability", lambda gpu: gpu)
    assert precision.resolve_precision(TrainConfig.AUTO) == expected


@pytest.mark.parametrize("name", ["FLOAT32", "BFLOAT16"])
def test_a_resumed_training_keeps_the_precision_it_was_started_with(tmp_path, name):
    config = small_config(tmp_path, f"train_config.mixed_precision={name}")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "pipeline.config").write_text(config.text())
    assert settle_precision(pipeline(tmp_path)) == TrainConfig.MixedPrecision.Value(name)


def test_a_choice_in_the_config_comes_first(tmp_path):
    config = small_config(tmp_path, "train_config.mixed_precision=BFLOAT16")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "pipeline.config").write_text(config.text())
    assert settle_precision(pipeline(tmp_path, TrainConfig.FLOAT32)) == TrainConfig.FLOAT32


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
