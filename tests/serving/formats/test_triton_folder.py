"""`config.pbtxt`: what Triton takes is what the model takes, and any name is one."""

import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.serving.formats.triton_folder import triton_config, write_triton

INPUTS = {"ids": ([None, 7], tf.int64), "lengths": ([None], tf.int64), "steps": ([None, None, 2], tf.float32)}
OUTPUTS = {'p "ctr\\': ([None], tf.float32), "类": ([None, 3], tf.float32), "y": ([None], tf.int64)}


def specs(shapes, num_rows=None):
    return {name: tf.TensorSpec([num_rows, *shape[1:]], dtype) for name, (shape, dtype) in shapes.items()}


def test_rows_are_none_of_the_sizes_and_one_value_for_each_row_is_reshaped():
    text = triton_config("shop", specs(INPUTS), specs(OUTPUTS))
    lines = text.splitlines()
    assert 'platform: "onnxruntime_onnx"' in lines and "max_batch_size: 256" in lines
    assert "dynamic_batching { max_queue_delay_microseconds: 0 }" in lines
    assert 'input { name: "ids" data_type: TYPE_INT64 dims: [7] }' in lines
    assert 'input { name: "lengths" data_type: TYPE_INT64 dims: [1] reshape { shape: [] } }' in lines
    assert 'input { name: "steps" data_type: TYPE_FP32 dims: [-1, 2] }' in lines
    assert 'output { name: "y" data_type: TYPE_INT64 dims: [1] reshape { shape: [] } }' in lines


def test_a_fixed_number_of_rows_is_a_size_and_makes_no_batches():
    lines = triton_config("shop", specs(INPUTS, 16), specs(OUTPUTS, 16)).splitlines()
    assert "max_batch_size: 0" in lines and not [line for line in lines if "dynamic_batching" in line]
    assert 'input { name: "lengths" data_type: TYPE_INT64 dims: [16] }' in lines
    assert 'input { name: "steps" data_type: TYPE_FP32 dims: [16, -1, 2] }' in lines


def test_triton_itself_reads_all_names():
    messages = pytest.importorskip("tritonclient.grpc.model_config_pb2")
    config = text_format.Parse(triton_config("shop", specs(INPUTS), specs(OUTPUTS)), messages.ModelConfig())
    assert [one.name for one in config.output] == [*OUTPUTS]
    assert [list(one.dims) for one in config.input] == [[7], [1], [-1, 2]]
    assert config.input[1].HasField("reshape") and not config.input[0].HasField("reshape")


def test_where_files_cannot_be_linked_they_are_copied(tmp_path, monkeypatch):
    source = tmp_path / "onnx"
    source.mkdir()
    (source / "model.onnx").write_bytes(b"bytes")

    def refuse(*paths):
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    write_triton("shop", source, tmp_path / "triton", specs(INPUTS), specs(OUTPUTS))
    assert (tmp_path / "triton" / "shop" / "1" / "model.onnx").read_bytes() == b"bytes"
