"""A model repository of the Triton Inference Server: the ONNX file, and `config.pbtxt` that says what it takes."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

CONFIG = "config.pbtxt"

LARGEST_BATCH = 256
"""Rows that Triton puts together; larger requests are refused by it."""

_TYPES = {
    tf.bool: "TYPE_BOOL",
    tf.int32: "TYPE_INT32",
    tf.int64: "TYPE_INT64",
    tf.float16: "TYPE_FP16",
    tf.float32: "TYPE_FP32",
    tf.float64: "TYPE_FP64",
}

Specs = Mapping[str, tf.TensorSpec]


def write_triton(name: str, source: Path, folder: Path, inputs: Specs, outputs: Specs) -> None:
    """Writes `<name>/config.pbtxt` and `<name>/1/` with the files of a folder, which take no further space if possible.

    Args:
        name: of the model, as servers call it.
        source: the folder of the ONNX file.
        folder: the model repository; it is made.
        inputs: of the model; the first size of all is the number of rows, None for any.
        outputs: of the model.
    """
    version = folder / name / "1"
    version.mkdir(parents=True)
    for file in sorted(source.iterdir()):
        try:
            os.link(file, version / file.name)
        except OSError:
            shutil.copyfile(file, version / file.name)
    (folder / name / CONFIG).write_text(triton_config(name, inputs, outputs), encoding="utf-8")


def triton_config(name: str, inputs: Specs, outputs: Specs) -> str:
    """Returns the text of `config.pbtxt`, a `ModelConfig` of Triton.

    Batches are made of requests of any number of rows whose other sizes are equal. Where the number of rows is fixed
    it is a size like others, and Triton makes no batches.
    """
    num_rows = next(iter(inputs.values())).shape[0]
    is_batched = num_rows is None
    tensors = [
        *(_tensor("input", one, spec, is_batched) for one, spec in inputs.items()),
        *(_tensor("output", one, spec, is_batched) for one, spec in outputs.items()),
    ]
    # No request waits for others: what came while the model was busy is the next batch.
    batching = "\ndynamic_batching { max_queue_delay_microseconds: 0 }" if is_batched else ""
    return f"""\
# Put the folder that holds the folder of this file before the server:
#   docker run -p 8000:8000 -p 8001:8001 -v "$PWD/triton:/models" nvcr.io/nvidia/tritonserver:<version>-py3 \\
#     tritonserver --model-repository=/models
# Inputs are those of the signature `encoded`, see signatures.json.
name: {_quoted(name)}
platform: "onnxruntime_onnx"
max_batch_size: {LARGEST_BATCH if is_batched else 0}{batching}
{"".join(tensors)}"""


def _tensor(kind: str, name: str, spec: tf.TensorSpec, is_batched: bool) -> str:
    """Returns an input or output; the number of rows is none of its sizes where requests are put together."""
    sizes = [-1 if size is None else size for size in spec.shape.as_list()[is_batched:]]
    # One value for each row has no size left, and Triton takes none without any.
    dims, reshape = (sizes, "") if sizes else ([1], " reshape { shape: [] }")
    shown = ", ".join(map(str, dims))
    return f"{kind} {{ name: {_quoted(name)} data_type: {_TYPES[spec.dtype]} dims: [{shown}]{reshape} }}\n"


def _quoted(text: str) -> str:
    """Returns a string of the text format of protocol buffers."""
    return json.dumps(text, ensure_ascii=False)
