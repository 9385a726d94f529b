"""Writing the formats of an export beside its SavedModel, and scoring rows with each."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.errors import UserError, quoted
from easymtl.features.columns import tensor_of
from easymtl.features.packing import PackedTensor
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.formats.conversion import convert
from easymtl.serving.formats.lifting import Lifted, lift
from easymtl.serving.formats.onnx_file import FILE as ONNX_FILE
from easymtl.serving.formats.onnx_file import write_onnx
from easymtl.serving.formats.onnx_network import OnnxNetwork
from easymtl.serving.formats.openvino_network import FILE as OPENVINO_FILE
from easymtl.serving.formats.openvino_network import OpenVinoNetwork, write_openvino
from easymtl.serving.formats.packages import ONNX, OPENVINO, further_formats, require_packages
from easymtl.serving.formats.triton_folder import write_triton
from easymtl.serving.packed_shapes import axes_of
from easymtl.serving.reload import in_parts
from easymtl.serving.saved_model import ServingModel
from easymtl.serving.signatures import Signature

EXTRA = "assets.extra"
FOLDERS = {ONNX: "onnx", OPENVINO: "openvino"}
"""Below `EXTRA`."""

FILES = {ONNX: ONNX_FILE, OPENVINO: OPENVINO_FILE}
TRITON = "triton"

_NETWORKS: dict[str, Callable[[Path], OnnxNetwork | OpenVinoNetwork]] = {ONNX: OnnxNetwork, OPENVINO: OpenVinoNetwork}

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Written:
    """A format of an export.

    Attributes:
        path: its file.
        ask: returns the scores of packed tensors, by name.
    """

    path: Path
    ask: Callable[[Arrays], Arrays]


def write_formats(
    pipeline: Pipeline, folder: Path, name: str, model: ServingModel, tensors: Mapping[str, PackedTensor]
) -> dict[str, Written]:
    """Writes what `export_config.formats` names beside SAVED_MODEL, with a folder for Triton where ONNX is among them.

    Args:
        pipeline: the config.
        folder: of the SavedModel.
        name: under which the model is served.
        model: makes the function from packed tensors to scores.
        tensors: the packed ones.

    Returns:
        The formats, by the name of the format.

    Raises:
        UserError: a package is not installed, or the model has no such form.
    """
    formats = further_formats(pipeline)
    if not formats:
        return {}
    require_packages(pipeline)
    paths = {one: folder / EXTRA / FOLDERS[one] for one in (ONNX, OPENVINO)}
    try:
        _write(folder, name, model, tensors, formats, paths)
        return {
            one: Written(path, _NETWORKS[one](path).ask)
            for one, path in ((one, paths[one] / FILES[one]) for one in formats)
        }
    except (NotImplementedError, RuntimeError) as error:
        raise UserError(
            f"export_config.formats: {quoted(formats)} cannot be made of this model: {error}. Nothing was published; "
            "please report this with the config, and leave it out meanwhile."
        ) from None


def scores_by_format(
    made: Mapping[str, Written], encode: Signature, sent: Mapping[str, pa.Array]
) -> dict[str, dict[str, np.ndarray]]:
    """Returns the scores of rows by format and name, by way of the encoder of the SavedModel.

    Args:
        made: the formats.
        encode: the signature `encode`.
        sent: the inputs of `serving_default`, as a client sends them.

    Raises:
        UserError: a format cannot score a row.
    """
    if not made:
        return {}
    columns = {name: tensor_of(column).numpy() for name, column in sent.items()}
    shapes = {name: spec.shape.as_list() for name, spec in encode.inputs.items()}

    def packed(part: Arrays) -> Arrays:
        answer = encode.function({name: tf.constant(values) for name, values in part.items()})
        return {name: value.numpy() for name, value in answer.items()}

    result = {}
    for name, one in made.items():
        try:
            result[name] = in_parts(partial(_chained, packed, one.ask), shapes, columns)
        except RuntimeError as error:
            raise UserError(f"{one.path}: {name} cannot score the rows of the data: {error}") from None
    return result


def _chained(first: Callable[[Arrays], Arrays], second: Callable[[Arrays], Arrays], part: Arrays) -> Arrays:
    return second(first(part))


def _write(
    folder: Path,
    name: str,
    model: ServingModel,
    tensors: Mapping[str, PackedTensor],
    formats: list[str],
    paths: Mapping[str, Path],
) -> None:
    network = model.convertible()
    lifted = lift(network.function, network.inputs)
    outputs = _output_specs(lifted, network)
    shapes = {one: _input_shape(one, spec, tensors) for one, spec in network.inputs.items()}
    shapes |= {one: _output_shape(one, spec) for one, spec in outputs.items()}
    write_onnx(convert(lifted), lifted.variables, shapes, paths[ONNX], model.blocks_of)
    if OPENVINO in formats:
        write_openvino(paths[ONNX] / ONNX_FILE, paths[OPENVINO])
    if ONNX in formats:
        write_triton(name, paths[ONNX], folder / EXTRA / TRITON, network.inputs, outputs)
    else:
        shutil.rmtree(paths[ONNX])


def _output_specs(lifted: Lifted, network: Signature) -> dict[str, tf.TensorSpec]:
    """Returns the specs of the outputs, all of which have as many rows as the inputs."""
    num_rows = next(iter(network.inputs.values())).shape[0]
    return {
        name: tf.TensorSpec([num_rows, *spec.shape.as_list()[1:]], spec.dtype) for name, spec in lifted.specs.items()
    }


def _input_shape(name: str, spec: tf.TensorSpec, tensors: Mapping[str, PackedTensor]) -> list[int | str]:
    """Returns the sizes of an input; those that are open have names: `rows`, `values_of_bag`, `steps_of_history_0`."""
    axes = [str(axis).replace(" ", "_") for axis in axes_of(name, tensors)]
    return [axis if size is None else size for axis, size in zip(axes, spec.shape.as_list(), strict=True)]


def _output_shape(name: str, spec: tf.TensorSpec) -> list[int | str]:
    sizes = spec.shape.as_list()
    names = ["rows", *(f"{name}_{place}" for place in range(1, len(sizes)))]
    return [axis if size is None else size for axis, size in zip(names, sizes)]
