"""Networks of every kind, untrained, as files: the scores that TensorFlow computes, from rows of every size."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.config import load_config
from easymtl.protos.export_pb2 import ExportConfig
from easymtl.serving import saved_model
from easymtl.serving.formats.writing import write_formats
from easymtl.serving.saved_model import ServingModel
from easymtl.tasks.post_calibration import Line, Steps
from easymtl.tasks.ranker import Ranker
from tests.serving.test_further_signatures import ROWS, Served, taken

pytestmark = pytest.mark.slow
pytest.importorskip("tf2onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

SAMPLES = [
    "configs/dbmtl_din_on_feed",
    "configs/escm2_on_funnel",
    "configs/mmoe_bst_on_feed",
    "tour/cmbf_on_posts",
    "tour/history_layers_on_feed",
    "tour/keras_layers_on_livestream",
    "tour/product_layers_on_livestream",
    "tour/ranking_losses_on_posts",
]
# What `post_calibration` puts behind the probabilities.
CURVES = {"configs/escm2_on_funnel": {"ctr": Steps((-0.1, 0.0, 0.2), (0.1, 0.3, 0.9)), "cvr": Line(0.5, -1.0)}}
# It refuses a request all of whose histories are shorter than the steps that there are.
NOT_BY_OPENVINO = ["tour/history_layers_on_feed"]


def files_of(pipeline, ranker, folder):
    """The network in all formats."""
    pipeline.export_config.formats[:] = [ExportConfig.SAVED_MODEL, ExportConfig.ONNX, ExportConfig.OPENVINO]
    model = ServingModel(pipeline, ranker)
    return write_formats(pipeline, folder, "model", model, ranker.feature_set.packing.tensors), model


def some_packed(specs, num_rows, num_open):
    """Packed tensors of so many rows, whose other open sizes are `num_open`."""
    random = np.random.default_rng(num_rows)
    result = {}
    for name, spec in specs.items():
        sizes = [num_rows, *(num_open if size is None else size for size in spec.shape.as_list()[1:])]
        if name.endswith("_lengths"):
            result[name] = random.integers(0, num_open + 1, sizes)
        elif spec.dtype.is_integer:
            result[name] = random.integers(-1, 6, sizes)
        else:
            result[name] = random.random(sizes).astype(np.float32)
    return result


@pytest.mark.parametrize("sample", SAMPLES)
def test_samples_score_as_tensorflow_does(sample, tmp_path):
    pipeline = load_config(f"samples/{sample}.config").pipeline
    ranker = Ranker(pipeline)
    ranker.curves = dict(CURVES.get(sample, {}))
    made, model = files_of(pipeline, ranker, tmp_path)
    network = model.convertible()
    for num_rows, num_open in ((5, 3), (1, 1), (3, 0), (0, 2)):
        packed = some_packed(network.inputs, num_rows, num_open)
        wanted = network.function({name: tf.constant(value) for name, value in packed.items()})
        is_for_all = num_rows and num_open and sample not in NOT_BY_OPENVINO
        formats = made if is_for_all else {"ONNX": made["ONNX"]}
        for name, one in formats.items():
            found = one.ask(packed)
            for output, value in wanted.items():
                largest = np.max(np.abs(value), initial=1.0)
                np.testing.assert_allclose(found[output], value, atol=1e-5 * largest, err_msg=f"{name} {output}")


@pytest.mark.parametrize(("further", "most_constant"), [("", 1 << 30), ("embedding_on_cpu: true batch_size: 2", 0)])
def test_every_kind_of_column_behind_the_encoder(tmp_path, monkeypatch, further, most_constant):
    monkeypatch.setattr(saved_model, "MOST_CONSTANT_BYTES", most_constant)
    served = Served(tmp_path, further=further)
    made, _ = files_of(served.pipeline, served.ranker, tmp_path)
    rows = taken(ROWS, [0, 2]) if "batch_size" in further else ROWS
    packed = served.ask("encode", served.sent(rows))
    wanted = served.ask("encoded", {name: tf.constant(value) for name, value in packed.items()})
    for one in made.values():
        for name, value in one.ask(packed).items():
            np.testing.assert_allclose(value, wanted[name], rtol=1e-5, atol=1e-5)
    assert np.ptp(wanted["probs_ctr"]) > 1e-3
    if "batch_size" not in further:
        # Lengths beyond the steps that there are, and below 0.
        packed["history_0_lengths"] = np.array([99, -5, 1, 0, 2, 3])
        wanted = served.ask("encoded", {name: tf.constant(value) for name, value in packed.items()})
        np.testing.assert_allclose(made["ONNX"].ask(packed)["probs_ctr"], wanted["probs_ctr"], atol=1e-5)
        exchanged = np.swapaxes(packed["history_0_values"], 0, 1)
        with pytest.raises(RuntimeError, match="shape_of_history_0_values"):
            made["ONNX"].ask({**packed, "history_0_values": exchanged})
